package request_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/web"
)

// mail is a request for whom has an e-mail address.
func mail(value string) request.New {
	return request.New{Find: []request.Identity{{Type: "email", Value: value, Format: request.Raw}}}
}

// confirm confirms persons, and reports the fault.
func (w *world) confirm(r *request.Request, ids ...string) (*request.Request, fault.Kind) {
	w.t.Helper()
	got, err := request.Confirm(w.t.Context(), w.Default, w.Project, r.ID, r.Kind, "officer", ids)
	if err == nil {
		return got, ""
	}
	if fault.Of(err) == fault.Internal {
		w.t.Fatal(err)
	}
	return got, fault.Of(err)
}

// Whom only the public token has said to have an attribute, is a hint: the request waits,
// whatever else it has found, and no worker goes on. What a key has written decides, also
// if a token has written something else over it.
func TestHintsWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people(map[string]any{"ann": map[string]any{"email": "ann@example.com"}, "both": map[string]any{"email": "both@example.com"}})
	w.profiles(map[string]any{
		"stranger": map[string]any{"$email": "victim@example.com"}, "other": map[string]any{"email": "Victim@example.com", "$ios_ifa": "IFA"},
		"impostor": map[string]any{"email": "both@example.com"},
	}, false)
	overwritten := person.Doc{DistinctID: "eve", Profile: `{"email":"new@example.com"}`, Attested: `{"email":"eve@example.com"}`}
	if _, err := person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, "eve")).Set(t.Context(), overwritten); err != nil {
		t.Fatal(err)
	}
	w.run(w.resolving)
	for name, c := range map[string]struct {
		ids    []string
		find   []request.Identity
		status request.Status
		sure   string
		hints  int
	}{
		"attested":             {nil, mail("ann@example.com").Find, request.Done, "ann", 0},
		"nobody":               {nil, mail("nobody@example.com").Find, request.Done, "", 0},
		"hints alone":          {nil, mail("victim@example.com").Find, request.NeedsConfirmation, "", 2},
		"hashed":               {nil, []request.Identity{{Type: "email", Value: hash("sha256", "victim@example.com"), Format: "sha256"}}, request.NeedsConfirmation, "", 2},
		"attested and a hint":  {nil, mail("both@example.com").Find, request.NeedsConfirmation, "both", 1},
		"named and hints":      {[]string{"ann", "other"}, mail("victim@example.com").Find, request.NeedsConfirmation, "ann other", 1},
		"attested, no longer":  {nil, mail("eve@example.com").Find, request.Done, "eve", 0},
		"written over by it":   {nil, mail("new@example.com").Find, request.NeedsConfirmation, "", 1},
		"hash of the id":       {nil, []request.Identity{{Type: request.CustomerID, Value: hash("sha1", "stranger"), Format: "sha1"}}, request.Done, "stranger", 0},
		"advertising id":       {nil, []request.Identity{{Type: "ios_advertising_id", Value: "ifa", Format: request.Raw}}, request.NeedsConfirmation, "", 1},
		"id as attribute":      {nil, []request.Identity{{Type: "email", Value: "stranger", Format: request.Raw}}, request.Done, "", 0},
		"the id and the hints": {nil, append(mail("victim@example.com").Find, request.Identity{Type: request.CustomerID, Value: hash("md5", "other"), Format: "md5"}), request.NeedsConfirmation, "other", 1},
	} {
		r := w.create(request.New{IDs: c.ids, Find: c.find})
		w.publish(r)
		got := w.until(r, c.status)
		if sure := strings.Join(w.persons(got), " "); sure != c.sure || got.Hints != c.hints || got.Find != "" {
			t.Errorf("%s: got %q and %d hints, left to find %q; want %q and %d", name, sure, got.Hints, got.Find, c.sure, c.hints)
		}
	}
}

