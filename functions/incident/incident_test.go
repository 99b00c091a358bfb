package incident_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/functions/incident"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Who is affected is told by mail and by webhook, of updates too, and acknowledges;
// another customer sees nothing of it.
func TestIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other, third := w.other("other"), w.other("third")
	to, toOther, toThird := someone(), someone(), someone()
	w.contacts(w.Key, to)
	w.contacts(other, toOther)
	w.contacts(third, toThird)
	r := w.receiver(nil)
	w.endpoint(r.URL+"/hook", webhook.Types...)
	w.run()
	a := w.open(map[string]any{"projects": []string{"other", "app", "app"}, "consequences": "Spam."})
	if !slices.Equal(a.Projects, []string{"app", "other"}) || a.OpenedBy != officer || len(a.Notices) != 2 || a.Hours != 1.5 ||
		!a.Deadline.Equal(a.NoticedAt.Add(72*time.Hour)) {
		t.Errorf("%+v", a)
	}
	within(t, "the first mails", func() bool { return len(w.mail.Mails(to)) == 1 && len(w.mail.Mails(toOther)) == 1 })
	m := w.mail.Mails(to)[0]
	for _, part := range []string{"your project app", "What happened.", "e-mail addresses", "about 1200 persons", "number of records not known", alarm, "Spam.", "It is closed.", "/v1/incidents/" + a.ID + "/acknowledge"} {
		if !strings.Contains(strings.ReplaceAll(m.Text, "=\r\n", ""), part) {
			t.Errorf("a mail without %q:\n%s", part, m.Text)
		}
	}
	if strings.Contains(m.Text, "other") || strings.Contains(m.Text, officer) || m.Message.Header.Get("Subject") != "Security incident: A bucket was public" {
		t.Errorf("%v\n%s", m.Message.Header, m.Text)
	}
	within(t, "the first webhook", func() bool { return len(r.got()) == 1 })

	var mine incident.Answer
	rec := w.do(http.StatusOK, "GET", "/v1/incidents/"+a.ID, w.Key, "", &mine)
	if mine.Notice == nil || mine.Notice.Project != "app" || strings.Contains(rec.Body.String(), "other") || strings.Contains(rec.Body.String(), officer) {
		t.Errorf("a customer sees %s", rec.Body)
	}
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/acknowledge", w.Key, "", &mine)
	first := mine.Notice.AcknowledgedAt
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/acknowledge", w.Key, "", &mine)
	if first.IsZero() || !first.Equal(mine.Notice.AcknowledgedAt) {
		t.Errorf("acknowledged at %v, then %v", first, mine.Notice.AcknowledgedAt)
	}
	// Who has acknowledged hears of updates all the same.
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/updates", w.staff, `{"text":"The cause is known.","measures":"A rule was added."}`, &a)
	within(t, "the update", func() bool { return len(w.mail.Mails(to)) == 2 && len(w.mail.Mails(toOther)) == 2 })
	if m := w.mail.Mails(to)[1]; !strings.Contains(m.Text, "The cause is known.") || !strings.Contains(m.Text, "A rule was added.") ||
		!strings.HasPrefix(m.Message.Header.Get("Subject"), "Security incident, update") {
		t.Errorf("%v\n%s", m.Message.Header, m.Text)
	}
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/close", w.staff, "", &a)
	within(t, "the end", func() bool { return len(w.mail.Mails(to)) == 3 })
	w.refused(http.StatusConflict, "", "POST", "/v1/incidents/"+a.ID+"/close", w.staff, "")
	w.refused(http.StatusConflict, "", "POST", "/v1/incidents/"+a.ID+"/updates", w.staff, `{"text":"x"}`)
	within(t, "all webhooks", func() bool { return len(r.got()) == 3 })
	if got := r.got(); !slices.Equal(got, []string{"incident.opened", "incident.updated", "incident.closed"}) {
		t.Errorf("%v", got)
	}
	within(t, "what was sent to be noted", func() bool {
		w.do(http.StatusOK, "GET", "/v1/incidents/"+a.ID, w.staff, "", &a)
		app, other := a.Notices[0], a.Notices[1]
		return app.Sent == 3 && !app.AcknowledgedAt.IsZero() && app.NextAt.IsZero() && other.Sent == 3 && other.AcknowledgedAt.IsZero() && !other.NextAt.IsZero()
	})

	// Of an incident elsewhere nothing is told.
	for _, path := range []string{"", "/acknowledge"} {
		method := map[string]string{"": "GET", "/acknowledge": "POST"}[path]
		w.refused(http.StatusNotFound, "", method, "/v1/incidents/"+a.ID+path, third, "")
	}
	var list struct{ Incidents []incident.Answer }
	w.do(http.StatusOK, "GET", "/v1/incidents", third, "", &list)
	if len(list.Incidents) != 0 || len(w.mail.Mails(toThird)) != 0 {
		t.Errorf("%+v", list)
	}
	w.refused(http.StatusBadRequest, "cursor", "GET", "/v1/incidents?cursor="+a.ID, third, "")
	w.do(http.StatusOK, "GET", "/v1/incidents", other, "", &list)
	if len(list.Incidents) != 1 || list.Incidents[0].Notice.Project != "other" {
		t.Errorf("%+v", list)
	}
}

