package person_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

var noon = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

// registry is a tenant whose persons' consents are set.
type registry struct {
	*local.Tenant
	t *testing.T
}

func newRegistry(t *testing.T) *registry { return &registry{local.NewTenant(t, nil), t} }

func (r *registry) key(id string) person.Key { return person.MakeKey(r.Project.Secret, id) }

func (r *registry) set(id string, second int, state consent.State) person.Consent {
	r.t.Helper()
	c, _, err := person.SetConsent(r.t.Context(), r.Databases, "app", r.key(id), said(second, state))
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func said(second int, state consent.State) person.Consent {
	return person.Consent{State: state, Source: "test", At: noon.Add(time.Duration(second) * time.Second)}
}

func (r *registry) put(id string, doc person.Doc) {
	r.t.Helper()
	if _, err := person.Ref(r.Default, "app", r.key(id)).Set(r.t.Context(), doc); err != nil {
		r.t.Fatal(err)
	}
}

func (r *registry) doc(id string) (d person.Doc) {
	r.t.Helper()
	snap, err := person.Ref(r.Default, "app", r.key(id)).Get(r.t.Context())
	if err == nil {
		err = snap.DataTo(&d)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// optOut is the state at the edge.
func (r *registry) optOut(id string) person.OptOut {
	r.t.Helper()
	snaps, err := r.Edge.GetAll(r.t.Context(), []*firestore.DocumentRef{person.OptOutRef(r.Edge, "app", r.key(id))})
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := person.ReadOptOut(snaps[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// history is the states of all that was said, page by page.
func (r *registry) history(id string, limit int) (states []consent.State) {
	r.t.Helper()
	for cursor := ""; ; {
		page, next, err := person.Consents(r.t.Context(), r.Default, "app", r.key(id), cursor, limit)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, c := range page {
			states = append(states, c.State)
		}
		if cursor = next; next == "" {
			return states
		}
		if len(page) != limit {
			r.t.Fatalf("a page of %d with a cursor", len(page))
		}
	}
}

// What is said stands by its time, whatever the order of arrival, and is kept once.
func TestNewestConsentStands(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.set("ann", 2, consent.Granted)
	if c := r.set("ann", 1, consent.Denied); c.State != consent.Granted {
		t.Errorf("%+v", c)
	}
	r.set("ann", 4, consent.Unset)
	r.set("ann", 3, consent.Denied)
	r.set("ann", 4, consent.Unset) // again
	if d := r.doc("ann"); d.Consent.State != consent.Unset || !d.Consent.At.Equal(noon.Add(4*time.Second)) || d.DistinctID != "" {
		t.Errorf("%+v", d)
	}
	if o := r.optOut("ann"); o.State != consent.Unset || !o.At.Equal(noon.Add(4*time.Second)) {
		t.Errorf("%+v", o)
	}
	for _, limit := range []int{1, 2, 3, 4, 10} {
		if got := fmt.Sprint(r.history("ann", limit)); got != "[unset denied granted denied]" {
			t.Errorf("pages of %d: %s", limit, got)
		}
	}
	for i, order := range [][]consent.State{{consent.Granted, consent.Denied}, {consent.Denied, consent.Granted}} {
		id := fmt.Sprint("tie", i)
		for _, s := range order {
			r.set(id, 0, s)
		}
		if d, o := r.doc(id), r.optOut(id); d.Consent.State != consent.Denied || o.State != consent.Denied || len(r.history(id, 10)) != 2 {
			t.Errorf("of two at one time the denial stands: %+v %+v", d.Consent, o)
		}
	}
	for i, order := range [][]consent.State{{consent.Granted, consent.Unset}, {consent.Unset, consent.Granted}} {
		id := fmt.Sprint("unset", i)
		for _, s := range order {
			r.set(id, 0, s)
		}
		if d, o := r.doc(id), r.optOut(id); d.Consent.State != consent.Granted || o.State != consent.Granted {
			t.Errorf("of two at one time what was granted stands: %+v %+v", d.Consent, o)
		}
	}
	for _, cursor := range []string{"x", "20260201T120000.000000Z", "20260201T120000.000000Z-../../x", "20261301T120000.000000Z-00000000"} {
		if _, _, err := person.Consents(t.Context(), r.Default, "app", r.key("ann"), cursor, 10); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", cursor, err)
		}
	}
}

func TestConsentsTogether(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	const n = 8
	var wg sync.WaitGroup
	for _, i := range rand.Perm(n) {
		wg.Go(func() {
			for {
				_, _, err := person.SetConsent(t.Context(), r.Databases, "app", r.key("ann"), said(i, []consent.State{consent.Granted, consent.Denied}[i%2]))
				if fault.Of(err) == fault.Unavailable && err != nil { // too many at a time: as a message, it comes again
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	want := noon.Add((n - 1) * time.Second)
	if d, o := r.doc("ann"), r.optOut("ann"); !d.Consent.At.Equal(want) || !o.At.Equal(want) || o.State != consent.Denied {
		t.Errorf("%+v %+v", d.Consent, o)
	}
	if got := r.history("ann", 100); len(got) != n {
		t.Errorf("%v", got)
	}
}

// Consent replaces what stood before as a whole, and leaves the rest alone.
func TestConsentReplaces(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.put("ann", person.Doc{DistinctID: "ann", FirstSeen: noon, Profile: `{"a":1}`,
		Consent: person.Consent{State: consent.Denied, Purposes: map[string]consent.State{"a.b": consent.Denied}, NoticeVersion: "1"}})
	c := said(0, consent.Granted)
	c.Purposes = map[string]consent.State{"ads/`x`.y": consent.Granted, "😀": consent.Denied}
	if _, _, err := person.SetConsent(t.Context(), r.Databases, "app", r.key("ann"), c); err != nil {
		t.Fatal(err)
	}
	d := r.doc("ann")
	if d.DistinctID != "ann" || d.Profile != `{"a":1}` || d.Consent.NoticeVersion != "" || fmt.Sprint(d.Consent.Purposes) != fmt.Sprint(c.Purposes) {
		t.Errorf("%+v", d)
	}
}

func TestConsentAndFence(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.put("ann", person.Doc{ErasedAt: noon, Consent: person.Consent{State: consent.Denied, At: noon}})
	for _, second := range []int{-1, 0} {
		if c := r.set("ann", second, consent.Granted); c.State != consent.Denied {
			t.Errorf("%+v", c)
		}
	}
	if got := r.history("ann", 10); len(got) > 0 || r.optOut("ann").State != consent.Denied { // as the document says
		t.Errorf("what was said before the erasure has left something: %v", got)
	}
	r.set("ann", 1, consent.Granted)
	if got := r.history("ann", 10); len(got) != 1 || r.doc("ann").Consent.State != consent.Granted {
		t.Error(got)
	}
}

// Consent is the person's: it holds for all identities, and opt-outs are spread to them.
func TestConsentOfManyIdentities(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.put("bob", person.Doc{DistinctID: "bob"})
	for i := range 3 {
		r.connect(fmt.Sprint("$device:d", i), "bob", event.ByToken, 0)
	}
	c := said(1, consent.Denied)
	_, spread, err := person.SetConsent(t.Context(), r.Databases, "app", r.key("$device:d1"), c)
	if err != nil || !spread {
		t.Fatalf("spread %v, %v; want true", spread, err)
	}
	if got, want := r.doc("bob").Consent.State, consent.Denied; got != want {
		t.Errorf("bob: got %s, want %s", got, want)
	}
	if done, err := person.SpreadOptOuts(t.Context(), r.Databases, "app", r.key("$device:d1"), func() bool { return true }); err != nil || !done {
		t.Fatal(done, err)
	}
	for _, id := range []string{"bob", "$device:d0", "$device:d1", "$device:d2"} {
		if o := r.optOut(id); o.State != consent.Denied {
			t.Errorf("the edge says %s of %s, want denied", o.State, id)
		}
	}
	if a, b := r.history("$device:d1", 10), r.history("bob", 10); len(a) != 1 || len(b) != 0 {
		t.Errorf("the history stands with whom it was said of: got %v and %v", a, b)
	}
}

// Documents from before there were states deny.
func TestOlderOptOut(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	if _, err := person.OptOutRef(r.Edge, "app", r.key("ann")).Set(t.Context(), map[string]any{"at": noon}); err != nil {
		t.Fatal(err)
	}
	if o := r.optOut("ann"); o.State != consent.Denied {
		t.Errorf("%+v", o)
	}
	r.set("ann", -1, consent.Granted)
	if o := r.optOut("ann"); o.State != consent.Denied {
		t.Errorf("something older has undone it: %+v", o)
	}
	r.set("ann", 1, consent.Granted)
	if o := r.optOut("ann"); o.State != consent.Granted {
		t.Errorf("%+v", o)
	}
}

// An erasure that goes through both databases while something is being said leaves
// nothing of it in either.
func TestConsentWhileErased(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	fence := noon.Add(time.Second)
	var wg sync.WaitGroup
	for i := range 12 {
		id := fmt.Sprint("p", i)
		r.put(id, person.Doc{DistinctID: id})
		wg.Go(func() {
			if _, _, err := person.SetConsent(t.Context(), r.Databases, "app", r.key(id), said(0, consent.Granted)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			doc := person.Doc{}
			if _, err := person.Ref(r.Default, "app", r.key(id)).Set(t.Context(), doc.Erase(fence, false, &doc), firestore.MergeAll); err != nil {
				t.Error(err)
			}
			if _, err := person.SettleOptOuts(t.Context(), r.Databases, "app", []person.Key{r.key(id)}, fence); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 12 {
		id := fmt.Sprint("p", i)
		snap, err := r.Edge.GetAll(t.Context(), []*firestore.DocumentRef{person.OptOutRef(r.Edge, "app", r.key(id))})
		if err != nil || snap[0].Exists() || r.doc(id).Consent.State != "" {
			t.Errorf("%s: %v %v %+v", id, err, snap, r.doc(id))
		}
	}
}

// A worker that was killed before it could look for the fence has left an opt-out of
// before it; what comes again settles that, though it is dropped.
func TestConsentKilledWhileErased(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	r.put("ann", person.Doc{ErasedAt: noon.Add(time.Second)})
	r.put("bob", person.Doc{ErasedAt: noon.Add(time.Second)})
	stale := said(0, consent.Denied)
	later := said(2, consent.Denied)
	for id, c := range map[string]person.Consent{"ann": stale, "bob": later} {
		if _, err := person.OptOutRef(r.Edge, "app", r.key(id)).Set(t.Context(), person.OptOut{State: c.State, At: c.At}); err != nil {
			t.Fatal(err)
		}
		if got := r.set(id, 0, consent.Denied); got.State != "" {
			t.Errorf("%s: %+v", id, got)
		}
	}
	for id, want := range map[string]bool{"ann": false, "bob": true} { // what was said since is another's to settle
		snap, err := r.Edge.GetAll(t.Context(), []*firestore.DocumentRef{person.OptOutRef(r.Edge, "app", r.key(id))})
		if err != nil || snap[0].Exists() != want {
			t.Errorf("%s: there is an opt-out: %v, %v", id, snap[0].Exists(), err)
		}
	}
}
