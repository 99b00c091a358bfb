package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// world is a tenant with a sealed log and the API that tells it.
type world struct {
	*local.Tenant
	t      *testing.T
	log    *access.Log
	sealer *seal.Sealer
	bucket *storage.BucketHandle
	url    string

	before []*firestore.DocumentSnapshot // entries that set and remove have changed
}

func newWorld(t *testing.T) *world { return newWorldOf(t, local.LogKey(t)) }

func newWorldOf(t *testing.T, key *merkle.Key) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	_, w.bucket = localstorage.OpenBucket(t, w.Tenant)
	guard := w.Guard(t)
	w.log = w.OpenLog(t)
	w.sealer = seal.New(w.Default, w.bucket, key)
	server := httptest.NewServer(admin.New(admin.Config{Timeout: time.Minute}, guard, admin.Stores{DB: w.Default, Bucket: w.bucket, Key: key}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// write logs some accesses and gives their ids.
func (w *world) write(n int) (ids []string) {
	w.t.Helper()
	ids = make([]string, n)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			e := access.Entry{Project: w.Project.ID, Actor: "a", ActorKind: access.ByKey, Role: project.Reader, Action: "person.read",
				Object: fmt.Sprint(i), Persons: []person.Key{"K"}, PersonCount: 1, Status: 200}
			err := w.log.Write(w.t.Context(), &e)
			ids[i] = e.ID
			return err
		})
	}
	if err := g.Wait(); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

func (w *world) seal() {
	w.t.Helper()
	if err := w.sealer.Seal(w.t.Context(), w.Project.ID); err != nil {
		w.t.Fatal(err)
	}
}

// verify runs the program.
func (w *world) verify(dir string) (whole bool, said string) {
	w.t.Helper()
	var out strings.Builder
	whole, err := run(w.t.Context(), options{url: w.url, dir: dir, apiKey: w.Key, pause: time.Millisecond}, &out)
	if err != nil {
		w.t.Fatal(err, out.String())
	}
	return whole, out.String()
}

func (w *world) ref(id string) *firestore.DocumentRef {
	return access.Ref(w.Default, w.Project.ID, id)
}