// After a confirmation the request goes on with those who are certain and exactly those
// who were named. It can be made again, but no other.
func TestConfirm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.people(map[string]any{"ann": map[string]any{"email": "a@example.com"}})
	claim := map[string]any{"email": "a@example.com"}
	w.profiles(map[string]any{"yes": claim, "yes too": claim, "no": claim, "erased": claim}, false)
	w.profiles(map[string]any{"bystander": map[string]any{"email": "b@example.com"}}, false)
	var begun atomic.Int32
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		if done {
			begun.Add(1)
		}
		return request.Outcome{Done: done}, err
	})
	r := w.create(mail("a@example.com"))
	if _, kind := w.confirm(r); kind != fault.Conflict {
		t.Errorf("too early: got %v, want a conflict", kind)
	}
	w.publish(r)
	waiting := w.until(r, request.NeedsConfirmation)
	w.publish(waiting) // which moves nothing
	if _, err := person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, "erased")).Set(t.Context(), person.Doc{}); err != nil {
		t.Fatal(err)
	}
	for name, ids := range map[string][]string{"nobody's": {"yes", "unknown"}, "not hinted": {"bystander"}, "certain": {"ann"}, "erased since": {"erased"}} {
		if _, kind := w.confirm(r, ids...); kind != fault.Invalid {
			t.Errorf("%s: got %v, want invalid", name, kind)
		}
	}
	if n := begun.Load(); n != 0 {
		t.Errorf("got work on %d slices before the confirmation, want none", n)
	}
	confirmed, kind := w.confirm(r, "yes too", "yes", "yes")
	if kind != "" || confirmed.Status != request.Running || confirmed.DecidedBy != "officer" || confirmed.Decided.IsZero() {
		t.Fatalf("got %+v, %v", confirmed, kind)
	}
	if again, kind := w.confirm(r, "yes", "yes too"); kind != "" || !again.Decided.Equal(confirmed.Decided) {
		t.Errorf("again: got %+v, %v, want the same", again, kind)
	}
	for name, ids := range map[string][]string{"others": {"yes", "no"}, "fewer": {"yes"}, "none": nil} {
		if _, kind := w.confirm(r, ids...); kind != fault.Conflict {
			t.Errorf("%s, too late: got %v, want a conflict", name, kind)
		}
	}
	w.publish(confirmed)
	done := w.until(r, request.Done)
	if got := strings.Join(w.persons(done), " "); got != "ann yes yes too" {
		t.Errorf("got %q, want ann, yes and yes too", got)
	}
	if _, kind := w.confirm(r, "yes", "yes too"); kind != "" {
		t.Errorf("again, once it is done: got %v, want the same", kind)
	}
}

// Somebody must be meant; of hints none need be, if others are certain.
func TestConfirmNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.profiles(map[string]any{"a": map[string]any{"email": "a@example.com"}}, false)
	w.run(w.resolving)
	alone, more := w.create(mail("a@example.com")), w.create(request.New{IDs: []string{"b"}, Find: mail("a@example.com").Find})
	for _, r := range []*request.Request{alone, more} {
		w.publish(r)
		w.until(r, request.NeedsConfirmation)
	}
	if _, kind := w.confirm(alone); kind != fault.Invalid {
		t.Errorf("nobody: got %v, want invalid", kind)
	}
	confirmed, kind := w.confirm(more)
	if kind != "" {
		t.Fatal(kind)
	}
	w.publish(confirmed)
	if got := w.persons(w.until(more, request.Done)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("got %v, want b", got)
	}
}

// Who refuses ends the request, for good and with a reason. A request that waits can also
// be cancelled.
func TestRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.profiles(map[string]any{"a": map[string]any{"email": "a@example.com", "android_id": "x"}}, false)
	w.run(w.resolving)
	refused, cancelled := w.create(mail("a@example.com")), w.create(request.New{Find: []request.Identity{{Type: "android_id", Value: "x", Format: request.Raw}}})
	for _, r := range []*request.Request{refused, cancelled} {
		w.publish(r)
		w.until(r, request.NeedsConfirmation)
	}
	for range 2 { // it can be done again
		got, err := request.Refuse(t.Context(), w.Default, "app", refused.ID, refused.Kind, "officer")
		if err != nil || got.Status != request.Cancelled || !strings.HasPrefix(got.Failure, "refused: ") || got.Finished.IsZero() || got.DecidedBy != "officer" {
			t.Errorf("got %+v, %v, want cancelled, with a reason", got, err)
		}
	}
	if got, err := request.Cancel(t.Context(), w.Default, "app", cancelled.ID, cancelled.Kind); err != nil || got.Status != request.Cancelled || got.Failure != "" {
		t.Errorf("got %+v, %v, want cancelled", got, err)
	}
	for name, r := range map[string]*request.Request{"refused": refused, "cancelled": cancelled} {
		if _, kind := w.confirm(r, "a"); kind != fault.Conflict {
			t.Errorf("%s: got %v, want a conflict", name, kind)
		}
	}
	if _, err := request.Refuse(t.Context(), w.Default, "app", cancelled.ID, cancelled.Kind, "officer"); fault.Of(err) != fault.Conflict {
		t.Errorf("got %v, want a conflict", err)
	}
}

