package erase_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/go-jose/go-jose/v4"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// park puts a message into the dead letters.
func (w *world) park(data []byte) {
	w.t.Helper()
	_, err := w.ps.TopicAdminClient.Publish(w.t.Context(), &pubsubpb.PublishRequest{
		Topic: local.TopicName(w.Config.Project, topology.DeadTopic(topology.TopicEvents)),
		Messages: []*pubsubpb.PubsubMessage{{Data: data, Attributes: map[string]string{
			queue.AttrProject: w.Project.ID, queue.AttrReason: "a test"}}}})
	if err != nil {
		w.t.Fatal(err)
	}
}

// parked are the persons of what is in the dead letters, until so many messages
// have come.
func (w *world) parked(n int) (ids []string) {
	w.t.Helper()
	for n > 0 {
		for _, m := range w.Pull(w.t, w.ps, topology.DeadTopic(topology.TopicEvents), 100) {
			n--
			if event.Unpack(m.Data, func(e *event.Event) error { ids = append(ids, e.DistinctID); return nil }, nil) != nil {
				ids = append(ids, "unreadable")
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// export puts a finished export of some persons there, with an archive.
func (w *world) export(ids ...string) *request.Request {
	w.t.Helper()
	return w.exportAgain("", ids...)
}

// exportAgain is export with an Idempotency-Key.
func (w *world) exportAgain(key string, ids ...string) *request.Request {
	w.t.Helper()
	r, err := request.Create(w.t.Context(), w.Default, w.Project,
		request.New{Kind: request.Export, IDs: ids, Params: map[string]string{"format": "json"}, IdempotencyKey: key})
	if err != nil {
		w.t.Fatal(err)
	}
	out := w.bucket.Object(objects.ArchivePrefix(w.Project.ID, r.ID) + "archive.zip").NewWriter(w.t.Context())
	out.ChunkSize = 0 // or it makes a buffer of 16 MiB
	if _, err := out.Write([]byte("SECRET")); err != nil {
		w.t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// An erasure reaches all places, and nobody else; what comes later is kept, what
// comes again is not; the receipt says so.
func TestErase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	ids := []string{"ann", "a/b c", "😀", strings.Repeat("x", 255)}
	for i, id := range append(ids, "bob", "bobby") {
		w.Deliver(t, w.store, []event.Event{ev(id, "Seen", i, `{"email":"SECRET"}`), ev(id, "Left", 10+i, `{}`)}, op(id, 0, "$set", `{"email":"SECRET"}`))
		if _, _, err := person.SetConsent(t.Context(), w.Databases, w.Project.ID, w.personKey(id), person.Consent{State: consent.Granted, Source: "form", At: time.Now().Add(-time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	w.Deliver(t, w.store, []event.Event{ev("ann", "$identify", 89, `{"$anon_distinct_id":"$device:ann"}`), ev("$device:ann", "Seen", 90, `{"email":"SECRET"}`)})
	w.link("$device:ann", "ann", time.Now().Add(-time.Minute))
	archive, others := w.export("ann", "bob"), w.export("bobby")
	w.park(local.Payload([]event.Event{ev("ann", "Seen", 91, `{}`), ev("bob", "Seen", 92, `{}`)}))
	w.park(local.Payload([]event.Event{ev("$device:ann", "Seen", 93, `{}`)}))
	w.park([]byte("nobody can read this"))
	before := w.snapshot("bob") + w.snapshot("bobby")

	w.work()
	asked := w.ask(`{"distinct_ids":["ann","a/b c","😀","` + ids[3] + `","nobody"]}`)
	done := w.until(asked.ID, request.Done)
	r := w.receipt(asked.ID)
	s := r.Stores
	if s != *done.Stores || s.Events.Deleted != 10 || s.Profiles.Deleted != 5 || s.Operations.Deleted != 4 || s.Consents.Deleted != 4 ||
		s.Archives.Deleted != 1 || s.DeadLetters.Deleted != 2 || s.Unreadable != 1 || s.Events.Remaining != 0 {
		t.Errorf("%+v\n%+v", s, done.Stores)
	}
	if r.Request != asked.ID || r.Project != "app" || r.Kind != receipt.KindPersons || len(r.Subjects) != 5 || !r.BackupsExpireAt.After(time.Now().AddDate(0, 0, 29)) {
		t.Errorf("%+v", r)
	}
	for _, subject := range r.Subjects {
		want := 0
		if subject.Identity == w.personKey("ann") {
			want = 1
			if i := subject.Identities; len(i) != 1 || i[0].Identity != w.personKey("$device:ann") || i[0].Link == nil || i[0].Link.By != "token" || i[0].Link.Event != "$identify" {
				t.Errorf("%+v", subject)
			}
		}
		if len(subject.Identities) != want || subject.Scope != receipt.ScopePerson || subject.Person != subject.Identity {
			t.Errorf("%+v", subject)
		}
	}
	for _, id := range append(ids, "$device:ann", "nobody") {
		if all := w.texts(id); len(all) > 0 {
			t.Errorf("%s: %v", id, all)
		}
		if d := w.doc(id); d.DistinctID != "" || d.Profile != "" || d.Consent.State != "" || d.ErasedAt.IsZero() || d.Link != nil {
			t.Errorf("%s: %+v", id, d)
		}
		if snap, err := person.OptOutRef(w.Edge, w.Project.ID, w.personKey(id)).Get(t.Context()); err == nil {
			t.Errorf("%s: edge has %v", id, snap.Data())
		}
	}
	if after := w.snapshot("bob") + w.snapshot("bobby"); after != before {
		t.Errorf("others have changed:\n%s\n%s", before, after)
	}
	if got := w.parked(2); !slices.Equal(got, []string{"bob", "unreadable"}) {
		t.Errorf("dead letters of %v", got)
	}
	for id, n := range map[string]int{archive.ID: 0, others.ID: 1} {
		if names, err := objects.Archive(t.Context(), w.bucket, w.Project.ID, id); err != nil || len(names) != n {
			t.Errorf("archive: %v %v, want %d", names, err, n)
		}
	}
	for _, id := range []string{archive.ID, asked.ID} {
		got, err := request.Get(t.Context(), w.Default, w.Project.ID, id, "")
		if err != nil {
			t.Fatal(err)
		}
		part, err := request.ReadPart(t.Context(), w.Default, got, 0)
		if err != nil || slices.Contains(part.IDs, "ann") || got.Void != (id == archive.ID) || id == archive.ID && !slices.Contains(part.IDs, "bob") {
			t.Errorf("%+v %+v %v", got, part, err)
		}
	}
	// What comes again stays away; what is new is a new life.
	fresh := ev("ann", "Back", 95, `{}`)
	fresh.Received = event.Now()
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 0, `{"email":"SECRET"}`), fresh}, op("ann", 0, "$set", `{"email":"SECRET"}`))
	if all := w.texts("ann"); len(all) != 1 || !strings.HasPrefix(all[0], "Back") || w.doc("ann").Profile != "" || w.doc("ann").DistinctID != "ann" {
		t.Errorf("%v %+v", all, w.doc("ann"))
	}
	// Who has come back can be erased again by the same request.
	again := w.ask(`{"distinct_ids":["ann","a/b c","😀","` + ids[3] + `","nobody"]}`)
	if again.ID == asked.ID {
		t.Fatal("the erasure of a person who has come back is answered with the old one")
	}
	w.until(again.ID, request.Done)
	if all := w.texts("ann"); len(all) > 0 {
		t.Error(all)
	}
	if third := w.ask(`{"distinct_ids":["ann","a/b c","😀","` + ids[3] + `","nobody"]}`); third.ID != again.ID {
		t.Error("the same request has another id")
	}
}

// Of a person who is not there nothing is told.
func TestEraseNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	asked := w.ask(`{"distinct_ids":["nobody"]}`)
	if d := w.until(asked.ID, request.Done); *d.Stores != (receipt.Stores{Requests: receipt.Count{Found: 1, Deleted: 1}}) {
		t.Errorf("%+v", d.Stores)
	}
}

// Suppression withdraws consent, and a denial outlives an erasure.
func TestSuppress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 1, "{}"), ev("bob", "Seen", 2, "{}")})
	for _, id := range []string{"ann", "bob"} {
		state := map[string]consent.State{"ann": consent.Granted, "bob": consent.Denied}[id]
		c := person.Consent{State: state, Source: "SECRET", At: time.Now().Add(-time.Minute)}
		if _, _, err := person.SetConsent(t.Context(), w.Databases, w.Project.ID, w.personKey(id), c); err != nil {
			t.Fatal(err)
		}
	}
	a, b := w.ask(`{"distinct_ids":["ann"],"suppress":true}`), w.ask(`{"distinct_ids":["bob"]}`)
	if a, b := w.until(a.ID, request.Done), w.until(b.ID, request.Done); !a.Suppress || b.Suppress || !w.receipt(a.ID).Suppressed {
		t.Errorf("%+v %+v", a, b)
	}
	for _, id := range []string{"ann", "bob"} {
		fresh := ev(id, "Back", 3, "{}")
		fresh.Received = event.Now()
		w.Deliver(t, w.store, []event.Event{fresh})
		if all := w.texts(id); len(all) > 0 {
			t.Errorf("%s: %v", id, all)
		}
		var o person.OptOut
		snap, err := person.OptOutRef(w.Edge, w.Project.ID, w.personKey(id)).Get(t.Context())
		if err != nil || snap.DataTo(&o) != nil || o.State != consent.Denied {
			t.Errorf("%s: edge %+v %v", id, o, err)
		}
		if d := w.doc(id); strings.Contains(fmt.Sprint(d), "SECRET") || d.Consent.State != consent.Denied {
			t.Errorf("%s: %+v", id, d)
		}
	}
}

// Single properties vanish from the profile, from all events and from what is on its
// way; single events vanish alone.
func TestEraseSingle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	odd := `$we.ird "näme"`
	props := `{"email":"SECRET","$we.ird \"näme\"":"SECRET","plan":"free"}`
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 1, props), ev("ann", "Left", 2, `{"plan":"free"}`), ev("bob", "Seen", 3, `{"email":"bob"}`)},
		op("ann", 0, "$set", props), op("bob", 0, "$set", `{"email":"bob"}`))
	before := w.snapshot("bob")
	archive := w.export("ann")
	w.park(local.Payload([]event.Event{ev("ann", "Seen", 4, props)}))
	asked := w.ask(`{"distinct_ids":["ann"],"properties":["email",` + fmt.Sprintf("%q", odd) + `]}`)
	d := w.until(asked.ID, request.Done)
	if d.Stores.Events.Changed != 1 || d.Stores.Profiles.Changed != 1 || d.Stores.DeadLetters.Changed != 1 || d.Stores.Archives.Deleted != 1 {
		t.Errorf("%+v", d.Stores)
	}
	if r := w.receipt(asked.ID); r.Kind != receipt.KindProperties || len(r.Properties) != 2 || len(r.Subjects) != 1 {
		t.Errorf("%+v", r)
	}
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 5, props)}, op("ann", 1, "$set", props))
	all := strings.Join(append(w.texts("ann"), w.doc("ann").Profile), "\n")
	if strings.Contains(all, "SECRET") || strings.Count(all, `{"plan":"free"}`) < 5 || w.doc("ann").Profile != `{"plan":"free"}` {
		t.Error(all)
	}
	if names, err := objects.Archive(t.Context(), w.bucket, w.Project.ID, archive.ID); err != nil || len(names) > 0 {
		t.Errorf("%v %v", names, err)
	}

	asked = w.ask(`{"distinct_ids":["ann"],"events":["Seen"]}`)
	w.until(asked.ID, request.Done)
	if r := w.receipt(asked.ID); r.Kind != receipt.KindEvents || r.Stores.Events.Deleted != 2 || r.Stores.DeadLetters.Deleted != 1 {
		t.Errorf("%+v", r)
	}
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 5, `{}`)})
	all = strings.Join(w.texts("ann"), "\n")
	if strings.Contains(all, "Seen") || !strings.Contains(all, "Left i2") || w.doc("ann").Profile != `{"plan":"free"}` {
		t.Error(all)
	}
	if after := w.snapshot("bob"); after != before {
		t.Errorf("another person has changed:\n%s\n%s", before, after)
	}
}

