package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localreceipt"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/functions/admin"
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/functions/incident"
	"github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/functions/retention"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// bureau is a world whose API has all functions that the pages of sections call, with
// their workers.
type bureau struct {
	*world
	bucket *storage.BucketHandle
	key    *merkle.Key
	store  http.Handler
	work   func() // starts the workers

	exports request.Publishers
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	o := &bureau{world: &world{Tenant: local.NewTenant(t, nil), t: t, api: http.NewServeMux()}, key: local.LogKey(t)}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	o.issuer, err = issuer()
	check(err)
	verifier, err := staff.NewVerifier(context.Background(), staff.Config{Audience: local.StaffAudience, Issuer: o.issuer.URL, CertsURL: o.issuer.CertsURL(), Root: root})
	check(err)
	ps := o.OpenPubSub(t)
	cloud, bucket := localstorage.OpenBucket(t, o.Tenant)
	o.bucket = bucket
	signer := localreceipt.Open(t)
	topic := func(name string) *queue.Publisher { return queue.NewPublisher(ps, name, 30*time.Second) }
	pubs := func(name string) request.Publishers {
		return request.Publishers{Tasks: topic(name), Callbacks: topic(topology.TopicCallbacks), Webhooks: topic(topology.TopicWebhooks)}
	}
	guard := access.NewGuard(o.Default, o.OpenLog(t)).WithStaff(verifier)
	ec := export.Config{Config: o.Config, Signing: objects.Signing{KeyFile: cloud.KeyFile, Account: localstorage.SigningAccount},
		URLTTL: time.Minute, Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: time.Minute}
	links, err := objects.NewURLSigner(ec.Signing, bucket)
	check(err)
	dc := erase.Config{Config: o.Config, PublicURL: "https://lethe.example", BackupDays: 30, Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: time.Minute, SweepIdle: time.Second}
	pc := person.Config{Config: o.Config, Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: time.Minute}
	ic := incident.Config{Config: o.Config, Webhook: webhook.Config{Timeout: 5 * time.Second, Backoff: time.Hour, AllowLoopback: true}, PublicURL: "https://lethe.example", Timeout: time.Minute}

	o.exports = pubs(topology.TopicExports)
	o.store = store.New(o.Databases, topic(topology.DeadTopic(topology.TopicEvents)), topic(topology.TopicLinks))
	people := person.New(pc, guard, o.Databases, pubs(topology.TopicRectifications), topic(topology.TopicLinks))
	deletions := erase.New(dc, guard, o.Default, signer.Keys, pubs(topology.TopicDeletions))
	incidents := incident.New(ic, guard, o.Default, topic(topology.TopicIncidents))
	for pattern, h := range map[string]http.Handler{
		"/v1/": admin.New(admin.Config{Config: o.Config, Timeout: time.Minute, PublishTimeout: 30 * time.Second}, guard,
			admin.Stores{DB: o.Default, Edge: o.Edge, Bucket: bucket, Key: o.key, Signer: signer, Webhooks: topic(topology.TopicWebhooks)}),
		"/v1/people/": people, "/v1/rectifications": people, "/v1/rectifications/": people,
		"/v1/exports": nil, "/v1/exports/": nil,
		"/v1/deletions": deletions, "/v1/deletions/": deletions, "/.well-known/jwks.json": deletions,
		"/v1/retention": nil, "/v1/retention/": nil,
		"/v1/webhooks": incidents, "/v1/webhooks/": incidents, "/v1/project/contacts": incidents,
	} {
		switch {
		case h != nil:
		case strings.HasPrefix(pattern, "/v1/exports"):
			h = export.New(ec, guard, o.Default, links, o.exports)
		default:
			h = retention.New(retention.Config{Config: o.Config, Timeout: time.Minute, PreviewTime: time.Minute, PublishTimeout: 30 * time.Second}, guard, o.Default)
		}
		o.api.Handle(pattern, h)
	}
	o.work = func() {
		dead := func(name string) *queue.Publisher { return topic(topology.DeadTopic(name)) }
		o.Work(t, ps, topology.TopicExports, "export-worker", export.NewWorker(ec, o.Default, bucket, dead(topology.TopicExports), pubs(topology.TopicExports)))
		o.Work(t, ps, topology.TopicDeletions, "delete-worker", erase.NewWorker(dc, erase.Stores{Databases: o.Databases, PubSub: ps, Bucket: bucket}, signer))
		o.Work(t, ps, topology.TopicRectifications, "person-worker", person.NewWorker(pc, o.Default, dead(topology.TopicRectifications), pubs(topology.TopicRectifications)))
	}
	server := httptest.NewServer(o.api)
	t.Cleanup(server.Close)
	o.apiURL = server.URL
	o.dashboard = o.newDashboard(server.URL)
	return o
}

