package incident_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/incident"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// issuer makes ID tokens for all tests.
var issuer = sync.OnceValues(local.StartIssuer)

const (
	officer  = "security@example.com" // a member of staff who may open incidents
	alarm    = "alarm@lethe.example.com"
	audience = local.StaffAudience
)

// world is a tenant with the function, its workers, a mail server and staff.
type world struct {
	*local.Tenant
	t       *testing.T
	ps      *pubsub.Client
	config  incident.Config
	guard   *access.Guard
	handler http.Handler
	worker  http.Handler
	hooks   http.Handler // WebhookWorker
	mail    *local.Mailbox
	staff   string // an ID token of the officer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	w.mail, err = local.StartMailbox()
	check(err)
	t.Cleanup(w.mail.Stop)
	tokens, err := issuer()
	check(err)
	w.config = incident.Config{
		Webhook: webhook.Config{Timeout: 5 * time.Second, Backoff: time.Hour, AllowLoopback: true},
		Mail: incident.MailConfig{Host: w.mail.Host, Port: w.mail.Port, Plain: true, From: "lethe@lethe.example.com", Security: alarm,
			Timeout: 20 * time.Second},
		PublicURL: "https://api.example.com", Timeout: time.Minute,
	}
	w.ps = w.OpenPubSub(t)
	verifier, err := staff.NewVerifier(t.Context(), staff.Config{Audience: audience, Issuer: tokens.URL, CertsURL: tokens.CertsURL()})
	check(err)
	w.guard = w.Guard(t).WithStaff(verifier)
	mailer, err := incident.NewMailer(w.config.Mail)
	check(err)
	topic := func(name string) *queue.Publisher { return queue.NewPublisher(w.ps, name, 30*time.Second) }
	incidents, hooks := topic(topology.TopicIncidents), topic(topology.TopicWebhooks)
	w.handler = incident.New(w.config, w.guard, w.Default, incidents)
	w.worker = incident.NewWorker(w.config, w.Default, mailer, incidents, hooks, topic(topology.DeadTopic(topology.TopicIncidents)))
	w.hooks = webhook.NewSender(w.config.Webhook, w.Default).Worker(topic(topology.DeadTopic(topology.TopicWebhooks)), hooks)
	w.member(officer, staff.Member{Role: staff.Security, TrainingAt: time.Now(), Confidentiality: staff.Confidentiality{Version: "1", At: time.Now()}})
	w.staff = w.token(officer)
	return w
}

func (w *world) member(email string, m staff.Member) {
	w.t.Helper()
	if _, err := staff.Ref(w.Default, email).Set(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) token(email string) string {
	w.t.Helper()
	tokens, err := issuer()
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := tokens.Token(email, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// run has the workers work until the test ends.
func (w *world) run() {
	w.Work(w.t, w.ps, topology.TopicIncidents, "incident-worker", w.worker)
	w.Work(w.t, w.ps, topology.TopicWebhooks, "webhook-worker", w.hooks)
}

// other makes another project and returns its key of role admin.
func (w *world) other(id string) string {
	w.t.Helper()
	if _, err := project.Create(w.t.Context(), w.Databases, project.Project{ID: id}); err != nil {
		w.t.Fatal(err)
	}
	key, err := project.NewKey(w.t.Context(), w.Default, id, project.Admin)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// do makes a request with a key or an ID token, expects a status, and reads the answer.
func (w *world) do(code int, method, path, key, body string, into any) *httptest.ResponseRecorder {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.handler, method, path, key, body)
	if rec.Code != code {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, rec.Code, rec.Body, code)
	}
	if into != nil {
		reflect.ValueOf(into).Elem().SetZero() // what is absent now must not stay
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			w.t.Fatal(err)
		}
	}
	return rec
}

// refused expects a problem about a field.
func (w *world) refused(code int, field, method, path, key, body string) {
	w.t.Helper()
	var p struct {
		Status int
		Errors []struct{ Name string }
	}
	rec := w.do(code, method, path, key, body, &p)
	if rec.Header().Get("Content-Type") != "application/problem+json" || p.Status != code || field != "" && (len(p.Errors) == 0 || p.Errors[0].Name != field) {
		w.t.Errorf("%s %s %s: %s, want %s", method, path, body, rec.Body, field)
	}
}

// opened is an incident as it is opened; change alters its members, nil removes one.
func opened(change map[string]any) string {
	b := map[string]any{"title": "A bucket was public", "description": "What happened.", "occurred_at": "2026-01-02T03:04:05Z",
		"noticed_at": time.Now().Add(-90 * time.Minute).UTC().Format(time.RFC3339), "categories": []string{"e-mail addresses"},
		"projects": []string{"app"}, "measures": "It is closed.", "persons_about": 1200}
	for k, v := range change {
		b[k] = v
		if v == nil {
			delete(b, k)
		}
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// open opens an incident.
func (w *world) open(change map[string]any) (a incident.Answer) {
	w.t.Helper()
	w.do(http.StatusCreated, "POST", "/v1/incidents", w.staff, opened(change), &a)
	return a
}

// contacts sets who is told.
func (w *world) contacts(key string, emails ...string) {
	w.t.Helper()
	b, err := json.Marshal(map[string]any{"emails": emails})
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(http.StatusOK, "PUT", "/v1/project/contacts", key, string(b), nil)
}

// alter changes a notice as time would.
func (w *world) alter(id string, changes ...firestore.Update) {
	w.t.Helper()
	if _, err := incident.NoticeRef(w.Default, id, "app").Update(w.t.Context(), changes); err != nil {
		w.t.Fatal(err)
	}
}

// push gives the incident worker a message until it is acknowledged.
func (w *world) push(data any) {
	w.t.Helper()
	b, err := json.Marshal(data)
	if err != nil {
		w.t.Fatal(err)
	}
	if code := w.Push(w.t.Context(), w.t, w.worker, b); code != http.StatusNoContent {
		w.t.Fatalf("the worker answers %d to %s", code, b)
	}
}

// notice pushes the notice of the project app.
func (w *world) notice(id string) {
	w.t.Helper()
	w.push(map[string]string{"incident": id, "project": "app"})
}

// within waits for something to hold.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	local.Eventually(t, 2*time.Minute, func() error {
		if !holds() {
			return errors.New(what)
		}
		return nil
	})
}

func someone() string { return uuid.NewString() + "@example.com" }
