package incident_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/functions/incident"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// A secret is shown once, and signs by the standard's rules; after a rotation both do
// for a day.
func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.receiver(nil)
	e := w.endpoint(r.URL, webhook.RequestDone, webhook.RequestDone)
	if !strings.HasPrefix(e.Secret, "whsec_") || len(e.Events) != 1 {
		t.Fatalf("%+v", e)
	}
	test := func() (d incident.Delivery) {
		t.Helper()
		w.do(http.StatusOK, "POST", "/v1/webhooks/test", w.Key, `{"id":"`+e.ID+`"}`, &d)
		return d
	}
	if d := test(); d.Status != webhook.Delivered || d.Code != http.StatusNoContent || d.MS == nil || d.Type != "test" || d.Attempts != 1 {
		t.Errorf("%+v", d)
	}
	if err := r.verify(e.Secret); err != nil {
		t.Error(err)
	}
	var next, third incident.Endpoint
	w.do(http.StatusOK, "POST", "/v1/webhooks/"+e.ID+"/rotate", w.Key, "", &next)
	test()
	if next.Secret == e.Secret || r.verify(e.Secret) != nil || r.verify(next.Secret) != nil || time.Until(next.OldUntil) < 23*time.Hour {
		t.Errorf("%+v: %v %v", next, r.verify(e.Secret), r.verify(next.Secret))
	}
	rec := w.do(http.StatusOK, "GET", "/v1/webhooks", w.Key, "", nil)
	for _, secret := range []string{e.Secret, next.Secret, "whsec_"} {
		if strings.Contains(rec.Body.String(), secret) {
			t.Errorf("the list tells a secret: %s", rec.Body)
		}
	}
	// A day later.
	if _, err := w.Default.Doc("projects/app/webhooks/"+e.ID).Update(t.Context(), []firestore.Update{{Path: "old_until", Value: time.Now().Add(-time.Second)}}); err != nil {
		t.Fatal(err)
	}
	test()
	if r.verify(e.Secret) == nil || r.verify(next.Secret) != nil {
		t.Error("the old secret signs for too long")
	}
	w.do(http.StatusOK, "POST", "/v1/webhooks/"+e.ID+"/rotate", w.Key, "", &third)
	test()
	if r.verify(e.Secret) == nil || r.verify(next.Secret) != nil || r.verify(third.Secret) != nil {
		t.Error("the last two secrets sign")
	}
}