// Hints survive a worker that is killed, and are found over many slices; with the token
// anybody can make any number, of which some are kept and all are counted.
func TestManyHints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const planted = 700
	profiles := map[string]any{}
	for i := range planted {
		profiles[fmt.Sprintf("p%04d", i)] = map[string]any{"email": "a@example.com"}
	}
	w.profiles(profiles, false)
	w.people(map[string]any{"zoe": map[string]any{"email": "a@example.com"}})
	var calls atomic.Int32
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		if err == nil && calls.Add(1)%2 == 1 {
			return request.Outcome{}, errors.New("killed")
		}
		return request.Outcome{Done: done}, err
	})
	r := w.create(mail("a@example.com"))
	w.publish(r)
	got := w.until(r, request.NeedsConfirmation)
	if got.Hints != planted || got.Persons != 1 || calls.Load() < 2 {
		t.Errorf("got %d hints and %d persons after %d slices, want %d and 1", got.Hints, got.Persons, calls.Load(), planted)
	}
	kept, err := request.Ref(w.Default, "app", r.ID).Collection("hints").Documents(t.Context()).GetAll()
	if err != nil || len(kept) != request.MaxHints {
		t.Errorf("got %d hints kept, %v, want %d", len(kept), err, request.MaxHints)
	}
	for _, d := range kept {
		if text := fmt.Sprint(d.Data()); strings.Contains(text, "example") || strings.Contains(text, "p0") {
			t.Errorf("got %s, want nothing personal", text)
		}
	}
}

// decision is the answer about a request in these tests.
type decision struct {
	request.Answer
	Persons int `json:"persons"`
}