// A notice that nobody acknowledges comes again, and after a day the processor's own
// are told. The clock is in the document.
func TestRepeatsAndEscalation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := someone()
	w.contacts(w.Key, to)
	a := w.open(nil)
	counts := func(customer, own int) {
		t.Helper()
		if n, m := len(w.mail.Mails(to)), len(w.mail.Mails(alarm)); n != customer || m != own {
			t.Errorf("%d mails to the customer, %d to our own, want %d and %d", n, m, customer, own)
		}
	}
	// back moves the notice into the past, and its next time to now.
	passed := func(hours time.Duration, last time.Time) {
		t.Helper()
		now := time.Now()
		w.alter(a.ID, firestore.Update{Path: "created", Value: now.Add(-hours * time.Hour)}, firestore.Update{Path: "last", Value: last},
			firestore.Update{Path: "due", Value: now.Add(-time.Second)})
	}
	w.notice(a.ID)
	w.notice(a.ID) // a message that comes twice
	counts(1, 0)
	passed(13, time.Now().Add(-13*time.Hour))
	w.notice(a.ID)
	counts(2, 0)
	if s := w.mail.Mails(to)[1].Message.Header.Get("Subject"); !strings.Contains(s, "please acknowledge") {
		t.Error(s)
	}
	passed(24, time.Now().Add(-11*time.Hour)) // not time to repeat, but to escalate
	w.notice(a.ID)
	counts(2, 1)
	if m := w.mail.Mails(alarm)[0]; !strings.Contains(m.Text, "Project app") || !strings.Contains(m.Text, "24 hours") {
		t.Errorf("%s", m.Text)
	}
	passed(36, time.Now().Add(-12*time.Hour))
	w.notice(a.ID)
	w.notice(a.ID)
	counts(3, 1)
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/acknowledge", w.Key, "", &a)
	if !a.Notice.NextAt.IsZero() || a.Notice.EscalatedAt.IsZero() {
		t.Errorf("%+v", a.Notice)
	}
	passed(48, time.Now().Add(-12*time.Hour))
	w.notice(a.ID)
	counts(3, 1)
}

// The look of every hour finds what is due, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := someone()
	w.contacts(w.Key, to)
	lost, waiting := w.open(nil), w.open(map[string]any{"title": "Waiting"})
	w.alter(waiting.ID, firestore.Update{Path: "due", Value: time.Now().Add(time.Hour)})
	sub := "incidents-incident-worker"
	for range 2 { // the messages are lost
		w.Pull(t, w.ps, sub, 1)
	}
	w.push(struct{}{})
	got := w.Pull(t, w.ps, sub, 10)
	if len(got) != 1 || !strings.Contains(string(got[0].Data), lost.ID) {
		t.Errorf("%v", got)
	}
}

// A customer that has given no way to be told is one for our own, until it gives one.
func TestUnreached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.open(nil)
	w.notice(a.ID)
	w.do(http.StatusOK, "GET", "/v1/incidents/"+a.ID, w.staff, "", &a)
	if n := a.Notices[0]; n.Sent != 0 || n.EscalatedAt.IsZero() || n.NextAt.IsZero() || len(w.mail.Mails(alarm)) != 1 {
		t.Errorf("%+v", n)
	}
	to := someone()
	w.contacts(w.Key, to)
	w.alter(a.ID, firestore.Update{Path: "due", Value: time.Now().Add(-time.Second)}, firestore.Update{Path: "unreached", Value: time.Now().Add(-2 * time.Hour)})
	w.notice(a.ID)
	if got := w.mail.Mails(to); len(got) != 1 || strings.Contains(got[0].Message.Header.Get("Subject"), "please") {
		t.Errorf("%v", got)
	}
}

