// Package topology is the one list of what Lethe is made of: functions, their
// routes and topics, the databases and the bucket. The local system
// (emulators/) starts from it, and Terraform is held against it.
//
//	HTTP ─▶ ingest ─▶ topic events ─▶ store ─▶ Firestore ─▶ report, person
//	HTTP ─▶ export, delete, person, opendsr ─▶ requests ─▶ topics exports, deletions,
//	     rectifications, callbacks ─▶ the worker of the same folder
//	Cloud Scheduler ─ each minute ─▶ topic seals ─▶ admin-worker: the access log
//	Cloud Scheduler ─ daily ─▶ topic retention ─▶ retention-worker: purge
//	Cloud Scheduler ─ hourly ─▶ topic retention ─▶ retention-worker: a line that alerts read
//	HTTP, a browser ─▶ dashboard ─▶ the functions above, over HTTP as any caller
//	HTTP ─▶ incident ─▶ topic incidents ─▶ incident-worker ─▶ e-mail, and topic webhooks
//	topic webhooks ─▶ webhook-worker ─▶ customers' endpoints
//	each topic: after MaxDeliveries, or a permanent fault ─▶ TOPIC-dead
package topology

import "time"

// Names of the Firestore databases. Ingest reads Edge and nothing else.
const (
	DefaultDatabase = "(default)"
	EdgeDatabase    = "edge"
)

// The topics. All but events and links carry no personal data: they name a request.
const (
	TopicEvents         = "events"         // batches of events and operations, from ingest to store
	TopicLinks          = "links"          // what events say of who is who, from store to its other half
	TopicExports        = "exports"        // slices of access and portability requests
	TopicDeletions      = "deletions"      // slices of erasures
	TopicRectifications = "rectifications" // slices of rectifications
	TopicCallbacks      = "callbacks"      // a request's change of state, to be told to who asked
	TopicWebhooks       = "webhooks"       // events for customers' endpoints
	TopicIncidents      = "incidents"      // notices of incidents
	TopicSeals          = "seals"          // the sealing of the access log: of all projects, and one's
	TopicRetention      = "retention"      // the daily purge: of all projects, and slices of one's
)

// Delivery rules of every push subscription.
const (
	AckDeadline   = 60 * time.Second // a push unanswered for this long is delivered again
	MinBackoff    = 1 * time.Second  // between deliveries of one message, growing
	MaxBackoff    = 60 * time.Second // to this
	MaxDeliveries = 20               // then the message goes to the dead-letter topic
	Retention     = 7 * 24 * time.Hour
)

// DeadTopic is the dead-letter topic of a topic; its one subscription has the
// same name, and package letters takes from it.
func DeadTopic(topic string) string { return topic + "-dead" }

// PushSubscription is the name of a topic's push subscription: the topic and
// the function that works on it.
func PushSubscription(topic, function string) string { return topic + "-" + function }

// Function is one deployed function.
type Function struct {
	Name       string   // of its own; the folder's, or what it works on and "-worker"
	Folder     string   // under functions/; names its service account too
	EntryPoint string   // name registered with the functions framework
	Paths      []string // routed to it by the load balancer: exact, or a prefix ending in "/*"
	Topic      string   // pushed to it, if not empty
}

