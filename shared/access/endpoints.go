package access

import (
	"net/http"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// Auth is how the caller of an endpoint is known.
type Auth string

// The ways.
const (
	AuthKey    Auth = "key"    // an API key, or staff under a grant; access is by Guard
	AuthStaff  Auth = "staff"  // staff by their role alone, and a key if a role of keys is named
	AuthToken  Auth = "token"  // an SDK token, which only writes
	AuthPublic Auth = "public" // by nothing: there is nothing to protect
)

// Endpoint is one endpoint of the API.
type Endpoint struct {
	Method string // GET also takes HEAD
	Path   string // a ServeMux pattern
	Auth   Auth
	Role   project.Role // that a key must have at least
	Action string       // in the access log; empty where nothing of a person can be seen or changed
	Staff  []staff.Role // who of the staff may; of AuthKey, under a grant alone
}

// Groups of the staff's roles. Engineers see no customer's data.
var (
	nobody   []staff.Role
	officer  = []staff.Role{staff.PrivacyOfficer}
	helpers  = []staff.Role{staff.Support, staff.PrivacyOfficer}
	watchman = []staff.Role{staff.Security}
	watch    = []staff.Role{staff.PrivacyOfficer, staff.Security}
	everyone = staff.Roles
	granted  = []staff.Role{staff.Support, staff.PrivacyOfficer, staff.Security}
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

// Endpoints is the one list of the API.
var Endpoints = []Endpoint{
	{post, "/track", AuthToken, "", "", nobody},
	{post, "/engage", AuthToken, "", "", nobody},
	{post, "/import", AuthToken, "", "", nobody},
	{post, "/consent", AuthToken, "", "", nobody},
	{get, "/consent", AuthToken, "", "", nobody},
	{get, "/sdk.js", AuthPublic, "", "", nobody},
	{get, "/sdk.mjs", AuthPublic, "", "", nobody},
	{get, "/sdk.d.ts", AuthPublic, "", "", nobody},

	{get, "/v1/reports/segmentation", AuthKey, project.Reader, "report.segmentation", nobody},
	{get, "/v1/reports/top-events", AuthKey, project.Reader, "report.top_events", nobody},
	{post, "/v1/reports/funnel", AuthKey, project.Reader, "report.funnel", nobody},
	{post, "/v1/reports/retention", AuthKey, project.Reader, "report.retention", nobody},
	{get, "/v1/reports/properties", AuthKey, project.Reader, "report.properties", nobody},
	{get, "/v1/reports/values", AuthKey, project.Reader, "report.values", nobody},
	{get, "/api/query/segmentation", AuthKey, project.Reader, "report.segmentation", nobody},
	{get, "/api/query/events/top", AuthKey, project.Reader, "report.top_events", nobody},
	{get, "/api/query/retention", AuthKey, project.Reader, "report.retention", nobody},
	{get, "/api/query/stream/query", AuthKey, project.Reader, "person.events", nobody},
	{get, "/api/2.0/export", AuthKey, project.Privacy, "export.events", nobody}, // of everybody: more than one person's

	{get, "/v1/people/{distinct_id}", AuthKey, project.Reader, "person.read", helpers},
	{get, "/v1/people/{distinct_id}/events", AuthKey, project.Reader, "person.events", officer},
	{get, "/v1/people/{distinct_id}/links", AuthKey, project.Privacy, "link.list", officer},
	{post, "/v1/people/{distinct_id}/links", AuthKey, project.Privacy, "link.create", officer},
	{del, "/v1/people/{distinct_id}/links/{other}", AuthKey, project.Privacy, "link.delete", officer},
	{get, "/v1/people/{distinct_id}/consent", AuthKey, project.Privacy, "consent.read", officer},
	{put, "/v1/people/{distinct_id}/consent", AuthKey, project.Privacy, "consent.write", officer},
	{get, "/v1/people/{distinct_id}/restriction", AuthKey, project.Privacy, "restriction.read", officer},
	{put, "/v1/people/{distinct_id}/restriction", AuthKey, project.Privacy, "restriction.create", officer},
	{del, "/v1/people/{distinct_id}/restriction", AuthKey, project.Privacy, "restriction.delete", officer},

	{post, "/v1/rectifications", AuthKey, project.Privacy, "rectification.create", officer},
	{get, "/v1/rectifications", AuthKey, project.Privacy, "rectification.list", helpers},
	{get, "/v1/rectifications/{id}", AuthKey, project.Privacy, "rectification.read", helpers},

	{post, "/v1/exports", AuthKey, project.Privacy, "export.create", helpers},
	{get, "/v1/exports", AuthKey, project.Privacy, "export.list", helpers},
	{get, "/v1/exports/{id}", AuthKey, project.Privacy, "export.read", helpers},
	{del, "/v1/exports/{id}", AuthKey, project.Privacy, "export.cancel", officer},
	{post, "/v1/exports/{id}/confirm", AuthKey, project.Privacy, "export.confirm", officer},
	{post, "/v1/exports/{id}/refuse", AuthKey, project.Privacy, "export.refuse", officer},
	{post, "/api/app/data-retrievals/v3.0", AuthKey, project.Privacy, "export.create", nobody},
	{get, "/api/app/data-retrievals/v3.0/{id}", AuthKey, project.Privacy, "export.read", nobody},

	{post, "/v1/deletions", AuthKey, project.Privacy, "deletion.create", helpers},
	{post, "/v1/deletions/preview", AuthKey, project.Privacy, "deletion.preview", helpers},
	{get, "/v1/deletions", AuthKey, project.Privacy, "deletion.list", helpers},
	{get, "/v1/deletions/{id}", AuthKey, project.Privacy, "deletion.read", helpers},
	{del, "/v1/deletions/{id}", AuthKey, project.Privacy, "deletion.cancel", officer},
	{post, "/v1/deletions/{id}/confirm", AuthKey, project.Privacy, "deletion.confirm", officer},
	{post, "/v1/deletions/{id}/refuse", AuthKey, project.Privacy, "deletion.refuse", officer},
	{get, "/v1/deletions/{id}/receipt", AuthKey, project.Privacy, "deletion.receipt", helpers},
	{post, "/api/app/data-deletions/v3.0", AuthKey, project.Privacy, "deletion.create", nobody},
	{get, "/api/app/data-deletions/v3.0/{id}", AuthKey, project.Privacy, "deletion.read", nobody},
	{del, "/api/app/data-deletions/v3.0/{id}", AuthKey, project.Privacy, "deletion.cancel", nobody},
	{get, "/.well-known/jwks.json", AuthPublic, "", "", nobody},

	{post, "/requests", AuthKey, project.Privacy, "opendsr.create", nobody},
	{get, "/requests/{id}", AuthKey, project.Privacy, "opendsr.read", nobody},
	{del, "/requests/{id}", AuthKey, project.Privacy, "opendsr.cancel", nobody},
	{post, "/opengdpr_requests", AuthKey, project.Privacy, "opendsr.create", nobody},
	{get, "/opengdpr_requests/{id}", AuthKey, project.Privacy, "opendsr.read", nobody},
	{del, "/opengdpr_requests/{id}", AuthKey, project.Privacy, "opendsr.cancel", nobody},
	{get, "/discovery", AuthPublic, "", "", nobody},
	{get, "/cert.pem", AuthPublic, "", "", nobody},

	{get, "/v1/retention", AuthKey, project.Admin, "retention.read", nobody},
	{put, "/v1/retention", AuthKey, project.Admin, "retention.write", nobody},
	{del, "/v1/retention/pending", AuthKey, project.Admin, "retention.take_back", nobody},
	{post, "/v1/retention/preview", AuthKey, project.Admin, "retention.preview", nobody},
	{get, "/v1/retention/runs", AuthKey, project.Admin, "retention.runs", nobody},
	{get, "/v1/retention/hold", AuthKey, project.Admin, "hold.read", nobody},
	{put, "/v1/retention/hold", AuthKey, project.Admin, "hold.create", nobody},
	{del, "/v1/retention/hold", AuthKey, project.Admin, "hold.delete", nobody},
	{get, "/v1/retention/holds/{distinct_id}", AuthKey, project.Admin, "hold.read", nobody},
	{put, "/v1/retention/holds/{distinct_id}", AuthKey, project.Admin, "hold.create", nobody},
	{del, "/v1/retention/holds/{distinct_id}", AuthKey, project.Admin, "hold.delete", nobody},

	{post, "/v1/incidents", AuthStaff, "", "", watchman},
	{get, "/v1/incidents", AuthStaff, project.Admin, "", watchman},
	{get, "/v1/incidents/{id}", AuthStaff, project.Admin, "", watchman},
	{post, "/v1/incidents/{id}/updates", AuthStaff, "", "", watchman},
	{post, "/v1/incidents/{id}/close", AuthStaff, "", "", watchman},
	{post, "/v1/incidents/{id}/acknowledge", AuthKey, project.Admin, "incident.acknowledge", nobody},
	{get, "/v1/project/contacts", AuthKey, project.Admin, "contacts.read", nobody},
	{put, "/v1/project/contacts", AuthKey, project.Admin, "contacts.write", nobody},
	{post, "/v1/webhooks", AuthKey, project.Admin, "webhook.create", nobody},
	{get, "/v1/webhooks", AuthKey, project.Admin, "webhook.list", nobody},
	{post, "/v1/webhooks/test", AuthKey, project.Admin, "webhook.test", nobody},
	{get, "/v1/webhooks/deliveries", AuthKey, project.Admin, "webhook.deliveries", nobody},
	{del, "/v1/webhooks/{id}", AuthKey, project.Admin, "webhook.delete", nobody},
	{post, "/v1/webhooks/{id}/rotate", AuthKey, project.Admin, "webhook.rotate", nobody},

	{get, "/v1/access-log", AuthKey, project.Admin, "accesslog.read", watchman},
	// What follows is made of hashes alone; to log who checks the log would make it
	// grow by being checked.
	{get, "/v1/access-log/checkpoint", AuthKey, project.Admin, "", nobody},
	{get, "/v1/access-log/proof", AuthKey, project.Admin, "", nobody},
	{get, "/v1/access-log/consistency", AuthKey, project.Admin, "", nobody},
	{get, "/v1/access-log/tile/{path...}", AuthKey, project.Admin, "", nobody},

	{post, "/v1/keys", AuthKey, project.Admin, "key.create", nobody},
	{get, "/v1/keys", AuthKey, project.Admin, "key.list", nobody},
	{post, "/v1/keys/{id}/rotate", AuthKey, project.Admin, "key.rotate", nobody},
	{del, "/v1/keys/{id}", AuthKey, project.Admin, "key.revoke", nobody},
	{post, "/v1/tokens", AuthKey, project.Admin, "token.create", nobody},
	{get, "/v1/tokens", AuthKey, project.Admin, "token.list", nobody},
	{put, "/v1/tokens/{id}", AuthKey, project.Admin, "token.write", nobody},
	{post, "/v1/tokens/{id}/rotate", AuthKey, project.Admin, "token.rotate", nobody},
	{del, "/v1/tokens/{id}", AuthKey, project.Admin, "token.revoke", nobody},
	{get, "/v1/project", AuthKey, project.Admin, "settings.read", nobody},
	{put, "/v1/project/settings", AuthKey, project.Admin, "settings.write", nobody},
	{get, "/v1/project/settings/history", AuthKey, project.Admin, "settings.history", nobody},
	{post, "/v1/project/identity-secret", AuthKey, project.Admin, "identity_secret.create", nobody},
	{del, "/v1/project/identity-secret", AuthKey, project.Admin, "identity_secret.end", nobody},
	{get, "/v1/project/dpa", AuthKey, project.Admin, "dpa.read", nobody},
	{post, "/v1/project/dpa", AuthKey, project.Admin, "dpa.accept", nobody},
	{post, "/v1/projects", AuthStaff, "", "project.create", officer},
	{post, "/v1/dpa", AuthStaff, "", "dpa.publish", officer},

	{post, "/v1/sessions", AuthStaff, project.Reader, "session.create", everyone},
	{get, "/v1/sessions/current", AuthStaff, project.Reader, "", everyone},
	{del, "/v1/sessions/current", AuthStaff, project.Reader, "session.end", everyone},
	{get, "/v1/project/staff-access", AuthKey, project.Admin, "project.read", nobody},
	{put, "/v1/project/staff-access", AuthKey, project.Admin, "project.staff_access", nobody},
	{get, "/v1/evidence", AuthKey, project.Admin, "evidence.read", nobody},
	{post, "/v1/grants", AuthStaff, "", "grant.create", granted},
	{get, "/v1/grants", AuthStaff, project.Admin, "", granted},
	{post, "/v1/grants/{id}/approve", AuthStaff, "", "grant.approve", watch},
	{post, "/v1/grants/{id}/revoke", AuthStaff, project.Admin, "grant.revoke", granted},
	{get, "/v1/staff", AuthStaff, "", "staff.list", officer},
	{put, "/v1/staff/{email}", AuthStaff, "", "staff.write", officer},
}

// Find is an endpoint that Guard opens. One that the list does not have is a mistake
// of the program, which its first start shows.
func Find(method, path string) Endpoint {
	for _, e := range Endpoints {
		if e.Method == method && e.Path == path && (e.Auth == AuthKey || e.Auth == AuthStaff) {
			return e
		}
	}
	panic("access: not in the list of endpoints: " + method + " " + path)
}