// TestDecisions is about the endpoints: who may decide, what is told of hints, and what
// the access log says of it.
func TestDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.profiles(map[string]any{"yes": map[string]any{"email": "a@example.com", "android_id": "x"}, "no": map[string]any{"email": "a@example.com"}, "erased": map[string]any{"email": "a@example.com"}}, false)
	w.run(w.resolving)
	describe := func(ctx context.Context, caller *access.Call, r *request.Request) (any, error) {
		a := &decision{Answer: request.NewAnswer(r), Persons: r.Persons}
		return a, request.ShowHints(ctx, w.Default, caller, r, &a.Answer)
	}
	d := &request.Decisions{DB: w.Default, Publishers: w.pubs, Kind: request.Deletion, Describe: describe}
	guard := w.Guard(t)
	api := web.Mux(guard.Route(http.MethodPost, "/v1/deletions/{id}/confirm", d.Confirm), guard.Route(http.MethodPost, "/v1/deletions/{id}/refuse", d.Refuse),
		guard.Route(http.MethodGet, "/v1/deletions/{id}", func(ctx context.Context, c *access.Call, out http.ResponseWriter, r *http.Request) error {
			found, err := request.Get(ctx, w.Default, c.Project, r.PathValue("id"), request.Deletion)
			if err != nil {
				return err
			}
			a, err := describe(ctx, c, found)
			if err != nil {
				return err
			}
			web.WriteJSON(out, a)
			return nil
		}))
	privacy, err := project.NewKey(t.Context(), w.Default, "app", project.Privacy)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := project.NewKey(t.Context(), w.Default, "app", project.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.AddProject(t, "other")
	foreign, err := project.NewKey(t.Context(), w.Default, "other", project.Admin)
	if err != nil {
		t.Fatal(err)
	}
	n := mail("a@example.com")
	n.Find = append(n.Find, request.Identity{Type: "android_id", Value: "x", Format: request.Raw})
	r, second := w.create(n), w.create(request.New{Find: n.Find, IdempotencyKey: "second"})
	for _, r := range []*request.Request{r, second} {
		w.publish(r)
		w.until(r, request.NeedsConfirmation)
	}
	if _, err := person.Ref(w.Default, "app", person.MakeKey(w.Project.Secret, "erased")).Update(t.Context(), []firestore.Update{{Path: "distinct_id", Value: firestore.Delete}}); err != nil {
		t.Fatal(err)
	}
	path := "/v1/deletions/" + r.ID
	call := func(method, path, key, body string, want int) (a decision) {
		t.Helper()
		rec := local.Call(t.Context(), api, method, path, key, body)
		if rec.Code != want {
			t.Errorf("%s %s %s: got %d %s, want %d", method, path, body, rec.Code, rec.Body, want)
		}
		if rec.Code == http.StatusOK {
			local.Answered(t, rec, &a)
		}
		return a
	}
	const unknown = "/v1/deletions/0198e0b5-0000-7000-8000-000000000000"
	for key, want := range map[string]int{reader: 403, foreign: 404, "": 401} {
		call("POST", path+"/confirm", key, `{"distinct_ids":["yes"]}`, want)
		call("POST", path+"/refuse", key, "", want)
	}
	call("POST", unknown+"/confirm", privacy, "", 404)
	call("POST", unknown+"/refuse", privacy, "", 404)
	many := `"` + strings.Join(slices.Repeat([]string{"x"}, request.MaxHints+1), `","`) + `"`
	for _, body := range []string{"", "{}", `{"distinct_ids":null}`, `{"distinct_ids":["yes"],"x":1}`, `{"distinct_ids":"yes"}`, `{"distinct_ids":[` + many + `]}`, `{"distinct_ids":["x"]}`, `{"distinct_ids":[]}`} {
		call("POST", path+"/confirm", privacy, body, 400)
	}
	a := call("GET", path, privacy, "", 200)
	want := []request.Hinted{{DistinctID: "no", Matched: []string{"email"}}, {DistinctID: "yes", Matched: []string{"android_id", "email"}}}
	if fmt.Sprint(a.Hinted) != fmt.Sprint(want) || a.MoreHinted != 0 || a.Status != request.NeedsConfirmation {
		t.Errorf("got %+v, want %+v", a, want)
	}
	if a = call("POST", path+"/confirm", privacy, `{"distinct_ids":["yes"]}`, 200); a.Status != request.Running || a.DecidedBy == "" || a.DecidedAt.IsZero() || len(a.Hinted) > 0 {
		t.Errorf("got %+v, want one that runs again", a)
	}
	if got := w.persons(w.until(r, request.Done)); !slices.Equal(got, []string{"yes"}) {
		t.Errorf("got %v, want yes", got)
	}
	if a = call("POST", "/v1/deletions/"+second.ID+"/refuse", privacy, "", 200); a.Status != request.Cancelled || a.Failure == "" || a.DecidedBy == "" {
		t.Errorf("got %+v, want one that is cancelled", a)
	}
	call("POST", "/v1/deletions/"+second.ID+"/confirm", privacy, `{"distinct_ids":["yes"]}`, 409)
	key := func(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }
	logged := map[string]access.Entry{}
	for _, e := range w.Access(t) {
		if e.Status == http.StatusOK {
			logged[e.Action+" "+e.Object] = e
		}
	}
	for action, keys := range map[string][]person.Key{"deletion.read " + r.ID: {key("no"), key("yes")}, "deletion.confirm " + r.ID: {key("yes")}, "deletion.refuse " + second.ID: nil} {
		got := slices.Clone(logged[action].Persons)
		slices.Sort(got)
		slices.Sort(keys)
		if _, ok := logged[action]; !ok || !slices.Equal(got, keys) {
			t.Errorf("%s: got the persons %v (%v), want %v", action, got, ok, keys)
		}
	}
}
