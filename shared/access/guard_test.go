package access_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cloud.google.com/go/logging/apiv2/loggingpb"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
)

func TestEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	privacy := w.key(project.Privacy)
	rec := w.get("/v1/deletions/"+id+`?from=2026-01-01&distinct_id=ann&x=ann&where=properties["plan"]+==+"ann"+and+1+in+["ann"]`, privacy)
	if rec.Code != http.StatusAccepted || rec.Body.String() != "secret" || rec.Header().Get("X-Secret") != "yes" {
		t.Fatal(rec.Code, rec.Header(), rec.Body)
	}
	all := w.Access(t)
	if len(all) != 1 {
		t.Fatal(all)
	}
	e := all[0]
	e.ID, e.Time = "", e.Time.Truncate(0)
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ Time string }
	if err := json.Unmarshal(got, &at); err != nil {
		t.Fatal(err)
	}
	want := `{"id":"","project":"app","time":"` + at.Time + `","actor":"` + project.Hash(privacy) + `","actor_kind":"api_key","role":"privacy",` +
		`"action":"deletion.read","object":"` + id + `","persons":["A","B"],"person_count":2,"count":3,` +
		`"query":{"distinct_id":["?"],"from":["2026-01-01"],"where":["properties[\"plan\"] == ? and ? in ?"]},"request_id":"` + e.Request + `","status":202}`
	if string(got) != want || e.Request == "" {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	logged := entriesOf(w.logging.Entries())
	if len(logged) != 1 || logged[0].InsertId != all[0].ID || logged[0].GetJsonPayload().Fields["action"].GetStringValue() != "deletion.read" ||
		logged[0].Labels["project"] != "app" {
		t.Error(logged)
	}
}

// entriesOf leaves out what the client library says of itself.
func entriesOf(all []*loggingpb.LogEntry) (entries []*loggingpb.LogEntry) {
	for _, e := range all {
		if strings.HasSuffix(e.LogName, "/"+access.LogName) {
			entries = append(entries, e)
		}
	}
	return entries
}

// Whatever a known caller asks for is logged, what it was refused too; what an
// unknown one asks for is not.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers := []struct {
		err  error
		key  string
		path string
		code int
	}{
		{nil, "", id, http.StatusUnauthorized},
		{nil, "lethe_nobody", id, http.StatusUnauthorized},
		{nil, w.key(project.Reader), id + "?from=bob", http.StatusForbidden},
		{fault.New(fault.NotFound, "no"), w.Key, id, http.StatusNotFound},
		{fault.InField("from", "no"), w.Key, "ann?from=ann", http.StatusBadRequest},
		{errSome, w.Key, id, http.StatusInternalServerError},
	}
	for _, a := range answers {
		w.answer = func(ctx context.Context, c *access.Call, rw http.ResponseWriter, r *http.Request) error {
			if err := secret(ctx, c, rw, r); err != nil {
				return err
			}
			c.About(keys(100)...)
			return a.err
		}
		rec := w.get("/v1/deletions/"+a.path, a.key)
		local.Refused(t, rec, a.code)
		if strings.Contains(rec.Body.String(), "secret") || rec.Header().Get("X-Secret") != "" {
			t.Error(rec.Header(), rec.Body)
		}
	}
	entries := w.Access(t)
	if len(entries) != 4 {
		t.Fatal(entries)
	}
	for i, e := range entries {
		if want := answers[len(answers)-1-i]; e.Status != want.code || e.Actor != project.Hash(want.key) || e.Query != nil || len(e.Persons) > access.MaxPersons ||
			(e.Object == "") != strings.Contains(want.path, "ann") {
			t.Errorf("%+v", e)
		}
	}
	if last := entries[0]; last.PersonCount != 102 || len(last.Persons) != access.MaxPersons {
		t.Errorf("%+v", last)
	}
}

// Where the access cannot be logged in both places, nothing leaves.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	refused := func(w *world) {
		t.Helper()
		rec := w.get("/v1/deletions/"+id, w.Key)
		if p := local.Refused(t, rec, http.StatusServiceUnavailable); rec.Header().Get("X-Secret") != "" || strings.Contains(p.Detail, "secret") {
			t.Error(rec.Header(), p)
		}
	}
	t.Run("Cloud Logging", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.logging.Stop()
		refused(w)
		w.answer = func(ctx context.Context, c *access.Call, rw http.ResponseWriter, r *http.Request) error {
			if err := c.Release(ctx); err != nil {
				return err
			}
			return secret(ctx, c, rw, r)
		}
		refused(w)
	})
	t.Run("Firestore", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		secretly := w.answer
		w.answer = func(ctx context.Context, c *access.Call, rw http.ResponseWriter, r *http.Request) error {
			_ = w.Default.Close() // after the look at the key
			return secretly(ctx, c, rw, r)
		}
		refused(w)
	})
}

// An answer that is not held back is logged before its first byte, and cut off where
// it fails.
func TestRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fails := false
	w.answer = func(ctx context.Context, c *access.Call, rw http.ResponseWriter, _ *http.Request) error {
		c.Count(7)
		rw.Header().Set("X-Secret", "yes")
		if err := c.Release(ctx); err != nil {
			return err
		}
		if n := len(w.Access(t)); n == 0 {
			t.Error("not logged before it left")
		}
		_, err := rw.Write([]byte("secret"))
		if fails {
			return errSome
		}
		return err
	}
	server := httptest.NewServer(w.handler)
	defer server.Close()
	ask := func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/deletions/"+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.Key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		var b strings.Builder
		_, err = io.Copy(&b, resp.Body)
		return resp.Header.Get("X-Secret") + b.String(), err
	}
	if got, err := ask(); err != nil || got != "yessecret" {
		t.Error(got, err)
	}
	fails = true
	if got, err := ask(); err == nil {
		t.Errorf("taken for whole: %q", got)
	}
	// The client may have asked again by itself.
	if all := w.Access(t); len(all) < 2 || all[0].Count != 7 || all[0].Status != http.StatusOK {
		t.Errorf("%+v", all)
	}
}

// The table has each endpoint once.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range access.Endpoints {
		if name := e.Method + " " + e.Path; seen[name] {
			t.Error(name)
		} else {
			seen[name] = true
		}
		switch open := e.Auth == access.AuthToken || e.Auth == access.AuthPublic; {
		case open && (e.Role != "" || e.Action != ""), e.Auth == access.AuthKey && e.Role == "":
			t.Error(e)
		}
	}
}