func (w *world) doc(id string) (d access.Doc) {
	w.t.Helper()
	snap, err := w.ref(id).Get(w.t.Context())
	if err == nil {
		err = snap.DataTo(&d)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) set(id string, data any) {
	w.t.Helper()
	w.remember(id)
	if _, err := w.ref(id).Set(w.t.Context(), data); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(id string) {
	w.t.Helper()
	w.remember(id)
	if _, err := w.ref(id).Delete(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// remember keeps an entry as it is, for undo.
func (w *world) remember(id string) {
	w.t.Helper()
	snap, err := w.ref(id).Get(w.t.Context())
	if err != nil && status.Code(err) != codes.NotFound {
		w.t.Fatal(err)
	}
	w.before = append(w.before, snap)
}

// undo makes all entries what they were.
func (w *world) undo() {
	w.t.Helper()
	for _, snap := range slices.Backward(w.before) {
		if snap.Exists() {
			w.set(snap.Ref.ID, snap.Data())
		} else {
			w.remove(snap.Ref.ID)
		}
	}
	w.before = nil
}

// What is done to an entry in the database is found, and the first such entry named;
// once it is undone, the log is whole again.
func TestTampering(t *testing.T) {
	t.Parallel()
	const n = 300 // more than a tile
	w := newWorld(t)
	ids := w.write(n)
	w.seal()
	whole := func(when string) {
		t.Helper()
		if whole, said := w.verify(""); !whole {
			t.Fatalf("%s: %s", when, said)
		}
	}
	whole("at first")
	for name, c := range map[string]struct {
		tamper func()
		want   string // in what the program says first
	}{
		"altered": {func() {
			d := w.doc(ids[7])
			d.Leaf = []byte(strings.Replace(string(d.Leaf), "person.read", "person.REAd", 1))
			d.Action = "person.REAd"
			w.set(ids[7], d)
		}, "altered: entry " + ids[7]},
		"hidden from a filter": {func() {
			d := w.doc(ids[260])
			d.Persons = nil
			w.set(ids[260], d)
		}, "altered: entry " + ids[260]},
		"unreadable": {func() {
			w.set(ids[3], map[string]any{"leaf": 7, "sealed": true, "index": 3, "id": ids[3]})
		}, "removed: the entry of place 3"},
		"removed": {func() {
			w.remove(ids[256])
		}, "removed: the entry of place 256, after entry " + ids[255]},
		"last removed": {func() {
			w.remove(ids[n-1])
		}, "removed: the entry of place 299, after entry " + ids[n-2]},
		"inserted beside another": {func() {
			d := w.doc(ids[5])
			id := ids[5][:len(ids[5])-4] + "0000"
			d.Leaf, d.ID = []byte(strings.Replace(string(d.Leaf), ids[5], id, 1)), id
			w.set(id, d)
		}, "inserted: entry " + ids[5][:len(ids[5])-4] + "0000 at place 5"},
		"inserted at the end": {func() {
			d := w.doc(ids[5])
			d.Index = n
			id := "20990101T000000.000000Z-0123456789abcdef"
			d.Leaf, d.ID = []byte(strings.Replace(string(d.Leaf), ids[5], id, 1)), id
			w.set(id, d)
		}, "inserted: entry 20990101T000000.000000Z-0123456789abcdef says place 300"},
		"inserted as if never sealed": {func() {
			id := "20200101T000000.000000Z-0123456789abcdef"
			e := access.Entry{ID: id, Project: w.Project.ID, Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
			leaf, err := e.Leaf()
			if err != nil {
				w.t.Fatal(err)
			}
			w.set(id, access.Doc{Leaf: leaf, ID: id})
		}, "inserted: entry 20200101T000000.000000Z-0123456789abcdef is not sealed"},
		"reordered": {func() {
			a, b := w.doc(ids[10]), w.doc(ids[20])
			a.Index, b.Index = b.Index, a.Index
			w.set(ids[10], a)
			w.set(ids[20], b)
		}, "reordered: entry " + ids[20] + " of place 20 stands at place 10"},
		"marked as not sealed": {func() {
			d := w.doc(ids[4])
			d.Sealed = false
			w.set(ids[4], d)
		}, "reordered: the entry of place 4 is " + ids[4]},
	} {
		c.tamper()
		found, said := w.verify("")
		_, first, _ := strings.Cut(said, "BAD: ")
		if found || !strings.HasPrefix(first, c.want) {
			t.Errorf("%s: want %q, said %s", name, c.want, said)
		}
		w.undo()
		whole("after " + name)
	}
}

// A log that grows is held against the checkpoint of the last time, a log that was
// written anew is found out, and what was downloaded can be checked again alone.
func TestAgain(t *testing.T) {
	t.Parallel()
	key, dir := local.LogKey(t), t.TempDir()
	w := newWorldOf(t, key)
	for range 4 { // the verification logs its own readings
		w.write(100)
		w.seal()
		if whole, said := w.verify(dir); !whole {
			t.Fatal(said)
		}
	}
	var out strings.Builder
	if whole, err := run(t.Context(), options{dir: dir}, &out); err != nil || !whole {
		t.Fatal(err, out.String())
	}
	for _, name := range []string{"tile/8/0/000", checkpointFile} {
		old, err := os.ReadFile(directory(dir).path(name))
		if err != nil {
			t.Fatal(err)
		}
		bad := []byte(string(old))
		bad[40] ^= 1
		for _, b := range [][]byte{bad, old} {
			if err := directory(dir).write(name, b); err != nil {
				t.Fatal(err)
			}
			if whole, err := run(t.Context(), options{dir: dir}, &out); err != nil || whole != (b[40] == old[40]) {
				t.Error(name, whole, err, out.String())
			}
		}
	}
	// All of it, and its tree, made anew.
	other := newWorldOf(t, key)
	other.write(500)
	other.seal()
	w.url, w.Key = other.url, other.Key
	if whole, said := w.verify(dir); whole || !strings.Contains(said, "written anew") && !strings.Contains(said, "signed root") {
		t.Error(said)
	}
}

// With another key nothing is believed.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(1)
	w.seal()
	dir := t.TempDir()
	if whole, said := w.verify(dir); !whole {
		t.Fatal(said)
	}
	var out strings.Builder
	whole, err := run(t.Context(), options{dir: dir, key: local.LogKey(t).Public}, &out)
	if err != nil || whole {
		t.Error(whole, err, out.String())
	}
}
