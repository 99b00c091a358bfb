package admin_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// ids asks for a list and gives the ids on its pages.
func (w *world) ids(query string) (ids []string) {
	w.t.Helper()
	for cursor := ""; ; {
		var page admin.AccessLog
		if err := json.Unmarshal(w.get("/v1/access-log?"+query+"&cursor="+cursor, http.StatusOK), &page); err != nil {
			w.t.Fatal(err)
		}
		for _, raw := range page.Entries {
			var line struct{ Entry access.Entry }
			if err := json.Unmarshal(raw, &line); err != nil {
				w.t.Fatal(err)
			}
			ids = append(ids, line.Entry.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.AddProject(t, "other")
	ids := w.write(
		access.Entry{Actor: "a", Action: "person.read", Persons: []person.Key{w.person("ann")}},
		access.Entry{Actor: "b", ActorKind: access.ByStaff, Action: "person.read", Persons: []person.Key{w.person("bob"), w.person("ann")}, Grant: "g"},
		access.Entry{Actor: "a", Action: "export.create"},
		access.Entry{Project: other.ID, Actor: "a", Action: "person.read"},
	)
	today := time.Now().UTC()
	day := func(n int) string { return today.AddDate(0, 0, n).Format(time.DateOnly) }
	for query, want := range map[string][]int{
		"actor=a":                                          {2, 0},
		"actor=a&action=person.read":                       {0},
		"distinct_id=ann&action=person.read":               {1, 0},
		"distinct_id=ann&actor=b":                          {1},
		"distinct_id=ann&action=person.read&limit=1":       {1, 0},
		"action=export.create":                             {2},
		"actor=b&from=" + day(-1):                          {1},
		"actor=b&to=" + day(1):                             {1},
		"actor=b&from=" + day(2):                           nil,
		"actor=b&to=" + day(-2):                            nil,
		"action=person.read&from=1970-01-01&to=9999-12-31": {1, 0},
	} {
		var wanted []string
		for _, i := range want {
			wanted = append(wanted, ids[i])
		}
		if got := w.ids(query); !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", query, got, wanted)
		}
	}
	// Reading the log is in the log, with what was asked about, but not in words.
	last := w.Access(t)[0]
	if last.Action != "accesslog.read" || strings.Contains(fmt.Sprint(w.Access(t)), "ann") {
		t.Errorf("%+v", last)
	}
	for _, bad := range []string{"cursor=x", "from=today", "limit=0", "format=xml", "what=1", "actor=a&actor=b", "actor=ann@x.io", "action=person+read"} {
		w.get("/v1/access-log?"+bad, http.StatusBadRequest)
	}
	local.Refused(t, local.Call(t.Context(), w.api, http.MethodGet, "/v1/access-log", w.newKey(project.Privacy), ""), http.StatusForbidden)
}

// All of a log, of more entries than are read at a time.
func TestStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 501
	for i := range n {
		e := access.Entry{ID: fmt.Sprintf("20260101T000000.%06dZ-0123456789abcdef", i), Project: w.Project.ID, Actor: "a"}
		leaf, err := e.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := access.Ref(w.Default, w.Project.ID, e.ID).Set(t.Context(), access.Doc{Leaf: leaf, ID: e.ID, Actor: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	w.seal()
	lines := strings.Split(strings.TrimSpace(string(w.get("/v1/access-log?actor=a&format=ndjson", http.StatusOK))), "\n")
	if len(lines) != n {
		t.Fatal(len(lines))
	}
	for i, text := range lines {
		var line access.Line
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Index == nil || *line.Index != int64(n-1-i) || line.Altered {
			t.Fatal(text, err)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(string(w.get("/v1/access-log?actor=a&format=csv", http.StatusOK)))).ReadAll()
	if err != nil || len(rows) != 1+n || rows[0][1] != "id" || rows[n][1] != "20260101T000000.000000Z-0123456789abcdef" || rows[n][0] != "0" {
		t.Error(len(rows), err)
	}
}

// TestAccessLogInSpreadsheet shows that no cell of the CSV is a formula: who calls
// chooses some of its texts.
func TestAccessLogInSpreadsheet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const actor = "=1+1@example.com"
	e := access.Entry{ID: "20260101T000000.000000Z-0123456789abcdef", Project: w.Project.ID, Actor: actor, Object: "@x;-y", Query: url.Values{"where": {"a;=1"}}}
	leaf, err := e.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := access.Ref(w.Default, w.Project.ID, e.ID).Set(t.Context(), access.Doc{Leaf: leaf, ID: e.ID, Actor: actor}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(w.get("/v1/access-log?format=csv", http.StatusOK))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := rows[len(rows)-1] // the newest is first
	for column, want := range map[string]string{"actor": "'" + actor, "object": "'@x;'-y", "query": `{"where":["a;\u003d1"]}`} {
		if got := last[slices.Index(rows[0], column)]; got != want {
			t.Errorf("%s: got %s, want %s", column, got, want)
		}
	}
}

func hashes(t *testing.T, texts []string) (list []tlog.Hash) {
	t.Helper()
	for _, text := range texts {
		h, err := tlog.ParseHash(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	return list
}

// The proofs hold by the arithmetic of RFC 6962.
func TestProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("/v1/access-log/checkpoint", http.StatusNotFound)
	var ids []string
	var trees []tlog.Tree
	for range 3 {
		for i := range 5 {
			ids = append(ids, w.write(access.Entry{Object: fmt.Sprint(i)})...)
		}
		if i := len(ids); i > 5 {
			w.get("/v1/access-log/proof?entry="+ids[i-1], http.StatusConflict)
		}
		w.seal()
		var c admin.Checkpoint
		if err := json.Unmarshal(w.get("/v1/access-log/checkpoint", http.StatusOK), &c); err != nil {
			t.Fatal(err)
		}
		tree, err := merkle.Open([]byte(c.Checkpoint), w.Project.ID, w.key.Verifier)
		if err != nil || tree.N != int64(len(ids)) || c.Key != w.key.Public {
			t.Fatal(tree, err)
		}
		if _, err := merkle.Open([]byte(c.Checkpoint), "other", w.key.Verifier); err == nil {
			t.Error("another project's")
		}
		trees = append(trees, tree)
	}
	last := trees[2]
	for i, id := range ids {
		var p admin.Proof
		if err := json.Unmarshal(w.get("/v1/access-log/proof?entry="+id, http.StatusOK), &p); err != nil {
			t.Fatal(err)
		}
		rec, err := access.Get(t.Context(), w.Default, w.Project.ID, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(hashes(t, p.Hashes), last.N, last.Hash, p.Index, tlog.RecordHash(rec.Leaf)); err != nil || p.Index != int64(i) || p.Size != last.N {
			t.Error(p, err)
		}
	}
	for i, from := range trees {
		for _, to := range trees[i:] {
			var c admin.Consistency
			if err := json.Unmarshal(w.get(fmt.Sprintf("/v1/access-log/consistency?from=%d&to=%d", from.N, to.N), http.StatusOK), &c); err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(hashes(t, c.Hashes), to.N, to.Hash, from.N, from.Hash); err != nil {
				t.Error(from, to, err)
			}
		}
	}
	for path, code := range map[string]int{
		"consistency?from=1&to=16": 400, "consistency?from=2&to=1": 400, "consistency?from=1": 400, "proof": 400,
		"proof?entry=x": 404, "proof?entry=20260101T000000.000000Z-0123456789abcdef": 404,
		"tile/8/0/000.p/15": 200, "tile/8/0/000": 404, "tile/8/0/001": 404, "tile/9/0/000": 404, "tile/8/data/000": 404, "tile/x": 404,
	} {
		w.get("/v1/access-log/"+path, code)
	}
}
