package erase_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localreceipt"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// world is a tenant with the functions that erase and that store.
type world struct {
	*local.Tenant
	t      testing.TB
	ps     *pubsub.Client
	bucket *storage.BucketHandle
	key    string // role privacy
	config erase.Config
	signer *receipt.Signer
	api    http.Handler
	worker http.Handler
	store  http.Handler
}

func newWorld(t testing.TB, slice time.Duration) *world {
	t.Helper()
	w := &world{Tenant: local.NewTenant(t, nil), t: t}
	w.ps = w.OpenPubSub(t)
	_, w.bucket = localstorage.OpenBucket(t, w.Tenant)
	w.key = w.newKey(w.Project, project.Privacy)
	w.signer = localreceipt.Open(t)
	w.config = erase.Config{Config: w.Config, PublicURL: "https://lethe.example", BackupDays: 30,
		Timeout: time.Minute, PublishTimeout: 30 * time.Second, Slice: slice, SweepIdle: time.Second}
	w.api = erase.New(w.config, w.Guard(t), w.Default, w.signer.Keys, request.Publishers{Tasks: queue.NewPublisher(w.ps, topology.TopicDeletions, 30*time.Second)})
	w.worker = erase.NewWorker(w.config, erase.Stores{Databases: w.Databases, PubSub: w.ps, Bucket: w.bucket}, w.signer)
	publisher := func(topic string) *queue.Publisher { return queue.NewPublisher(w.ps, topic, 30*time.Second) }
	w.store = store.New(w.Databases, publisher(topology.DeadTopic(topology.TopicEvents)), publisher(topology.TopicLinks))
	return w
}

// work erases until the test ends.
func (w *world) work() {
	w.Work(w.t, w.ps, topology.TopicDeletions, "delete-worker", w.worker)
}

func (w *world) newKey(p project.Project, role project.Role) string {
	w.t.Helper()
	key, err := project.NewKey(w.t.Context(), w.Default, p.ID, role)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// call makes a request that must be answered with a status; the answer is decoded
// unless into is nil.
func (w *world) call(method, path, body string, want int, into any) (text string) {
	w.t.Helper()
	rec := local.Call(w.t.Context(), w.api, method, path, w.key, body)
	if rec.Code != want {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, rec.Code, rec.Body, want)
	}
	if into != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			w.t.Fatalf("%s: %v", rec.Body, err)
		}
	}
	return rec.Body.String()
}

// ask asks for a deletion.
func (w *world) ask(body string) (d erase.Deletion) {
	w.t.Helper()
	w.call(http.MethodPost, "/v1/deletions", body, http.StatusAccepted, &d)
	return d
}

// until waits for a status.
func (w *world) until(id string, want request.Status) (d erase.Deletion) {
	w.t.Helper()
	local.Eventually(w.t, 2*time.Minute, func() error {
		d = erase.Deletion{}
		w.call(http.MethodGet, "/v1/deletions/"+id, "", http.StatusOK, &d)
		if d.Status == want {
			return nil
		}
		if d.Status.Final() {
			w.t.Fatalf("%+v, want %s", d, want)
		}
		return fmt.Errorf("%+v, want %s", d, want)
	})
	return d
}

// receipt reads and verifies a receipt.
func (w *world) receipt(id string) *receipt.Receipt {
	w.t.Helper()
	jws := w.call(http.MethodGet, "/v1/deletions/"+id+"/receipt", "", http.StatusOK, nil)
	r, err := receipt.Verify(jws, w.signer.Keys())
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) personKey(id string) person.Key { return person.MakeKey(w.Project.Secret, id) }

func (w *world) personRef(id string) *firestore.DocumentRef {
	return person.Ref(w.Default, w.Project.ID, w.personKey(id))
}

func (w *world) doc(id string) (d person.Doc) {
	w.t.Helper()
	snap, err := w.personRef(id).Get(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := snap.DataTo(&d); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// snapshot is every document of a person, as text.
func (w *world) snapshot(id string) string {
	w.t.Helper()
	var all strings.Builder
	snap, err := w.personRef(id).Get(w.t.Context())
	if err == nil {
		text, _ := json.Marshal(snap.Data())
		fmt.Fprintf(&all, "%s %v\n", text, snap.UpdateTime)
	}
	for _, name := range []string{chunk.Collection, profile.Collection, person.ConsentsCollection} {
		docs, err := w.personRef(id).Collection(name).OrderBy(firestore.DocumentID, firestore.Asc).Documents(w.t.Context()).GetAll()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range docs {
			text, _ := json.Marshal(d.Data())
			fmt.Fprintf(&all, "%s %s %v\n", filepath.Base(d.Ref.Path), text, d.UpdateTime)
		}
	}
	return all.String()
}

// link joins an identity to another, as the token says it of a device, at that time.
func (w *world) link(who, whose string, received time.Time) {
	w.t.Helper()
	w.connect(who, whose, identity.LinkDevice, person.Link{By: event.ByToken.String(), Event: "$identify", Received: received})
}

// linkByKey joins two users.
func (w *world) linkByKey(who, whose string, received time.Time) {
	w.t.Helper()
	w.connect(who, whose, identity.LinkUsers, person.Link{By: event.ByKey.String(), Actor: "key", Received: received})
}

// connect makes a link and does what that leaves.
func (w *world) connect(who, whose string, said identity.Said, l person.Link) {
	w.t.Helper()
	named := func(id string) person.Named { return person.Named{Key: w.personKey(id), DistinctID: id} }
	ctx := context.WithoutCancel(w.t.Context())
	done, err := person.Connect(ctx, w.Databases, w.Project.ID, person.Claim{Who: named(who), Whose: named(whose), Said: said, Link: l})
	if err == nil && done.Pending != "" {
		err = join.Settle(ctx, w.Databases, w.Project.ID, done.Pending, func() bool { return true })
	}
	if err != nil {
		w.t.Error(err)
	}
}

// texts are the events and operations that are stored of a person.
func (w *world) texts(id string) (all []string) {
	w.t.Helper()
	for _, name := range []string{chunk.Collection, profile.Collection} {
		docs, err := w.personRef(id).Collection(name).Documents(w.t.Context()).GetAll()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, d := range docs {
			data, _ := d.Data()["data"].([]byte)
			err := event.Unpack(data,
				func(e *event.Event) error { all = append(all, e.Name+" "+e.InsertID+" "+e.Properties); return nil },
				func(o *event.Op) error { all = append(all, o.Name+" "+o.Value); return nil })
			if err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return all
}

// ev makes an event that was received a minute ago; n makes it unique.
func ev(id, name string, n int, props string) event.Event {
	now := event.Now()
	return event.Event{Name: name, DistinctID: id, InsertID: fmt.Sprint("i", n), Time: now - 3_600_000, Received: now - 60_000, Properties: props}
}

func op(id string, seq int, name, value string) event.Op {
	return event.Op{DistinctID: id, Name: name, Value: value, Received: event.Now() - 60_000, Request: "sdk", Seq: seq}
}

func otherSigner(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
