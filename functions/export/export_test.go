package export_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// An archive holds all that is known of a person, in each format, and nothing of
// others.
func TestExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, 15*time.Minute)
	w.work()
	odd := `{"a":1,"text":"line\nbreak, \"quoted\"","ü.$x":[1,{"b":null}]}`
	w.Deliver(t, w.store, []event.Event{
		ev("a/n n😀", "Seen", 1, "2025-01-02 03:04:05", odd), ev("a/n n😀", "Left", 2, "2024-12-31 00:00:00", `{"a":2}`), ev("bob", "Seen", 3, "2025-01-02 00:00:00", `{"a":"BOB"}`),
	}, event.Op{DistinctID: "a/n n😀", Name: "$set", Value: `{"email":"ann@example.com","plan":"free"}`, Received: event.Now() - 60_000, Request: "r"})
	w.Deliver(t, w.store, []event.Event{ev("a/n n😀", "$identify", 4, "2025-01-03 00:00:00", `{"$anon_distinct_id":"device-1"}`)})
	w.Deliver(t, w.store, []event.Event{ev("device-1", "Seen", 5, "2025-01-01 00:00:00", `{}`)})
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	if _, err := person.SetConsent(t.Context(), w.Databases, w.Project.ID, w.personKey("a/n n😀"), person.Consent{State: consent.Granted, Basis: "consent", Source: "form", At: at}); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"ndjson", "json", "csv"} {
		asked := w.ask(`{"distinct_ids":["a/n n😀","nobody"],"format":"` + format + `"}`)
		if asked.URL != "" || asked.Status != request.Queued {
			t.Errorf("%+v", asked)
		}
		files := w.archive(w.until(asked.ID, request.Done))
		var names []string
		for name := range files {
			names = append(names, name)
		}
		slices.Sort(names)
		want := []string{"index.html", "manifest.json", "person-0001/consents.json", "person-0001/events-0001." + format, "person-0001/events-0002." + format,
			"person-0001/profile.json", "person-0001/requests.json", "person-0002/consents.json", "person-0002/profile.json", "person-0002/requests.json"}
		if !slices.Equal(names, want) {
			t.Errorf("%s: %v", format, names)
		}
		var p export.Profile
		if err := json.Unmarshal([]byte(files["person-0001/profile.json"]), &p); err != nil || p.DistinctID != "a/n n😀" || len(p.DistinctIDs) != 2 ||
			p.Profile["email"] != "ann@example.com" || p.Consent.State != consent.Granted {
			t.Errorf("%s %v", files["person-0001/profile.json"], err)
		}
		var consents []export.Consent
		if err := json.Unmarshal([]byte(files["person-0001/consents.json"]), &consents); err != nil || len(consents) != 1 || !consents[0].At.Equal(at) {
			t.Errorf("%s %v", files["person-0001/consents.json"], err)
		}
		if !strings.Contains(files["person-0001/requests.json"], asked.ID) {
			t.Errorf("%s", files["person-0001/requests.json"])
		}
		found, err := request.Of(t.Context(), w.Default, w.Project.ID, w.personKey("device-1"))
		if err != nil || !slices.ContainsFunc(found, func(f request.Found) bool { return f.Request == asked.ID }) {
			t.Errorf("the archive is not found by a distinct_id that it holds: %v %v", found, err)
		}
		events := files["person-0001/events-0001."+format] + files["person-0001/events-0002."+format]
		if strings.Contains(fmt.Sprint(files), "BOB") || strings.Count(events, "2025-01-02T03:04:05") != 1 || strings.Count(events, "device-1") != 2 {
			t.Errorf("%s: %v", format, files)
		}
		if first, second := strings.Index(events, "2024-12-31"), strings.Index(events, "2025-01-02"); first > second {
			t.Errorf("not the oldest first: %s", events)
		}
	}
	files := w.archive(w.until(w.ask(`{"distinct_ids":["a/n n😀"],"format":"ndjson"}`).ID, request.Done))
	var e struct {
		Event, Time string
		Properties  map[string]any
	}
	line := strings.Split(files["person-0001/events-0001.ndjson"], "\n")[1]
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Event != "Seen" || e.Properties["$insert_id"] != "i1" || e.Properties["text"] != "line\nbreak, \"quoted\"" {
		t.Errorf("%s %v", line, err)
	}
}