// happened has the store function store an event of a person, some days ago.
func (o *bureau) happened(name string, daysAgo int, properties, distinctID string) {
	o.t.Helper()
	at := time.Now().UTC().AddDate(0, 0, -daysAgo).Truncate(24 * time.Hour)
	o.Deliver(o.t, o.store, []event.Event{{Name: name, DistinctID: distinctID, InsertID: name + at.String(), Time: event.Millis(at.UnixMilli()), Received: event.Now() - 60_000, Properties: properties}})
}

// ask calls the API with the tenant's key of the role admin: what a button did is seen
// there, not on the page.
func (o *bureau) ask(path string, into any) {
	o.t.Helper()
	rec := local.Call(o.t.Context(), o.api, http.MethodGet, path, o.Key, "")
	if rec.Code != http.StatusOK {
		o.t.Fatalf("GET %s: %d %s", path, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		o.t.Fatal(err)
	}
}

// find looks a person up, and returns the address of the person's page.
func (b *browser) find(distinctID string) string {
	b.t.Helper()
	to := b.post("/person", url.Values{"do": {"find"}, "distinct_id": {distinctID}}, http.StatusSeeOther).Header().Get("Location")
	if strings.Contains(to, distinctID) {
		b.t.Fatalf("the distinct_id stands in the URL %s", to)
	}
	return to
}

// goes sends a form that is done, and returns where it leads to.
func (b *browser) goes(path string, form url.Values) string {
	b.t.Helper()
	return b.post(path, form, http.StatusSeeOther).Header().Get("Location")
}

// until asks for a page until it has a text; it must refresh itself as long.
func (b *browser) until(path, text string) (rec *httptest.ResponseRecorder) {
	b.t.Helper()
	local.Eventually(b.t, 2*time.Minute, func() error {
		rec = b.get(path, http.StatusOK)
		refresh := rec.Header().Get("Refresh")
		switch has := strings.Contains(rec.Body.String(), text); {
		case has && refresh != "":
			b.t.Error("a page with nothing under way refreshes itself")
		case !has && refresh == "":
			b.t.Fatalf("%s: no %q, and it does not refresh itself\n%s", path, text, rec.Body)
		case !has:
			return fmt.Errorf("%s: no %q\n%s", path, text, rec.Body)
		}
		return nil
	})
	return rec
}

// lacks checks that a page has none of some texts.
func lacks(t *testing.T, rec *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(rec.Body.String(), text) {
			t.Fatalf("has %q:\n%s", text, rec.Body)
		}
	}
}

var (
	labels  = regexp.MustCompile(`<label[^>]* for="([^"]+)"`)
	fields  = regexp.MustCompile(`<(?:input|select|textarea) [^>]*>`)
	fieldID = regexp.MustCompile(` id="([^"]+)"`)
	tellsOf = regexp.MustCompile(` aria-describedby="([^"]+)"`)
)

// labelled checks that each field of a page that can be seen has a label, that no id is
// there twice, and that what describes a field is there.
func labelled(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
	body := rec.Body.String()
	named := map[string]bool{}
	for _, m := range labels.FindAllStringSubmatch(body, -1) {
		named[m[1]] = true
	}
	seen := map[string]bool{}
	for _, tag := range fields.FindAllString(body, -1) {
		id := fieldID.FindStringSubmatch(tag)
		if strings.Contains(tag, `type="hidden"`) || id == nil && strings.Contains(tag, `type="checkbox"`) { // within its label
			continue
		}
		if id == nil || !named[id[1]] || seen[id[1]] {
			t.Errorf("without a label or an id of its own: %s", tag)
			continue
		}
		seen[id[1]] = true
		for _, m := range tellsOf.FindAllStringSubmatch(tag, -1) {
			for _, by := range strings.Fields(m[1]) {
				if !strings.Contains(body, ` id="`+by+`"`) {
					t.Errorf("%s: nothing has the id %s", tag, by)
				}
			}
		}
	}
	if strings.Contains(body, " style=") || strings.Contains(body, "<script") {
		t.Error("has a style or a script of its own")
	}
}