// Whoever rotates a secret at the same time as another gets one that signs.
func TestRotatedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.receiver(nil)
	for range 5 {
		e := w.endpoint(r.URL, webhook.RequestDone)
		var both [2]*webhook.Endpoint
		var g errgroup.Group
		for i := range both {
			g.Go(func() (err error) {
				both[i], err = webhook.Rotate(t.Context(), w.Default, "app", e.ID)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		w.do(http.StatusOK, "POST", "/v1/webhooks/test", w.Key, `{"id":"`+e.ID+`"}`, nil)
		for _, rotated := range both {
			if err := r.verify(rotated.Secret); err != nil {
				t.Error(err)
			}
		}
	}
}

// What fails is tried again when it is due, with the same id, and the log tells.
func TestRetries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flaky := w.receiver(func(calls int) int { return map[bool]int{true: 500, false: 200}[calls <= 2] })
	fine := w.receiver(nil)
	redirects := w.receiver(func(int) int { return http.StatusTemporaryRedirect })
	a, b, c := w.endpoint(flaky.URL, webhook.RequestDone), w.endpoint(fine.URL, webhook.RequestDone), w.endpoint(redirects.URL, webhook.RequestDone)
	other := w.endpoint(fine.URL, webhook.RequestFailed)
	w.send("first")
	w.send("first") // the same
	for range 2 {
		for _, e := range []incident.Endpoint{a, b, c} {
			w.deliver("first", e)
		}
	}
	w.deliver("first", other) // is none
	if n, _ := flaky.count(); n != 1 {
		t.Errorf("%d calls before it is due", n)
	}
	for range 3 {
		if log := w.log(); slices.ContainsFunc(log, func(d incident.Delivery) bool { return d.Webhook == a.ID && d.Status == webhook.Pending }) {
			w.again("first", a)
		}
		w.deliver("first", a)
	}
	if n, ids := flaky.count(); n != 3 || ids != 1 {
		t.Errorf("%d calls, %d ids", n, ids)
	}
	if n, _ := fine.count(); n != 1 {
		t.Errorf("%d calls", n)
	}
	if n, _ := redirects.count(); n != 1 {
		t.Errorf("%d calls: a redirect was followed", n)
	}
	w.again("first", c, firestore.Update{Path: "created", Value: time.Now().Add(-webhook.TryFor - time.Minute)})
	w.deliver("first", c)
	got := map[string]incident.Delivery{}
	for _, d := range w.log() {
		got[d.Webhook] = d
	}
	if d := got[a.ID]; d.Status != webhook.Delivered || d.Attempts != 3 || d.Code != 200 || d.FinishedAt.IsZero() || !d.NextAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if d := got[c.ID]; d.Status != webhook.Failed || d.Attempts != 1 || d.Code != 307 || !strings.Contains(d.Failure, "24 hours") {
		t.Errorf("%+v", d)
	}
	if len(got) != 3 {
		t.Errorf("%+v", got)
	}
	docs, err := w.Default.Collection("projects/app/deliveries").Documents(t.Context()).GetAll()
	if err != nil {
		t.Error(err)
	}
	for _, d := range docs {
		if body := d.Data()["body"]; body != nil && body != "" {
			t.Errorf("the body of %s is kept", d.Ref.ID)
		}
	}
}

// The look of every minute finds what is due again.
func TestSweepOfDeliveries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.receiver(func(calls int) int { return map[bool]int{true: 503, false: 200}[calls == 1] })
	e := w.endpoint(r.URL, webhook.RequestDone)
	w.send("lost")
	const sub = "webhooks-webhook-worker"
	w.Pull(t, w.ps, sub, 1)
	w.deliverTask([]byte(`{}`))
	w.deliverTask(w.Pull(t, w.ps, sub, 1)[0].Data)
	w.again("lost", e)
	w.deliverTask([]byte(`{}`))
	w.deliverTask(w.Pull(t, w.ps, sub, 1)[0].Data)
	if log := w.log(); len(log) != 1 || log[0].Status != webhook.Delivered || log[0].Attempts != 2 {
		t.Errorf("%+v", log)
	}
	for _, bad := range []string{"x", `{"project":"app"}`, `{"project":"a/b","delivery":"x.` + e.ID + `"}`, `{"project":"app","delivery":"../x"}`} {
		w.deliverTask([]byte(bad)) // parked
	}
}

// 410 disables an endpoint; a deleted one gets nothing more.
func TestGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := w.receiver(func(int) int { return http.StatusGone })
	deleted := w.receiver(nil)
	a, b := w.endpoint(gone.URL, webhook.RequestDone), w.endpoint(deleted.URL, webhook.RequestDone)
	w.send("one")
	w.send("two")
	w.deliver("one", a)
	w.deliver("two", a)
	w.do(http.StatusNoContent, "DELETE", "/v1/webhooks/"+b.ID, w.Key, "", nil)
	w.deliver("one", b)
	if n, _ := gone.count(); n != 1 {
		t.Errorf("%d calls", n)
	}
	if n, _ := deleted.count(); n != 0 {
		t.Errorf("%d calls", n)
	}
	failures := map[string]bool{}
	for _, d := range w.log() {
		failures[string(d.Status)+d.Failure] = true
	}
	for _, want := range []string{"failedthe endpoint answered 410 and was disabled", "failedthe endpoint is disabled", "failedthe endpoint was deleted", "pending"} {
		if !failures[want] {
			t.Errorf("no %q in %v", want, failures)
		}
	}
	var list struct{ Webhooks []incident.Endpoint }
	w.do(http.StatusOK, "GET", "/v1/webhooks", w.Key, "", &list)
	if len(list.Webhooks) != 1 || list.Webhooks[0].DisabledAt.IsZero() {
		t.Errorf("%+v", list)
	}
	w.refused(http.StatusConflict, "", "POST", "/v1/webhooks/test", w.Key, `{"id":"`+a.ID+`"}`)
	for _, c := range [][2]string{{"DELETE", ""}, {"POST", "/rotate"}} {
		w.refused(http.StatusNotFound, "", c[0], "/v1/webhooks/"+b.ID+c[1], w.Key, "")
		w.refused(http.StatusNotFound, "", c[0], "/v1/webhooks/"+a.ID+c[1], w.other("other"+strings.ToLower(c[0])), "")
	}
}

