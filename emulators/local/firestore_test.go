package local

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/topology"
)

var databases = []string{topology.DefaultDatabase, topology.EdgeDatabase}

// TestFirestoreRestart writes without pause while the emulator is restarted: what
// was acknowledged is there afterwards, in both databases.
func TestFirestoreRestart(t *testing.T) {
	t.Parallel()
	f := OwnFirestore(t)
	project := Project(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	type written struct {
		client *firestore.Client
		n      int
	}
	var all []*written
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for _, db := range databases {
		w := &written{client: f.Open(t, project, db)}
		all = append(all, w)
		writers.Go(func() {
			for {
				doc := w.client.Doc(fmt.Sprintf("a/x/b/%d", w.n))
				// Set again is the same document: a client may retry.
				if _, err := doc.Set(ctx, map[string]any{"n": w.n, "bytes": make([]byte, 50_000)}); err != nil {
					if ctx.Err() != nil {
						t.Error(err)
						return
					}
				} else {
					w.n++
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	Eventually(t, time.Minute, func() error {
		docs, err := all[1].client.Collection("a/x/b").Limit(20).Documents(ctx).GetAll()
		if err == nil && len(docs) < 20 {
			err = fmt.Errorf("%d documents written", len(docs))
		}
		return err
	})
	for range 2 {
		before := f.Pid()
		if err := f.Restart(ctx, project); err != nil {
			t.Fatal(err)
		}
		if f.Pid() == before {
			t.Error("the process is the same")
		}
	}
	close(stop)
	writers.Wait()
	for i, w := range all {
		docs, err := w.client.Collection("a/x/b").Documents(ctx).GetAll()
		if err != nil || len(docs) < w.n {
			t.Errorf("%s: %d documents (%v), but %d were acknowledged", databases[i], len(docs), err, w.n)
		}
	}
	select {
	case err := <-f.Failed():
		t.Errorf("a restart was told as a failure: %v", err)
	default:
	}
}

// TestFirestoreSave keeps two databases of two projects, one of them empty. An emulator
// loads them, and is killed in the end, which is told.
func TestFirestoreSave(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), TestReaper(t)
	one, two := Project(t), Project(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	NeedFirestore(t)
	shared := os.Getenv("FIRESTORE_EMULATOR_HOST")
	first := &Firestore{Host: shared, addr: shared}
	if err := first.Restart(ctx, one); err == nil || !strings.Contains(err.Error(), "Restartable") {
		t.Errorf("restart without a gate: got %v", err)
	}
	if Saved(dir) {
		t.Error("an empty directory counts as saved")
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC)
	for _, c := range []*firestore.Client{
		first.Open(t, one, databases[1]), first.Open(t, two, databases[0]), first.Open(t, two, databases[1]),
	} {
		if _, err := c.Doc("c/d").Set(ctx, map[string]any{"at": at, "b": []byte{0, 255}, "m": map[string]any{"$x.y": 1.5}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second replaces the first
		if err := first.Save(ctx, dir+"/kept", one, two); err != nil {
			t.Fatal(err)
		}
	}
	second, err := StartFirestore(ctx, r, FirestoreOptions{Load: dir + "/kept"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Stop)
	for _, project := range []string{one, two} {
		for _, db := range databases {
			docs, err := second.Open(t, project, db).Collection("c").Documents(ctx).GetAll()
			if project == one && db == topology.DefaultDatabase {
				if err != nil || len(docs) != 0 {
					t.Errorf("the empty database has %d documents (%v)", len(docs), err)
				}
				continue
			}
			if err != nil || len(docs) != 1 || !docs[0].Data()["at"].(time.Time).Equal(at) ||
				fmt.Sprint(docs[0].Data()["m"]) != "map[$x.y:1.5]" || fmt.Sprint(docs[0].Data()["b"]) != "[0 255]" {
				t.Errorf("%s of %s: %v (%v)", db, project, docs, err)
			}
		}
	}
	second.proc.Kill()
	select {
	case err := <-second.Failed():
		if !strings.Contains(err.Error(), "signal: killed") {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("nobody was told that the emulator ended")
	}
}
