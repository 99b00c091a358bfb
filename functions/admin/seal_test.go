package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// checkSealed holds what is in the database against the newest checkpoint: each entry
// once, at a place of its own.
func (w *world) checkSealed(n int) {
	w.t.Helper()
	store := seal.Store{Bucket: w.bucket, Project: w.Project.ID}
	_, tree, err := store.Latest(w.t.Context(), w.key)
	if err != nil || tree.N != int64(n) {
		w.t.Fatalf("%d entries are sealed, want %d: %v", tree.N, n, err)
	}
	var indexes []int64
	for i := range tree.N {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	leaves, err := store.Reader(w.t.Context(), tree).ReadHashes(indexes)
	if err != nil {
		w.t.Fatal(err)
	}
	seen := map[int64]bool{}
	entries, err := w.Default.Collection("projects/" + w.Project.ID + "/" + access.Collection).Documents(w.t.Context()).GetAll()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		var d access.Doc
		if err := e.DataTo(&d); err != nil || !d.Sealed || seen[d.Index] || leaves[d.Index] != tlog.RecordHash(d.Leaf) {
			w.t.Fatalf("%s: %+v %v", e.Ref.ID, d, err)
		}
		seen[d.Index] = true
	}
	if len(seen) != n {
		w.t.Fatalf("%d entries, want %d", len(seen), n)
	}
}

// writeMany logs accesses, several at a time.
func (w *world) writeMany(n int) {
	w.t.Helper()
	var g errgroup.Group
	g.SetLimit(32)
	for range n {
		g.Go(func() error {
			return w.log.Write(w.t.Context(), &access.Entry{Project: w.Project.ID, Action: "person.read"})
		})
	}
	if err := g.Wait(); err != nil {
		w.t.Error(err)
	}
}

// fill stores entries as Log.Write does, many at a time.
func (w *world) fill(n int) {
	w.t.Helper()
	const some = 500
	var g errgroup.Group
	g.SetLimit(4)
	for from := 0; from < n; from += some {
		g.Go(func() error {
			return w.Default.RunTransaction(w.t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
				for i := from; i < min(from+some, n); i++ {
					e := access.Entry{ID: fmt.Sprintf("20260101T000000.%06dZ-0123456789abcdef", i), Project: w.Project.ID}
					leaf, err := e.Leaf()
					if err != nil {
						return err
					}
					if err := tx.Create(access.Ref(w.Default, w.Project.ID, e.ID), access.Doc{Leaf: leaf, ID: e.ID}); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// sealAll seals what there is, delivered again if it takes too long.
func (w *world) sealAll() {
	w.t.Helper()
	for end := time.Now().Add(5 * time.Minute); ; {
		code := w.Push(w.t.Context(), w.t, w.worker, []byte("{}"))
		if code == http.StatusNoContent {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("not sealed: %d", code)
		}
	}
}

// 10,000 entries, as they may come in a minute, are sealed without loss.
func TestMany(t *testing.T) {
	t.Parallel()
	w, n := newWorld(t), 10_000
	w.fill(n)
	w.sealAll()
	w.checkSealed(n)
}

// Entries are sealed without loss while they come, by several that do not know of one
// another and are cut off again and again.
func TestCutOff(t *testing.T) {
	t.Parallel()
	w, n := newWorld(t), 1000
	done := make(chan struct{})
	var sealing sync.WaitGroup
	cut := 0
	for i := range 2 {
		sealing.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-done:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+(round*37+i*11)%500)*time.Millisecond)
				if w.Push(ctx, t, w.worker, []byte("{}")) != http.StatusNoContent && i == 0 {
					cut++
				}
				cancel()
			}
		})
	}
	w.writeMany(n)
	close(done)
	sealing.Wait()
	w.sealAll() // what was cut off may still be under way in Firestore
	w.checkSealed(n)
	t.Logf("cut off or overtaken %d times", cut)
}

// A sealing that was cut off after its entries got their places is ended by the next run
// of the schedule, though there are no new entries; then nothing waits any more.
func TestCutOffBeforeCheckpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sealer := seal.New(w.Default, w.bucket, w.key)
	waiting := func() int {
		t.Helper()
		projects, err := sealer.Waiting(t.Context())
		if err != nil || len(projects) > 0 && !slices.Equal(projects, []string{w.Project.ID}) {
			t.Fatalf("%q wait, %v", projects, err)
		}
		return len(projects)
	}
	ids := w.write(access.Entry{}, access.Entry{})
	nowhere := w.Config
	nowhere.Bucket = "there-is-none"
	cutOff := w.stores
	var err error
	if cutOff.Bucket, err = objects.Open(t.Context(), nowhere); err != nil {
		t.Fatal(err)
	}
	if code := w.Push(t.Context(), t, admin.NewWorker(w.config, cutOff, w.ps), []byte("{}")); code == http.StatusNoContent {
		t.Fatal("sealed without a bucket")
	}
	for i, id := range ids {
		var d access.Doc
		if e, err := access.Ref(w.Default, w.Project.ID, id).Get(t.Context()); err != nil || e.DataTo(&d) != nil || !d.Sealed || d.Index != int64(i) {
			t.Fatalf("%s has no place: %+v %v", id, d, err)
		}
	}
	if waiting() != 1 {
		t.Error("what was cut off does not wait")
	}
	w.Work(t, w.ps, topology.TopicSeals, "admin-worker", w.worker)
	if _, err := w.ps.Publisher(topology.TopicSeals).Publish(t.Context(), message("{}")).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	local.Eventually(t, 2*time.Minute, func() error {
		if waiting() > 0 {
			return errors.New("what was cut off waits still")
		}
		return nil
	})
	w.checkSealed(len(ids))
}