// Functions lists all of them.
var Functions = []Function{
	{Name: "ingest", Folder: "ingest", EntryPoint: "Ingest", Paths: []string{
		"/track", "/track/*", "/engage", "/engage/*", "/import", "/import/*", "/consent",
		"/sdk.js", "/sdk.mjs", "/sdk.d.ts",
	}},
	{Name: "store", Folder: "store", EntryPoint: "Store", Topic: TopicEvents},
	{Name: "link-worker", Folder: "store", EntryPoint: "LinkWorker", Topic: TopicLinks},
	{Name: "report", Folder: "report", EntryPoint: "Report", Paths: []string{"/v1/reports/*", "/api/query/*", "/api/2.0/export"}},
	{Name: "person", Folder: "person", EntryPoint: "Person", Paths: []string{
		"/v1/people/*", "/v1/rectifications", "/v1/rectifications/*",
	}},
	{Name: "person-worker", Folder: "person", EntryPoint: "PersonWorker", Topic: TopicRectifications},
	{Name: "export", Folder: "export", EntryPoint: "Export", Paths: []string{
		"/v1/exports", "/v1/exports/*", "/api/app/data-retrievals/*",
	}},
	{Name: "export-worker", Folder: "export", EntryPoint: "ExportWorker", Topic: TopicExports},
	{Name: "delete", Folder: "delete", EntryPoint: "Delete", Paths: []string{
		"/v1/deletions", "/v1/deletions/*", "/api/app/data-deletions/*", "/.well-known/jwks.json",
	}},
	{Name: "delete-worker", Folder: "delete", EntryPoint: "DeleteWorker", Topic: TopicDeletions},
	{Name: "opendsr", Folder: "opendsr", EntryPoint: "OpenDSR", Paths: []string{
		"/discovery", "/cert.pem", "/requests", "/requests/*", "/opengdpr_requests", "/opengdpr_requests/*",
	}},
	{Name: "admin", Folder: "admin", EntryPoint: "Admin", Paths: []string{
		"/v1/access-log", "/v1/access-log/*", "/v1/keys", "/v1/keys/*", "/v1/tokens", "/v1/tokens/*",
		"/v1/project", "/v1/project/settings", "/v1/project/settings/history", "/v1/project/identity-secret", "/v1/project/dpa",
		"/v1/projects", "/v1/dpa", "/v1/project/staff-access", "/v1/evidence", "/v1/grants", "/v1/grants/*", "/v1/staff", "/v1/staff/*",
		"/v1/sessions", "/v1/sessions/*",
	}},
	{Name: "admin-worker", Folder: "admin", EntryPoint: "AdminWorker", Topic: TopicSeals},
	{Name: "retention", Folder: "retention", EntryPoint: "Retention", Paths: []string{"/v1/retention", "/v1/retention/*"}},
	{Name: "retention-worker", Folder: "retention", EntryPoint: "RetentionWorker", Topic: TopicRetention},
	{Name: "opendsr-worker", Folder: "opendsr", EntryPoint: "OpenDSRWorker", Topic: TopicCallbacks},
	{Name: "incident", Folder: "incident", EntryPoint: "Incident", Paths: []string{
		"/v1/incidents", "/v1/incidents/*", "/v1/webhooks", "/v1/webhooks/*", "/v1/project/contacts",
	}},
	{Name: "incident-worker", Folder: "incident", EntryPoint: "IncidentWorker", Topic: TopicIncidents},
	{Name: "webhook-worker", Folder: "incident", EntryPoint: "WebhookWorker", Topic: TopicWebhooks},
	{Name: "dashboard", Folder: "dashboard", EntryPoint: "Dashboard", Paths: []string{"/*"}}, // what no other takes
}

// Schedule is one job of Cloud Scheduler: a message that is published again and again.
type Schedule struct {
	Topic string
	Every time.Duration
	Data  string
}

// Schedules lists all of them. A worker takes one that comes more often than it
// should for what it is: work that has been done.
var Schedules = []Schedule{
	{Topic: TopicSeals, Every: time.Minute, Data: "{}"},
	{Topic: TopicRetention, Every: 24 * time.Hour, Data: "{}"},
	{Topic: TopicRetention, Every: time.Hour, Data: `{"watch":true}`}, // whether purges and requests go on
	{Topic: TopicIncidents, Every: time.Hour, Data: "{}"},
	{Topic: TopicWebhooks, Every: time.Minute, Data: "{}"},
}

// Topics lists every topic that is pushed to a function.
func Topics() []string {
	var topics []string
	for _, f := range Functions {
		if f.Topic != "" {
			topics = append(topics, f.Topic)
		}
	}
	return topics
}
