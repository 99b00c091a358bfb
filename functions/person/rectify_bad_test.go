package person_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	functionperson "github.com/lethe-analytics/lethe/functions/person"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What is wrong is refused with its field, and nothing is begun.
func TestBadRectifications(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	with := func(rest string) string { return `{"distinct_id":"ann","reason":"r",` + rest + `}` }
	var items []string
	for range 21 {
		items = append(items, `{"set":{"a":1}}`)
	}
	for body, field := range map[string]string{
		`{"reason":"r","profile":{"a":1}}`:                                                  "distinct_id",
		`{"distinct_id":"` + strings.Repeat("é", 256) + `","reason":"r","profile":{"a":1}}`: "distinct_id",
		`{"distinct_id":"ann","profile":{"a":1}}`:                                           "reason",
		`{"distinct_id":"ann","reason":" ","profile":{"a":1}}`:                              "reason",
		`{"distinct_id":"ann","reason":"` + strings.Repeat("é", 501) + `","profile":{}}`:    "reason",
		with(`"profile":{"a":1},"scope":"all"`):                                             "scope",
		with(`"events":[]`):                                                                 "",
		with(`"profile":{}`):                                                                "profile",
		with(`"profile":null`):                                                              "profile",
		with(`"profile":[1]`):                                                               "profile",
		with(`"profile":{"a":[[[[1]]]]}`):                                                   "profile",
		with(`"events":[` + strings.Join(items, ",") + `]`):                                 "events",
		with(`"events":[{"set":{"a":1}},{}]`):                                               "events[1].set",
		with(`"events":[{"set":{"$insert_id":"x"}}]`):                                       "events[0].set",
		with(`"events":[{"set":{"\u0074ime":1}}]`):                                          "events[0].set",
		with(`"events":[{"set":{"distinct_id":"x"}}]`):                                      "events[0].set",
		with(`"events":[{"set":{"token":"x"}}]`):                                            "events[0].set",
		with(`"events":[{"set":{"a":1e999}}]`):                                              "events[0].set",
		with(`"events":[{"where":"","set":{"a":1}}]`):                                       "events[0].where",
		with(`"events":[{"where":"properties[\"a\"] =","set":{"a":1}}]`):                    "events[0].where",
		with(`"events":[{"set":{` + bigSet() + `}}]`):                                       "",
		with(`"profile":{"a":1},"extra":1`):                                                 "",
		with(`"profile":{"a":1,"a":2}`):                                                     "",
		with(`"events":[{"sett":{}}]`):                                                      "",
		with(`"profile":{"a":"` + strings.Repeat("x", 300<<10) + `"}`):                      "too large",
		`[]`: "", ``: "", `{`: "",
	} {
		switch field {
		case "too large":
			o.refused(o.post(body, o.privacy), http.StatusRequestEntityTooLarge)
			continue
		}
		p := o.refused(o.post(body, o.privacy), http.StatusBadRequest)
		if field != "" && (len(p.Errors) != 1 || p.Errors[0].Name != field || p.Errors[0].Detail == "") || p.Detail == "" {
			t.Errorf("%.200s: %+v", body, p)
		}
	}
	p := o.refused(o.post(with(`"events":[{"where":"properties[\"a\"] ==","set":{"a":1}}]`), o.privacy), http.StatusBadRequest)
	if len(p.Errors) != 1 || p.Errors[0].Column != 19 || !strings.HasPrefix(p.Detail, "events[0].where, column 19: ") {
		t.Errorf("%+v", p)
	}
	o.refused(o.post(with(`"profile":{"a":1}`), o.privacy, "Idempotency-Key", strings.Repeat("x", 256)), http.StatusBadRequest)
	if got := o.get("/v1/rectifications", o.privacy).Body.String(); strings.TrimSpace(got) != `{"rectifications":[]}` {
		t.Error(got)
	}
}

// bigSet has more new values than stand on one person's document.
func bigSet() string {
	var members []string
	for i := range 40 {
		members = append(members, fmt.Sprintf(`"p%d":%q`, i, strings.Repeat("x", 250)))
	}
	return strings.Join(members, ",")
}