// A mail that is not taken is tried again; one bad address of several is not.
func TestMailServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := true
	w.mail.Refuse = func(to string) bool { return strings.HasPrefix(to, "bad") || refuse && to != alarm }
	good := someone()
	w.contacts(w.Key, "bad@example.com", good)
	a := w.open(nil)
	body := fmt.Appendf(nil, `{"incident":%q,"project":"app"}`, a.ID)
	if code := w.Push(t.Context(), t, w.worker, body); code != http.StatusServiceUnavailable {
		t.Errorf("%d", code)
	}
	refuse = false
	w.notice(a.ID)
	w.notice(a.ID)
	if n := len(w.mail.Mails(good)); n != 1 {
		t.Errorf("%d mails", n)
	}
	for _, bad := range []string{"x", `{"incident":"x","project":"app"}`, `{"incident":"` + uuid.NewString() + `","project":"app"}`, `{"incident":"` + a.ID + `","project":"none"}`} {
		if code := w.Push(t.Context(), t, w.worker, []byte(bad)); code != http.StatusNoContent { // parked
			t.Errorf("%s: %d", bad, code)
		}
	}
}

// Where no mail is taken for long, webhooks hear of updates nevertheless, and of each
// once.
func TestMailFailsForLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mail.Refuse = func(to string) bool { return to != alarm }
	w.contacts(w.Key, someone())
	r := w.receiver(nil)
	e := w.endpoint(r.URL, webhook.Types...)
	a := w.open(nil)
	body := fmt.Appendf(nil, `{"incident":%q,"project":"app"}`, a.ID)
	try := func(event string) {
		t.Helper()
		for range 2 {
			if code := w.Push(t.Context(), t, w.worker, body); code != http.StatusServiceUnavailable {
				t.Fatalf("%d", code)
			}
		}
		w.deliver("incident-"+a.ID+event, e)
	}
	try("-1-1")
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/updates", w.staff, `{"text":"The cause is known."}`, nil)
	try("-2-1")
	if calls, ids := r.count(); calls != 2 || ids != 2 || !strings.Contains(string(r.body), "The cause is known.") {
		t.Errorf("%d calls, %d ids, the last %s", calls, ids, r.body)
	}
	w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/acknowledge", w.Key, "", nil)
	try("-2-1")
	dayAgo := []firestore.Update{{Path: "updates", Value: []incident.Update{{Text: "The cause is known.", At: time.Now().Add(-incident.EscalateAfter - time.Minute)}}}}
	if _, err := incident.Ref(w.Default, a.ID).Update(t.Context(), dayAgo); err != nil {
		t.Fatal(err)
	}
	w.notice(a.ID) // it has acknowledged and has webhooks: nothing is tried in vain for ever
	snap, err := incident.NoticeRef(w.Default, a.ID, "app").Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if due, err := snap.DataAt("due"); err == nil && due != nil && !due.(time.Time).IsZero() {
		t.Errorf("due again at %v", due)
	}
}

// Of an incident of any length that is taken, customers are told.
func TestLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	to := someone()
	w.contacts(w.Key, to)
	r := w.receiver(nil)
	e := w.endpoint(r.URL, webhook.Types...)
	long := func(n int) string { return strings.Repeat("<", n) } // six bytes each in JSON
	a := w.open(map[string]any{"description": long(10_000), "measures": long(4000), "consequences": long(4000), "title": long(200),
		"categories": slices.Repeat([]string{long(200)}, 20)})
	for i := range 40 {
		w.do(http.StatusOK, "POST", "/v1/incidents/"+a.ID+"/updates", w.staff, fmt.Sprintf(`{"text":"%d %s"}`, i, long(3990)), nil)
	}
	w.notice(a.ID)
	w.deliver("incident-"+a.ID+"-41-1", e)
	if n, _ := r.count(); n != 1 || !strings.Contains(string(r.body), `"39 `) || len(w.mail.Mails(to)) != 1 {
		t.Errorf("%d webhooks, %d mails", n, len(w.mail.Mails(to)))
	}
}

// The same again with the same key is one incident.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := map[string]bool{}
	for _, key := range []string{"a", "a", "b", "", ""} {
		rec := w.keyed(key, opened(nil))
		if rec.Code != http.StatusCreated {
			t.Fatal(rec.Body)
		}
		ids[rec.Header().Get("Location")] = true
	}
	if len(ids) != 4 {
		t.Errorf("%v", slices.Collect(maps.Keys(ids)))
	}
}
