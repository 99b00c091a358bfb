package dashboard_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/project"
)

var regexpMore = regexp.MustCompile(`<a class="button quiet" href="([^"]+)">Older`)

// secretOf reads the secret of a session that was begun.
func secretOf(t *testing.T, answer []byte) string {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(answer, &s); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secret", "session", "token"} {
		if text, ok := s[name].(string); ok {
			return text
		}
	}
	t.Fatalf("no session: %s", answer)
	return ""
}

// An export, a correction and a deletion of one person, from the button to what it came to.
func TestRequests(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{"city":"Berln"}`, "ann")
	o.work()
	b := o.signIn(o.newKey(project.Privacy))
	has(t, b.get("/data-requests", http.StatusOK), "New request", "Exports", "None. One is made", "Deletions", "Corrections")
	to := b.find("ann")

	wrong := b.post(to, url.Values{"do": {"rectify"}, "in": {"events"}, "property": {"city"}, "value": {"Berlin"}, "reason": {"a typo"}}, http.StatusBadRequest)
	has(t, wrong, "This is not JSON", `value="a typo"`)
	has(t, wrong, `value="Berlin"`)
	has(t, b.post(to, url.Values{"do": {"rectify"}, "in": {"profile"}, "property": {"city"}, "value": {`"Berlin"`}}, http.StatusBadRequest), "reason", "is required")
	has(t, b.post(to, url.Values{"do": {"rectify"}, "in": {"events"}, "property": {"city"}, "value": {`1`}, "where": {"no ("}, "reason": {"r"}}, http.StatusBadRequest), `role="alert"`)
	next := b.goes(to, url.Values{"do": {"rectify"}, "in": {"events"}, "property": {"city"}, "value": {`"Berlin"`}, "where": {`properties["city"] == "Berln"`}, "reason": {"a typo"}})
	has(t, b.until(next, "✓ done"), "The request is made", "a typo", "What was changed", "events", `<td class="number">1</td>`)
	has(t, b.get(to, http.StatusOK), "city: Berlin")

	next = b.goes(to, url.Values{"do": {"export"}, "format": {"csv"}})
	has(t, b.until(next, "✓ done"), "csv", "Archive", "Download")
	path, _, _ := strings.Cut(next, "?")
	if got := b.records("/data-requests?format=csv&table=exports"); len(got) != 2 || got[1][0] != path[strings.LastIndex(path, "/")+1:] || got[1][1] != "✓ done" {
		t.Error(got)
	}
	link := b.get(path+"/download", http.StatusSeeOther).Header().Get("Location")
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	archive, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive))); err != nil {
		t.Errorf("%d %v", resp.StatusCode, err)
	}

	sure := b.post(to, url.Values{"do": {"delete"}, "suppress": {"on"}}, http.StatusOK)
	has(t, sure, "Delete this person?", "can not be undone", "Consent is withdrawn", "Delete for good", "No, go back")
	var all struct{ Deletions []any }
	if o.ask("/v1/deletions", &all); len(all.Deletions) != 0 {
		t.Fatal("deleted without being sure")
	}
	next = b.goes(to, url.Values{"do": {"sure"}, "suppress": {"on"}})
	has(t, b.until(next, "✓ done"), "withdrawn", "What was found and deleted", "Receipt", "events")
	var said struct{ State string }
	if o.ask("/v1/people/ann/consent", &said); said.State != "denied" {
		t.Error(said)
	}
	has(t, b.get(to, http.StatusOK), "Nothing is known of this distinct_id")
	path, _, _ = strings.Cut(next, "?")
	has(t, b.get(path+"/receipt", http.StatusOK), "✓ The signature is good", "all of the persons", "consent history", "go run ./scripts/verify-receipt")
	file := b.get(path+"/receipt.jws", http.StatusOK)
	if strings.Count(file.Body.String(), ".") != 2 || file.Header().Get("Content-Disposition") != `attachment; filename="receipt.jws"` {
		t.Error(file.Header(), file.Body)
	}
	has(t, b.get(strings.Replace(path, "deletions", "exports", 1), http.StatusNotFound), "the project has no such request")
}

// A request of many persons; while it is queued it can be cancelled.
func TestRequestOfMany(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	b := o.signIn(o.newKey(project.Privacy))
	form := b.get("/data-requests/new", http.StatusOK)
	labelled(t, form)
	has(t, form, "distinct_ids, one a line", "2,000")
	new := func(what, ids string) url.Values {
		return url.Values{"do": {"new"}, "what": {what}, "distinct_ids": {ids}, "format": {"json"}}
	}
	has(t, b.post("/data-requests/new", new("exports", "\r\n \r\n"), http.StatusBadRequest), "Enter 1 to 2,000")
	has(t, b.post("/data-requests/new", new("exports", strings.Repeat("x\n", 2001)), http.StatusBadRequest), "Enter 1 to 2,000")
	has(t, b.post("/data-requests/new", new("exports", "ann\n"+strings.Repeat("x", 300)), http.StatusBadRequest), "needs another look", "ann", "Line 2", "longer than")
	long := make([]string, 2000)
	for i := range long {
		long[i] = strings.Repeat("ü", 200) + string(rune('a'+i%26)) + day(i)
	}
	next := b.goes("/data-requests/new", new("exports", strings.Join(long, "\r\n")))
	rec := b.get(next, http.StatusOK)
	has(t, rec, "queued", "2,000", "Cancel")
	path, _, _ := strings.Cut(next, "?")
	list := b.get("/data-requests?status=queued", http.StatusOK)
	if one, all := rec.Header().Get("Refresh"), list.Header().Get("Refresh"); one != "3; url="+path || all != "15; url=/data-requests?status=queued" {
		t.Errorf("what is under way refreshes with %q, %q", one, all)
	}
	// One can stop it.
	for at, rec := range map[string]*httptest.ResponseRecorder{path: rec, "/data-requests?status=queued": list} {
		has(t, rec, "looks again every", "Stop looking again")
		off := at + map[bool]string{true: "&", false: "?"}[strings.Contains(at, "?")] + "refresh=no"
		has(t, rec, `href="`+template.HTMLEscapeString(strings.Replace(off, "status=queued&refresh=no", "refresh=no&status=queued", 1))+`"`)
		still := b.get(off, http.StatusOK)
		has(t, still, "Reload the page", `href="`+at+`"`, "Look again by itself")
		if still.Header().Get("Refresh") != "" {
			t.Error("it does not stop")
		}
	}
	has(t, b.get(b.goes(path, url.Values{"do": {"cancel"}}), http.StatusOK), "The request is cancelled", "cancelled")
	var state struct{ Status string }
	if o.ask("/v1"+strings.TrimPrefix(path, "/data-requests"), &state); state.Status != "cancelled" {
		t.Error(state)
	}
	has(t, b.get(path+"/download", http.StatusGone), "nothing to download")

	sure := b.post("/data-requests/new", new("deletions", "ann\r\nbob"), http.StatusOK)
	has(t, sure, "Delete 2 persons?", "Consent stays as it is", "ann\nbob", "Delete for good")
	yes := new("deletions", "ann\r\nbob")
	yes.Set("do", "sure")
	has(t, b.get(b.goes("/data-requests/new", yes), http.StatusOK), "Deletion", "queued", ">2<")

	// Another project's request is not there.
	other := newBureau(t)
	has(t, other.signIn(other.newKey(project.Admin)).get(path, http.StatusNotFound), "no such request")
}