// Only keys of the project with the role see its rectifications.
func TestRectificationAccess(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	body := `{"distinct_id":"ann","profile":{"a":1},"reason":"r"}`
	asked := o.ask(body)
	other := o.newProject("other")
	foreign, err := project.NewKey(t.Context(), o.Default, other.ID, project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	o.refused(o.get("/v1/rectifications/"+asked.ID, foreign), http.StatusNotFound)
	if got := o.get("/v1/rectifications", foreign).Body.String(); strings.Contains(got, asked.ID) {
		t.Error(got)
	}
	for key, status := range map[string]int{o.key: http.StatusForbidden, "": http.StatusUnauthorized, "lethe_no": http.StatusUnauthorized} {
		o.refused(o.post(body, key), status)
		o.refused(o.get("/v1/rectifications/"+asked.ID, key), status)
		o.refused(o.get("/v1/rectifications", key), status)
	}
	for _, path := range []string{"/v1/rectifications/x", "/v1/rectifications/00000000-0000-4000-8000-000000000000", "/v1/rectifications/" + strings.ToUpper(asked.ID), "/v1/rectifications/"} {
		o.refused(o.get(path, o.privacy), http.StatusNotFound)
	}
	for _, path := range []string{"/v1/rectifications?status=none", "/v1/rectifications?cursor=x", "/v1/rectifications?x=1", "/v1/rectifications/" + asked.ID + "?x=1"} {
		o.refused(o.get(path, o.privacy), http.StatusBadRequest)
	}
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodDelete, "/v1/rectifications", nil))
	o.refused(rec, http.StatusMethodNotAllowed)
}

// The list gives the newest first, and by status; another Idempotency-Key makes
// another request.
func TestRectificationList(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var ids []string
	for i := range 3 {
		a := o.ask(`{"distinct_id":"ann","profile":{"a":1},"reason":"r"}`, "Idempotency-Key", fmt.Sprint(i))
		if again := o.ask(`{"distinct_id":"ann","profile":{"a":1},"reason":"r"}`, "Idempotency-Key", fmt.Sprint(i)); again.ID != a.ID {
			t.Error("the same key makes another request")
		}
		ids = append([]string{a.ID}, ids...)
	}
	list := func(query string) (got []string) {
		var a functionperson.Rectifications
		o.answered(o.get("/v1/rectifications"+query, o.privacy), &a)
		for _, r := range a.Rectifications {
			got = append(got, r.ID)
		}
		return got
	}
	for query, want := range map[string][]string{"": ids, "?status=queued": ids, "?status=done": nil, "?cursor=" + ids[0]: ids[1:]} {
		if got := list(query); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	o.work(time.Minute)
	for _, id := range ids {
		o.until(id, request.Done)
	}
	if got := list("?status=done"); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Error(got)
	}
}

// Messages come and rectifications overlap without pause: in the end nothing that
// was received before the last one holds an old value, and no event is lost.
func TestRectifyUnderTraffic(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.work(50 * time.Millisecond)
	const rounds = 40
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range rounds {
			e := ev(i, fmt.Sprintf("2026-02-%02d 12:00:00", 1+i%5))
			e.Properties, e.Received = fmt.Sprintf(`{"plan":"SECRET","n":%d}`, i), event.Now()
			op := event.Op{DistinctID: "ann", Name: "$add", Value: `{"visits":1,"email":1}`, Received: e.Received, Request: fmt.Sprint("r", i)}
			o.deliver([]event.Event{e}, op)
			if i%3 == 0 {
				o.deliver([]event.Event{e}, op)
			}
		}
	}()
	var last functionperson.Rectification
	for i := range 4 {
		last = o.ask(fmt.Sprintf(`{"distinct_id":"ann","profile":{"email":%d},"events":[{"where":"properties[\"plan\"] == \"SECRET\"","set":{"plan":"free"}},{"set":{"round":%d}}],"reason":"r"}`, i, i))
	}
	<-sent
	again := o.ask(`{"distinct_id":"ann","profile":{"email":99},"events":[{"where":"properties[\"plan\"] == \"SECRET\"","set":{"plan":"free"}}],"reason":"r"}`)
	o.until(last.ID, request.Done)
	o.until(again.ID, request.Done)
	if all := o.everything("ann"); strings.Contains(all, "SECRET") || strings.Count(all, `{"plan":"free"`) != rounds {
		t.Error(all)
	}
	if got := o.personDoc("ann").Profile; got != fmt.Sprintf(`{"email":99,"visits":%d}`, rounds) {
		t.Error(got)
	}
	if got := strings.Count(o.get("/v1/people/ann/events?limit=1000").Body.String(), `"event":`); got != rounds {
		t.Error(got)
	}
}