// What an erasure has not got to yet is behind its fence all the same.
func TestExportWhileErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	w.work()
	for source, at := range map[string]time.Time{"BEFORE": time.Now().Add(-time.Hour), "AFTER": time.Now().Add(-time.Minute)} {
		if _, err := person.SetConsent(t.Context(), w.Databases, w.Project.ID, w.personKey("ann"), person.Consent{State: consent.Granted, Source: source, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	old, fresh := ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"a":"BEFORE"}`), ev("ann", "Seen", 2, "2025-01-01 00:00:00", `{"a":"AFTER"}`)
	old.Received = event.Now() - 3_600_000
	w.Deliver(t, w.store, []event.Event{old, fresh})
	if _, err := person.Ref(w.Default, w.Project.ID, w.personKey("ann")).Set(t.Context(), map[string]any{"erased_at": time.Now().Add(-30 * time.Minute)}, mergeAll); err != nil {
		t.Fatal(err)
	}
	files := w.archive(w.until(w.ask(`{"distinct_ids":["ann"]}`).ID, request.Done))
	all := fmt.Sprint(files)
	if strings.Contains(all, "BEFORE") || strings.Count(all, "AFTER") != 3 { // the event, the consent and its history
		t.Error(all)
	}
}

// Just what is asked for is in the archive.
func TestSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, 15*time.Minute)
	w.work()
	w.Deliver(t, w.store, []event.Event{
		ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"email":"ann@x","plan":"p1"}`), ev("ann", "Seen", 2, "2025-01-02 00:00:00", `{"plan":"p2"}`),
		ev("ann", "Left", 3, "2025-01-03 00:00:00", `{"email":"ann@y","$we.ird":"odd"}`),
	}, event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"ann@z","plan":"p4"}`, Received: event.Now() - 60_000, Request: "r"})
	for body, want := range map[string]string{
		`"properties":["email"]`:                    "ann@x ann@y ann@z",
		`"properties":["$we.ird"]`:                  "odd",
		`"properties":["email"],"format":"csv"`:     "ann@x ann@y ann@z",
		`"events":["Left"]`:                         "ann@y odd ann@z p4",
		`"from":"2025-01-02","to":"2025-01-02"`:     "p2 ann@z p4",
		`"properties":["nothing"]`:                  "",
		`"properties":["plan"],"events":["Seen"]`:   "p1 p2 p4",
		`"from":"2025-01-03","properties":["plan"]`: "p4",
	} {
		files := w.archive(w.until(w.ask(`{"distinct_ids":["ann"],`+body+`}`).ID, request.Done))
		all := ""
		for name, text := range files {
			if strings.HasPrefix(name, "person-") {
				all += text
			}
		}
		for _, value := range []string{"ann@x", "ann@y", "ann@z", "p1", "p2", "p4", "odd"} {
			if strings.Contains(all, value) != slices.Contains(strings.Fields(want), value) {
				t.Errorf("%s: %s in %s", body, value, all)
			}
		}
	}
}

// A link works until it expires, for this object and as it was signed.
func TestLink(t *testing.T) {
	t.Parallel()
	const life = 5 * time.Second
	w := newWorld(t, time.Minute, life)
	w.work()
	one, two := w.ask(`{"distinct_ids":["ann"]}`), w.ask(`{"distinct_ids":["bob"]}`)
	w.until(one.ID, request.Done) // the links, once both are there: they live from then on
	second := w.until(two.ID, request.Done)
	first := w.until(one.ID, request.Done)
	if code, _ := w.fetch(first.URL); code != http.StatusOK {
		t.Fatalf("%d %s", code, first.URL)
	}
	u, err := url.Parse(first.URL)
	if err != nil {
		t.Fatal(err)
	}
	other := *u
	other.Path = strings.Replace(u.Path, one.ID, two.ID, 1)
	q := u.Query()
	q.Set("X-Goog-Expires", "600000")
	longer := *u
	longer.RawQuery = q.Encode()
	bare := *u
	bare.RawQuery = ""
	for name, altered := range map[string]string{"another object": other.String(), "a longer life": longer.String(), "no signature": bare.String(),
		"a byte altered": first.URL[:len(first.URL)-1] + string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", first.URL[len(first.URL)-1])+1)%16])} {
		if code, body := w.fetch(altered); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if !second.URLExpiresAt.After(time.Now()) || second.URLExpiresAt.After(time.Now().Add(life)) {
		t.Errorf("expires %v", second.URLExpiresAt)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if code, _ := w.fetch(first.URL); code == http.StatusForbidden {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the link does not expire")
		}
	}
	again := w.until(one.ID, request.Done)
	if code, _ := w.fetch(again.URL); code != http.StatusOK {
		t.Errorf("the link made anew: %d", code)
	}
	var list struct{ Exports []map[string]any }
	w.call(http.MethodGet, "/v1/exports?status=done", "", http.StatusOK, &list)
	if len(list.Exports) != 2 || list.Exports[0]["id"] != two.ID || list.Exports[0]["url"] != nil {
		t.Errorf("%v", list)
	}
	// After 7 days there is nothing to link to, nor after the project's retention.
	for kept, days := range map[int]int{2: 2, 30: retention.ArchiveDays, retention.Unlimited: retention.ArchiveDays} {
		if _, err := w.Default.Doc("projects/"+w.Project.ID).Set(t.Context(), map[string]any{"retention_days": kept}, mergeAll); err != nil {
			t.Fatal(err)
		}
		for ago, there := range map[time.Duration]bool{0: false, time.Minute: true} {
			finished := time.Now().AddDate(0, 0, -days).Add(ago)
			if _, err := request.Ref(w.Default, w.Project.ID, one.ID).Set(t.Context(), map[string]any{"finished": finished}, mergeAll); err != nil {
				t.Fatal(err)
			}
			if old := w.until(one.ID, request.Done); (old.URL != "") != there || (old.Gone == "") != there || there && old.URLExpiresAt.After(finished.AddDate(0, 0, days)) {
				t.Errorf("after %d days, %v: %+v", days, ago, old)
			}
		}
	}
}

// The same request is the same; it can be cancelled while it waits; nobody else sees
// it.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	one, two := w.ask(`{"distinct_ids":["ann"]}`), w.ask(`{"distinct_ids":["ann"],"format":"csv"}`)
	if again := w.ask(`{"distinct_ids":["ann","ann"]}`); again.ID != one.ID || two.ID == one.ID {
		t.Errorf("%s %s %s", one.ID, two.ID, again.ID)
	}
	own := w.key
	for key, want := range map[string]int{w.newKey(w.AddProject(t, "other"), project.Admin): http.StatusNotFound,
		w.newKey(w.Project, project.Reader): http.StatusForbidden, "": http.StatusUnauthorized} {
		w.key = key
		w.call(http.MethodGet, "/v1/exports/"+one.ID, "", want, nil)
		w.call(http.MethodDelete, "/v1/exports/"+one.ID, "", want, nil)
		w.call(http.MethodGet, "/api/app/data-retrievals/v3.0/"+one.ID, "", want, nil)
	}
	w.key = own
	w.call(http.MethodDelete, "/v1/exports/"+two.ID, "", http.StatusOK, nil)
	w.work()
	if e := w.until(one.ID, request.Done); e.URL == "" {
		t.Errorf("%+v", e)
	}
	if e := w.until(two.ID, request.Cancelled); e.URL != "" {
		t.Errorf("%+v", e)
	}
	w.call(http.MethodDelete, "/v1/exports/"+one.ID, "", http.StatusConflict, nil)
}

// What is wrong with a request is told.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	var many []string
	for i := range 2001 {
		many = append(many, fmt.Sprintf("%q", fmt.Sprint("p", i)))
	}
	for body, want := range map[string]string{
		`{}`:                                        "distinct_ids",
		`{"distinct_ids":[]}`:                       "at least one",
		`{"distinct_ids":["a"],"x":1}`:              "unknown field",
		`{"distinct_ids":["a"],"events":[]}`:        "events",
		`{"distinct_ids":["a"],"format":"xml"}`:     "format",
		`{"distinct_ids":["a"],"from":"yesterday"}`: "from",
		`{"distinct_ids":["a"],"from":"2025-02-01","to":"2025-01-01"}`: "after to",
		`{"distinct_ids":["a"],"properties":[""]}`:                     "properties[0]",
		`{"distinct_ids":[` + strings.Join(many, ",") + `]}`:           "2001 persons",
	} {
		got := w.call(http.MethodPost, "/v1/exports", body, http.StatusBadRequest, nil)
		if !strings.Contains(got, want) || !strings.Contains(got, "urn:lethe:problem:invalid") {
			t.Errorf("%.80s: %s", body, got)
		}
	}
	w.call(http.MethodGet, "/v1/exports/no", "", http.StatusNotFound, nil)
	w.call(http.MethodGet, "/v1/exports?status=x", "", http.StatusBadRequest, nil)
}

// Mixpanel's form of the same: the link under both of its names.
func TestMixpanel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	const path = "/api/app/data-retrievals/v3.0"
	var made struct {
		Results struct {
			TaskID string `json:"task_id"`
		}
	}
	w.call(http.MethodPost, path+"?token=x", `{"distinct_ids":["ann"],"compliance_type":"GDPR","disclosure_type":"Data"}`, http.StatusCreated, &made)
	var state struct{ Results map[string]any }
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	if r := state.Results; r["status"] != "PENDING" || r["result"] != "" || r["results"] != "" || r["disclosure_type"] != "Data" {
		t.Errorf("%v", r)
	}
	w.work()
	w.until(made.Results.TaskID, request.Done)
	w.call(http.MethodGet, path+"/"+made.Results.TaskID, "", http.StatusOK, &state)
	link, _ := state.Results["result"].(string)
	if r := state.Results; r["status"] != "SUCCESS" || link == "" || r["results"] != link || fmt.Sprint(r["distinct_ids"]) != "[ann]" {
		t.Errorf("%v", r)
	}
	if code, _ := w.fetch(link); code != http.StatusOK {
		t.Errorf("%d %s", code, link)
	}
	w.call(http.MethodPost, path, `{"distinct_ids":["ann"],"disclosure_type":"No"}`, http.StatusBadRequest, nil)
}

// An archive made in many slices, of workers that are killed, with more segments
// than are put together at once, is whole.
func TestSlices(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, time.Nanosecond, time.Minute)
	ids, want := []string{}, map[string]int{}
	for p := range 40 {
		id := fmt.Sprint("p", p)
		ids = append(ids, fmt.Sprintf("%q", id))
		var events []event.Event
		for n := range rnd.IntN(5) {
			events = append(events, ev(id, "Seen", n, fmt.Sprintf("2025-01-%02d 00:00:00", 1+rnd.IntN(3)), `{}`))
		}
		if p == 7 {
			for n := range 1500 {
				events = append(events, ev(id, "Seen", 10+n, fmt.Sprintf("2025-01-%02d 00:00:00", 1+n/1000), fmt.Sprintf(`{"n":%d}`, rnd.Int())))
			}
		}
		want[id] = len(events)
		if len(events) > 0 {
			w.Deliver(t, w.store, events)
		}
	}
	asked := w.ask(`{"distinct_ids":[` + strings.Join(ids, ",") + `],"format":"json"}`)
	killed, far := 0, 0
	for step := 0; ; {
		var e export.Export
		if w.call(http.MethodGet, "/v1/exports/"+asked.ID, "", http.StatusOK, &e); e.Progress != nil {
			if e.Progress.Events < far || e.Progress.Stage != "reading" && e.Progress.Stage != "packing" {
				t.Errorf("%+v after %d events", e.Progress, far)
			}
			far = e.Progress.Events
		}
		r, err := request.Get(t.Context(), w.Default, w.Project.ID, asked.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Final() {
			break
		}
		if step = r.Step; !r.Lease.IsZero() { // a killed worker's lease would last for a minute
			if _, err := request.Ref(w.Default, w.Project.ID, asked.ID).Set(t.Context(), map[string]any{"lease": time.Time{}}, mergeAll); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := contextFor(t, rnd)
		if w.Push(ctx, t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)) != http.StatusNoContent {
			killed++
		}
		cancel()
	}
	t.Logf("%d times killed", killed)
	if far < 1000 {
		t.Errorf("the progress told of %d events", far)
	}
	files := w.archive(w.until(asked.ID, request.Done))
	got := map[string]int{}
	for name, text := range files {
		if !strings.Contains(name, "/events-") {
			continue
		}
		var events []struct {
			Properties struct {
				ID     string `json:"distinct_id"`
				Insert string `json:"$insert_id"`
			}
		}
		if err := json.Unmarshal([]byte(text), &events); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, e := range events {
			got[e.Properties.ID]++
		}
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("seed %d: %s has %d events, want %d", seed, id, got[id], n)
		}
	}
}

// What is stored on the same day while an archive is made moves nothing in it.
func TestExportWhileStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond, time.Minute)
	deliver := func(from, to int) {
		var events []event.Event
		for n := from; n < to; n++ {
			events = append(events, ev("ann", "Seen", n, "2025-01-01 00:00:00", `{}`))
			events[n-from].Received = event.Now()
		}
		w.Deliver(t, w.store, events)
	}
	for n := 0; n < 600; n += 100 {
		deliver(n, n+100)
	}
	asked := w.ask(`{"distinct_ids":["ann"]}`)
	for step, stored := 0, false; ; step++ {
		if code := w.Push(t.Context(), t, w.worker, fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, asked.ID, step)); code != http.StatusNoContent {
			t.Fatal(code)
		}
		var e export.Export
		w.call(http.MethodGet, "/v1/exports/"+asked.ID, "", http.StatusOK, &e)
		if e.Status == request.Done {
			break
		}
		if !stored && e.Progress.Events > 0 && e.Progress.Events < 600 { // half of the day is written
			for n := 600; n < 620; n++ { // some come to stand before
				deliver(n, n+1)
			}
			stored = true
		}
	}
	seen := map[string]int{}
	for name, text := range w.archive(w.until(asked.ID, request.Done)) {
		for line := range strings.Lines(text) {
			var e struct {
				Properties struct {
					Insert string `json:"$insert_id"`
				}
			}
			if !strings.Contains(name, "/events-") {
				continue
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			seen[e.Properties.Insert]++
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is in the archive %d times", id, n)
		}
	}
	if len(seen) != 600 {
		t.Errorf("%d events, want 600", len(seen))
	}
}

// Once a person in it is erased, no archive is made.
func TestVoid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	asked := w.ask(`{"distinct_ids":["ann","bob"]}`)
	if _, err := request.Withdraw(t.Context(), w.Default, w.Project.ID, asked.ID); err != nil {
		t.Fatal(err)
	}
	w.work()
	if e := w.until(asked.ID, request.Failed); !strings.Contains(e.Failure, "erased") || e.URL != "" {
		t.Errorf("%+v", e)
	}
	if names, err := objects.Archive(t.Context(), w.bucket, w.Project.ID, asked.ID); err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}
	if again := w.ask(`{"distinct_ids":["ann","bob"]}`); again.ID == asked.ID {
		t.Error("the same request again is answered with the void one")
	}
}
