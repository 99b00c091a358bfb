package profile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// subject is one person of a tenant.
type subject struct {
	*local.Tenant
	t   *testing.T
	key person.Key
	ref *firestore.DocumentRef
}

func newSubject(t *testing.T, doc person.Doc) *subject {
	s := &subject{Tenant: local.NewTenant(t, nil), t: t}
	s.key = person.MakeKey(s.Project.Secret, "ann")
	s.ref = person.Ref(s.Default, "app", s.key)
	if _, err := s.ref.Set(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *subject) doc() (d person.Doc) {
	s.t.Helper()
	snap, err := s.ref.Get(s.t.Context())
	if err == nil {
		err = snap.DataTo(&d)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// store does with operations what the store function does with a message.
func (s *subject) store(ops ...event.Op) {
	s.t.Helper()
	err := s.Default.RunTransaction(s.t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(s.ref)
		if err != nil {
			return err
		}
		var doc person.Doc
		if err := snap.DataTo(&doc); err != nil {
			return err
		}
		c, err := profile.Plan(tx, s.ref, &doc, ops)
		if err != nil {
			return err
		}
		if len(c.Fields) > 0 {
			if err := tx.Set(s.ref, c.Fields, firestore.MergeAll); err != nil {
				return err
			}
		}
		return c.Write(tx)
	})
	if err == nil {
		_, err = profile.Refold(s.t.Context(), s.Default, "app", s.key)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// amend puts amendments on the person's document, and amends by them.
func (s *subject) amend(as []amend.Amendment, add ...event.Op) (profile.Counts, error) {
	s.t.Helper()
	if _, err := s.ref.Set(s.t.Context(), map[string]any{"amendments": as}, firestore.MergeAll); err != nil {
		s.t.Fatal(err)
	}
	set, err := amend.Compile(as)
	if err != nil {
		s.t.Fatal(err)
	}
	return profile.Amend(s.t.Context(), s.Default, "app", s.key, set, add...)
}

// log is every stored operation, and the number of documents.
func (s *subject) log() (text string, docs int) {
	s.t.Helper()
	all, err := s.ref.Collection(profile.Collection).Documents(s.t.Context()).GetAll()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range all {
		var doc profile.Doc
		if err := d.DataTo(&doc); err != nil {
			s.t.Fatal(err)
		}
		if err := event.Unpack(doc.Data, nil, func(o *event.Op) error { text += o.Name + o.Value + "\n"; return nil }); err != nil {
			s.t.Fatal(err)
		}
	}
	return text, len(all)
}

const when = event.Millis(1_700_000_000_000)

func opAt(request string, seq int, received event.Millis, name, value string) event.Op {
	return event.Op{DistinctID: "ann", Request: request, Seq: seq, Received: received, Name: name, Value: value}
}

// Properties vanish from profile and operations, more of them than one transaction
// takes; the rest is as it was, and an operation delivered again counts once.
func TestAmend(t *testing.T) {
	t.Parallel()
	s := newSubject(t, person.Doc{DistinctID: "ann"})
	visit := opAt("first", 1, when, "$add", `{"visits":1}`)
	s.store(opAt("first", 0, when, "$set", `{"e.m$a\"il":"secret"}`), visit)
	const many = 450
	w := s.Default.BulkWriter(t.Context())
	for i := range many {
		payload := event.AppendOp(nil, new(opAt(fmt.Sprint("r", i), 0, when+event.Millis(i), "$set", fmt.Sprintf(`{"e.m$a\"il":"secret%d"}`, i))))
		if _, err := w.Set(s.ref.Collection(profile.Collection).Doc(fmt.Sprint("x", i)), profile.Doc{Data: event.Pack(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	w.End()
	later := opAt("later", 0, when+5000, "$set", `{"e.m$a\"il":"new","plan":"pro"}`)
	s.store(later)
	as := []amend.Amendment{{At: (when + 1000).Time(), Profile: []string{`e.m$a"il`}}}
	n, err := s.amend(as)
	if err != nil || n.Operations != many+1 {
		t.Errorf("%+v, %v", n, err)
	}
	text, docs := s.log()
	if strings.Contains(text, "secret") || docs != 2 {
		t.Errorf("%d documents: %.300s", docs, text)
	}
	want := `{"e.m$a\"il":"new","plan":"pro","visits":1}`
	if got := s.doc(); got.Profile != want || !got.ProfileAt.Equal((when + 5000).Time()) {
		t.Errorf("%+v", got)
	}
	if n, err := s.amend(as); err != nil || n != (profile.Counts{}) {
		t.Errorf("again: %+v, %v", n, err)
	}
	s.store(opAt("first", 0, when, "$set", `{}`), visit) // as the store function amends it
	if got := s.doc().Profile; got != want {
		t.Errorf("delivered again: %s", got)
	}
	if n, err := s.amend([]amend.Amendment{{At: (when + 9000).Time(), Properties: []string{"plan", "visits"}}}); err != nil || n.Properties != 2 || n.Operations != 2 {
		t.Errorf("%+v, %v", n, err)
	}
	if got := s.doc().Profile; got != `{"e.m$a\"il":"new"}` {
		t.Error(got)
	}
}

// New values come in once, before what was received after them, and after the old.
func TestAmendAdds(t *testing.T) {
	t.Parallel()
	s := newSubject(t, person.Doc{DistinctID: "ann"})
	s.store(opAt("r1", 0, when, "$set", `{"a":"old","b":"old","c":1}`))
	s.store(opAt("r2", 0, when+2000, "$set", `{"b":"newer"}`))
	as := []amend.Amendment{{At: (when + 1000).Time(), Request: "q", Profile: []string{"a", "b"}}}
	add := opAt("q", 0, when+1000, "$set", `{"a":"right","b":"right"}`)
	for i, want := range []profile.Counts{{Operations: 1, Properties: 1}, {}} {
		if n, err := s.amend(as, add); err != nil || n != want {
			t.Errorf("%d: %+v, %v", i, n, err)
		}
		if got := s.doc().Profile; got != `{"a":"right","b":"newer","c":1}` {
			t.Errorf("%d: %s", i, got)
		}
	}
	as = append(as, amend.Amendment{At: (when + 3000).Time(), Request: "p", Profile: []string{"a"}})
	if n, err := s.amend(as, add, opAt("q", 1, when+1000, "$set", `{"a":"x"}`)); err != nil || n.Properties != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	if text, _ := s.log(); strings.Contains(text, "x") || s.doc().Profile != `{"b":"newer","c":1}` {
		t.Errorf("%s %s", text, s.doc().Profile)
	}
}

// New values that the profile has no room for are refused; nobody gets any who is
// not there, or was erased since.
func TestAmendAddsNothing(t *testing.T) {
	t.Parallel()
	big := fmt.Sprintf(`{"big":%q}`, strings.Repeat("x", profile.MaxBytes-100))
	s := newSubject(t, person.Doc{DistinctID: "ann"})
	s.store(opAt("r1", 0, when, "$set", big))
	as := []amend.Amendment{{At: (when + 1000).Time(), Request: "q", Profile: []string{"a"}}}
	add := opAt("q", 0, when+1000, "$set", fmt.Sprintf(`{"a":%q}`, strings.Repeat("y", 200)))
	if _, err := s.amend(as, add); fault.Of(err) != fault.Conflict {
		t.Error(err)
	}
	for name, doc := range map[string]person.Doc{"nobody": {}, "erased": {DistinctID: "ann", ErasedAt: (when + 1000).Time()}} {
		s := newSubject(t, doc)
		if n, err := s.amend(as, add); err != nil || n != (profile.Counts{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
		if _, docs := s.log(); docs > 0 || s.doc().Profile != "" || !s.doc().ProfileAt.Equal(time.Time{}) {
			t.Errorf("%s: %+v", name, s.doc())
		}
	}
}

// Who began before a property was erased does not put it into the profile again.
func TestAmendOutdated(t *testing.T) {
	t.Parallel()
	s := newSubject(t, person.Doc{DistinctID: "ann"})
	s.store(opAt("q", 0, when, "$set", `{"email":"x"}`))
	rectified := amend.Amendment{At: (when + 1000).Time(), Request: "r", Profile: []string{"email"}}
	before, err := amend.Compile([]amend.Amendment{rectified})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.amend([]amend.Amendment{rectified, {At: (when + 2000).Time(), Request: "e", Properties: []string{"email"}}}); err != nil {
		t.Fatal(err)
	}
	_, err = profile.Amend(t.Context(), s.Default, "app", s.key, before, opAt("r", 0, when+1000, "$set", `{"email":"SECRET"}`))
	if text, _ := s.log(); fault.Of(err) != fault.Unavailable || strings.Contains(text, "SECRET") || s.doc().Profile != "{}" {
		t.Errorf("%v: %s, %s", err, text, s.doc().Profile)
	}
}