// Endpoints are bounded, and go to public addresses and over TLS alone.
func TestBadWebhooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	body := func(url, events string) string { return fmt.Sprintf(`{"url":%q,"events":%s}`, url, events) }
	strict := w.config
	strict.Webhook.AllowLoopback = false
	loose := w.handler
	w.handler = incident.New(strict, w.guard, w.Default, nil)
	for _, u := range []string{"", "http://example.com", "https://10.0.0.1", "https://127.0.0.1", "https://[::1]", "https://169.254.169.254/x", "https://localhost",
		"https://[fe80::1]", "https://[::ffff:10.0.0.1]", "https://user@example.com", "ftp://example.com", "https://example.com/" + strings.Repeat("x", 2000)} {
		w.refused(http.StatusBadRequest, "url", "POST", "/v1/webhooks", w.Key, body(u, `["request.done"]`))
	}
	for _, e := range []string{`[]`, `null`, `["` + strings.Repeat(`request.done","`, 20) + `"]`} {
		w.refused(http.StatusBadRequest, "events", "POST", "/v1/webhooks", w.Key, body("https://example.com", e))
	}
	w.refused(http.StatusBadRequest, "events[1]", "POST", "/v1/webhooks", w.Key, body("https://example.com", `["request.done","test"]`))
	w.refused(http.StatusBadRequest, "", "POST", "/v1/webhooks", w.Key, `{"url":"https://example.com","events":["request.done"],"secret":"x"}`)
	for range webhook.MaxEndpoints {
		w.do(http.StatusCreated, "POST", "/v1/webhooks", w.Key, body("https://example.com", `["request.done"]`), nil)
	}
	w.refused(http.StatusConflict, "", "POST", "/v1/webhooks", w.Key, body("https://example.com", `["request.done"]`))
	w.refused(http.StatusBadRequest, "cursor", "GET", "/v1/webhooks/deliveries?cursor=x", w.Key, "")
	long := strings.Repeat("x", 200) // of an event
	w.send(long)
	if _, err := webhook.Send(w.t.Context(), w.Default, nil, webhook.Event{ID: long + "x", Project: "app", Type: webhook.RequestDone}); err == nil {
		t.Error("an event's id of 201 characters is taken")
	}
	w.refused(http.StatusNotFound, "", "POST", "/v1/webhooks/test", w.Key, `{"id":"../x"}`)
	// Stored by the local system, refused at the dial by another.
	w.handler = loose
	key := w.other("inward")
	r := w.receiver(nil)
	var e incident.Endpoint
	w.do(http.StatusCreated, "POST", "/v1/webhooks", key, body(r.URL, `["request.done"]`), &e)
	w.handler = incident.New(strict, w.guard, w.Default, nil)
	var d incident.Delivery
	w.do(http.StatusOK, "POST", "/v1/webhooks/test", key, `{"id":"`+e.ID+`"}`, &d)
	if n, _ := r.count(); n != 0 || d.Status != webhook.Failed || d.Code != 0 {
		t.Errorf("%d calls, %+v", n, d)
	}
	if _, err := project.Get(t.Context(), w.Default, "inward"); err != nil {
		t.Error(err)
	}
}