// A receipt that is altered in any byte is not genuine any more.
func TestReceiptAltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute)
	w.work()
	asked := w.ask(`{"distinct_ids":["ann"]}`)
	w.until(asked.ID, request.Done)
	jws := w.call(http.MethodGet, "/v1/deletions/"+asked.ID+"/receipt", "", http.StatusOK, nil)
	var keys jose.JSONWebKeySet
	w.key = "" // the keys are for everybody
	w.call(http.MethodGet, "/.well-known/jwks.json", "", http.StatusOK, &keys)
	if _, err := receipt.Verify(jws, &keys); err != nil {
		t.Fatal(err)
	}
	if got := local.Call(t.Context(), w.api, http.MethodGet, "/.well-known/jwks.json", "", "").Result().Header.Get("Content-Type"); got != "application/jwk-set+json" {
		t.Errorf("the keys are %s", got)
	}
	if !keys.Keys[0].IsPublic() {
		t.Fatal("the private key is handed out")
	}
	for i := range len(jws) {
		altered := []byte(jws)
		// The last character of a part has bits that mean nothing; others are changed
		// by what they mean.
		for _, c := range []byte{'A', 'z', '.', '-'} {
			altered[i] = c
			if altered[i] == jws[i] || sameBytes(jws, string(altered)) {
				continue
			}
			if _, err := receipt.Verify(string(altered), &keys); err == nil {
				t.Fatalf("byte %d altered, and the receipt verifies", i)
			}
		}
	}
	other := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &otherSigner(t).PublicKey, KeyID: keys.Keys[0].KeyID}}}
	if _, err := receipt.Verify(jws, &other); err == nil {
		t.Error("verifies with another key")
	}
}

// sameBytes reports whether two texts are the same receipt, written differently.
func sameBytes(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		p, errP := base64.RawURLEncoding.DecodeString(x[i])
		q, errQ := base64.RawURLEncoding.DecodeString(y[i])
		if errP != nil || errQ != nil || string(p) != string(q) {
			return false
		}
	}
	return true
}