// The message of the schedule reaches every project that has something to be sealed.
func TestSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	projects := []string{w.Project.ID}
	for i := range 3 {
		projects = append(projects, w.AddProject(t, fmt.Sprint("other", i)).ID)
	}
	for _, p := range projects[1:] {
		for range 3 {
			w.write(access.Entry{Project: p})
		}
	}
	w.Work(t, w.ps, topology.TopicSeals, "admin-worker", w.worker)
	publisher := w.ps.Publisher(topology.TopicSeals)
	if _, err := publisher.Publish(t.Context(), message("{}")).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, p := range projects {
		store := seal.Store{Bucket: w.bucket, Project: p}
		local.Eventually(t, 2*time.Minute, func() error {
			_, tree, err := store.Latest(t.Context(), w.key)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 && tree.N == 0 || tree.N == 3 {
				return nil
			}
			return fmt.Errorf("%s: %d entries are sealed", p, tree.N)
		})
	}
}

// The sealing goes on with a new key from what the one before has signed, and from nothing
// that another has.
func TestKeyRotated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(access.Entry{}, access.Entry{})
	w.seal()
	old, next := w.key.Public, local.LogKey(t)
	w.key, w.stores.Key = next, next
	w.worker = admin.NewWorker(w.config, w.stores, w.ps)
	w.api = admin.New(w.config, access.NewGuard(w.Default, w.log), w.stores)
	w.write(access.Entry{})
	if code := w.Push(t.Context(), t, w.worker, []byte("{}")); code == http.StatusNoContent {
		t.Error("went on from what a key signed that is none of ours")
	}
	told := func() (key string) {
		t.Helper()
		var c admin.Checkpoint
		if err := json.Unmarshal(w.get("/v1/access-log/checkpoint", http.StatusOK), &c); err != nil {
			t.Fatal(err)
		}
		if _, err := note.NewVerifier(c.Key); err != nil {
			t.Fatal(err)
		}
		return c.Key
	}
	if err := next.After([]string{local.LogKey(t).Public, old}); err != nil {
		t.Fatal(err)
	}
	if told() != old {
		t.Error("the key that is told has not signed the checkpoint")
	}
	w.seal()
	w.checkSealed(3)
	if told() != next.Public {
		t.Error("the new key has not signed")
	}
	if next.After([]string{"lethe"}) == nil {
		t.Error("took what is no key")
	}
}

// Without its newest checkpoint the sealing does not go on: what was sealed must not be
// sealed anew.
func TestCheckpointGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(access.Entry{}, access.Entry{})
	w.seal()
	w.checkSealed(2)
	newest, err := w.bucket.Objects(t.Context(), &storage.Query{Prefix: "access-log/" + w.Project.ID + "/checkpoints/"}).Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.bucket.Object(newest.Name).Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.write(access.Entry{})
	if code := w.Push(t.Context(), t, w.worker, []byte("{}")); code == http.StatusNoContent {
		t.Error("went on without its checkpoint")
	}
}

// Where what was sealed is not what is to be sealed in its place, the sealing does not go
// on: the entry would be taken for one that is sealed.
func TestOtherIsSealed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world) error{
		"position lost": func(w *world) error {
			_, err := w.Default.Doc("projects/" + w.Project.ID + "/sealing/tree").Delete(w.t.Context())
			return err
		},
		"another tile": func(w *world) error {
			o := w.bucket.Object("access-log/" + w.Project.ID + "/tile/8/0/000.p/3").NewWriter(w.t.Context())
			o.ChunkSize = 0 // or it makes a buffer of 16 MiB
			_, err := o.Write(make([]byte, 3*tlog.HashSize))
			return errors.Join(err, o.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(access.Entry{}, access.Entry{})
			w.seal()
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			w.write(access.Entry{})
			if code := w.Push(t.Context(), t, w.worker, []byte(`{}`)); code == http.StatusNoContent {
				t.Error("went on")
			}
		})
	}
}

// Who is erased leaves the log as it is: it never knew more than a keyed hash.
func TestNothingPersonal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get("/v1/access-log?distinct_id=ann-the-person", http.StatusOK)
	w.seal()
	for rec, err := range access.List(t.Context(), w.Default, w.Project.ID, access.Filter{}) {
		if err != nil || strings.Contains(string(rec.Leaf), "ann") {
			t.Errorf("%s %v", rec.Leaf, err)
		}
		var e access.Entry
		if err := json.Unmarshal(rec.Leaf, &e); err != nil || e.Role != project.Admin || e.PersonCount != 1 || e.Persons[0] != w.person("ann-the-person") {
			t.Errorf("%s %v", rec.Leaf, err)
		}
	}
}
