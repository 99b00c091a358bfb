package dashboard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/project"
)

func (o *bureau) seal() {
	o.t.Helper()
	if err := seal.New(o.Default, o.bucket, o.key).Seal(o.t.Context(), o.Project.ID); err != nil {
		o.t.Fatal(err)
	}
}

// The log is listed with what its seal says of each entry: not sealed yet, verified, and
// BAD once somebody has altered it.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	o.happened("Paid", 1, `{}`, "ann")
	b := o.signIn(o.newKey(project.Admin))
	b.get(b.find("ann"), http.StatusOK)
	rec := b.get("/access-log", http.StatusOK)
	labelled(t, rec)
	has(t, rec, "person.read", "… not sealed yet", "Nothing is sealed yet")
	lacks(t, rec, "✓ verified", "✗ BAD")
	o.seal()
	rec = b.get("/access-log", http.StatusOK)
	has(t, rec, "accesslog.read", "✓ verified", "person.read", "✓ verified", "signature is good", "Root", "go run ./scripts/verify-access-log", "lethe-access-log&#43;")
	lacks(t, rec, "✗ BAD: at least", "? not checked")

	// What is about one person; the URL does not say whom.
	to := b.goes("/access-log", url.Values{"do": {"filter"}, "action": {"person.read"}, "distinct_id": {"ann"}})
	if strings.Contains(to, "ann") {
		t.Fatal(to)
	}
	has(t, b.get(to, http.StatusOK), `value="ann"`, "person.read", "✓ verified")
	if got := b.records(to + "&format=csv&table=access-log"); len(got) != 2 || got[1][1] != "person.read" || got[1][8] != "✓ verified" {
		t.Error(got)
	}
	if got := b.records(strings.Replace(to, "/access-log", "/access-log/file", 1)); len(got) != 2 || got[1][6] != "person.read" {
		t.Error(got)
	}
	has(t, b.get(b.goes("/access-log", url.Values{"distinct_id": {"bob"}}), http.StatusOK), "No entry fits")
	has(t, b.get("/access-log?from=x", http.StatusBadRequest), `aria-invalid="true"`, "must be a date")

	// An administrator of the database writes another action into an entry.
	docs, err := o.Default.Collection("projects/"+o.Project.ID+"/"+access.Collection).Where("action", "==", "person.read").Documents(t.Context()).GetAll()
	if err != nil || len(docs) == 0 {
		t.Fatal(err)
	}
	leaf, _ := docs[0].Data()["leaf"].([]byte)
	if _, err := docs[0].Ref.Update(t.Context(), []firestore.Update{{Path: "leaf", Value: []byte(strings.Replace(string(leaf), `"status":200`, `"status":404`, 1))}}); err != nil {
		t.Fatal(err)
	}
	has(t, b.get("/access-log", http.StatusOK), "person.read", "✗ BAD", "✗ BAD: at least one entry")
}

// The dashboard does not believe the API: a checkpoint that was not signed so, a proof that
// leads elsewhere and an entry that is not the one sealed are BAD.
func TestAccessLogLies(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	key := o.newKey(project.Admin)
	o.signIn(key).get("/settings/contacts", http.StatusOK)
	o.seal()
	for path, lie := range map[string]func(map[string]any){
		"/v1/access-log/checkpoint": func(a map[string]any) {
			a["checkpoint"] = strings.Replace(a["checkpoint"].(string), "\n", "x\n", 1)
		},
		"/v1/access-log/proof": func(a map[string]any) { a["index"] = a["index"].(float64) + 1 },
		"/v1/access-log": func(a map[string]any) {
			for _, e := range a["entries"].([]any) {
				e.(map[string]any)["entry"].(map[string]any)["actor"] = "somebody"
			}
		},
	} {
		liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				o.api.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			o.api.ServeHTTP(rec, r)
			var a map[string]any
			if json.Unmarshal(rec.Body.Bytes(), &a) == nil && rec.Code == http.StatusOK {
				lie(a)
			}
			w.WriteHeader(rec.Code)
			_ = json.NewEncoder(w).Encode(a)
		}))
		t.Cleanup(liar.Close)
		deceived := *o.world
		deceived.dashboard = o.newDashboard(liar.URL)
		rec := deceived.signIn(key).get("/access-log?action=contacts.read", http.StatusOK)
		if body := rec.Body.String(); !strings.Contains(body, "<td>✗ BAD</td>") || strings.Contains(body, "<td>✓ verified</td>") || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// What was sealed between the checkpoint and the proofs must begin with the checkpoint's tree.
func TestAccessLogGrows(t *testing.T) {
	t.Parallel()
	o := newBureau(t)
	key := o.newKey(project.Admin)
	o.signIn(key).get("/settings/contacts", http.StatusOK)
	o.seal()
	for path, want := range map[string]string{"": "<td>✓ verified</td>", "/v1/access-log/consistency": "<td>✗ BAD</td>"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				_, _ = w.Write([]byte(`{"hashes":[]}`))
				return
			}
			o.api.ServeHTTP(w, r)
			if r.URL.Path == "/v1/access-log/checkpoint" {
				o.seal()
			}
		}))
		t.Cleanup(server.Close)
		grown := *o.world
		grown.dashboard = o.newDashboard(server.URL)
		has(t, grown.signIn(key).get("/access-log?action=contacts.read", http.StatusOK), want)
	}
	if rec := local.Call(t.Context(), o.api, http.MethodGet, "/v1/access-log/checkpoint", o.Key, ""); rec.Code != http.StatusOK {
		t.Error(rec.Code)
	}
}
