package dashboard_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

var (
	joined = []firestore.Update{{Path: "joined", Value: true}}
	noRoom = []firestore.Update{{Path: "no_room", Value: 7}}
)

// askByAddress makes an export of whoever has an e-mail address, and waits until it needs
// a confirmation. It returns the request's page.
func (o *bureau) askByAddress(b *browser, address string) string {
	o.t.Helper()
	r, err := request.Create(o.t.Context(), o.Default, o.Project, request.New{Kind: request.Export, Origin: request.OpenDSR,
		Find: []request.Identity{{Type: "email", Value: address, Format: request.Raw}}, Params: map[string]string{"format": "json"}})
	if err == nil {
		err = o.exports.Publish(o.t.Context(), r)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	page := "/data-requests/exports/" + r.ID
	b.until(page, "waits for confirmation")
	return page
}

// Of a request by an attribute that only the public token has said, it is asked who is
// meant: what is chosen is done, and what is refused is not.
func TestRequestConfirmation(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.work()
	for _, id := range []string{"ann", "eve"} {
		o.Deliver(t, o.store, nil, event.Op{DistinctID: id, Name: "$set", Value: `{"$email":"ann@example.com"}`, Received: event.Now() - 60_000, Request: id})
	}
	b := o.signIn(o.newKey(project.Privacy))
	page := o.askByAddress(b, "ann@example.com")
	rec := b.get(page, http.StatusOK)
	has(t, rec, "Who is meant?", `value="ann"`, "ann (e-mail address)", `value="eve"`, "Confirm and go on", "Refuse the request", "Persons who may be meant")
	labelled(t, rec)
	unnamed(t, rec.Body.String(), "ann@", "=ann", "=eve")
	has(t, b.get("/data-requests?status=needs_confirmation", http.StatusOK), strings.TrimPrefix(page, "/data-requests/exports/"), "waits for confirmation")

	has(t, b.post(page, url.Values{"do": {"confirm"}}, http.StatusBadRequest), `role="alert"`, "Confirm and go on")
	has(t, b.post(page, url.Values{"do": {"confirm"}, "distinct_ids": {"bob"}}, http.StatusBadRequest), "does not hint at")
	next := b.goes(page, url.Values{"do": {"confirm"}, "distinct_ids": {"ann"}})
	has(t, b.until(next, "✓ done"), "Decided", "Decided by key", ">1<", "Archive")
	lacks(t, b.get(page, http.StatusOK), "Who is meant?")
	has(t, b.post(page, url.Values{"do": {"refuse"}}, http.StatusConflict), `role="alert"`, "only one that needs confirmation")

	refused := o.askByAddress(b, "ANN@example.com")
	has(t, b.get(b.goes(refused, url.Values{"do": {"refuse"}}), http.StatusOK), "nobody is meant", "cancelled")
	var state struct{ Status string }
	if o.ask("/v1"+strings.TrimPrefix(refused, "/data-requests"), &state); state.Status != "cancelled" {
		t.Errorf("got %s, want cancelled", state.Status)
	}
	b.post(refused, url.Values{"do": {"approve"}}, http.StatusBadRequest)
	has(t, o.signIn(o.newKey(project.Reader)).post(refused, url.Values{"do": {"confirm"}}, http.StatusForbidden), "You may not see this")
}

// An id of a device stands for its user where that is asked for.
func TestRequestScope(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Privacy))
	form := url.Values{"do": {"new"}, "what": {"exports"}, "distinct_ids": {device}, "format": {"json"}}
	scope := func(next string) string {
		var a struct{ Scope string }
		path, _, _ := strings.Cut(next, "?")
		o.ask("/v1"+strings.TrimPrefix(path, "/data-requests"), &a)
		return a.Scope
	}
	if got := scope(b.goes("/data-requests/new", form)); got != "" {
		t.Errorf("got the scope %q, want none", got)
	}
	form.Set("scope", "on")
	next := b.goes("/data-requests/new", form)
	if got := scope(next); got != "person" {
		t.Errorf("got the scope %q, want person", got)
	}
	has(t, b.get(next, http.StatusOK), "all ids of the persons")
	form.Set("what", "deletions")
	has(t, b.post("/data-requests/new", form, http.StatusOK), "All other ids", `name="scope" value="on"`)
	form.Del("scope")
	has(t, b.post("/data-requests/new", form, http.StatusOK), "an id of a device stands for the device alone")
	if got := scope(b.goes(b.find(device), url.Values{"do": {"export"}, "format": {"csv"}})); got != "person" {
		t.Errorf("got the scope %q from the person's page, want person", got)
	}
}
