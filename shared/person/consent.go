package person

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// MaxSaid is how many statements of consent stand with a person. Beyond it the oldest
// that a token has made go first, and what they would decide is denied if any of them
// denied.
const MaxSaid = 32

// Consent is a statement of consent, and the person's consent while it is in force.
type Consent struct {
	ID            string                   `firestore:"id,omitempty"` // of the statement: the same, however often it is delivered
	State         consent.State            `firestore:"state,omitempty"`
	Purposes      map[string]consent.State `firestore:"purposes,omitempty"`
	Basis         string                   `firestore:"basis,omitempty"` // lawful basis (GDPR Art. 6(1)): consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests
	NoticeVersion string                   `firestore:"notice_version,omitempty"`
	Source        string                   `firestore:"source,omitempty"` // where it was said
	At            time.Time                `firestore:"at,omitempty"`     // receipt; the newest stands
	By            string                   `firestore:"by,omitempty"`     // event.Speaker: what a key has denied, a token cannot undo
	Under         Key                      `firestore:"under,omitempty"`  // the identity of which it was said
	From          time.Time                `firestore:"from,omitempty"`   // receipt of the link that made it the person's; zero: it always was
}

func (c *Consent) byKey() bool { return event.ParseSpeaker(c.By) == event.ByKey }

// locks reports whether the statement is a key's denial, which only a key undoes.
func (c *Consent) locks() bool { return c.byKey() && c.State == consent.Denied }

// restricts ranks states: of two said at one time the higher stands.
var restricts = map[consent.State]int{consent.Unset: 1, consent.Granted: 2, consent.Denied: 3}

// compareSaid orders statements. Of two received at one time that of a key comes later,
// and then that which denies: it stands, whichever arrives first.
func compareSaid(a, b Consent) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(event.ParseSpeaker(a.By), event.ParseSpeaker(b.By)),
		cmp.Compare(restricts[a.State], restricts[b.State]), cmp.Compare(a.ID, b.ID))
}

// inForce is the statement that holds after some, which are in order.
func inForce(said []Consent) (c Consent) {
	for _, s := range said {
		if s.byKey() || !c.locks() {
			c = s
		}
	}
	return c
}

// stateOf is the state that held at a time, by the statements that count.
func (d *Doc) stateOf(at time.Time, counts func(*Consent) bool) consent.State {
	if len(d.Said) == 0 {
		if d.Consent.At.After(at) {
			return ""
		}
		return d.Consent.State
	}
	c := inForce(slices.DeleteFunc(slices.Clone(d.Said), func(c Consent) bool { return c.At.After(at) || !counts(&c) }))
	return c.State
}

// consentAt is the state that held at a time.
func (d *Doc) consentAt(at time.Time) consent.State {
	return d.stateOf(at, func(*Consent) bool { return true })
}

// hear takes statements into the timeline, and reports whether that changed it. One that
// has been heard stands with the least of its receipts.
func (d *Doc) hear(more ...Consent) (changed bool) {
	said := slices.Clone(d.Said)
	if len(said) == 0 && d.Consent.State != "" {
		said = append(said, d.Consent)
	}
	for _, c := range more {
		i := slices.IndexFunc(said, func(s Consent) bool { return s.ID == c.ID && s.Under == c.Under })
		switch {
		case i < 0:
			said, changed = append(said, c), true
		case c.At.Before(said[i].At):
			said[i], changed = c, true
		}
	}
	if !changed {
		return false
	}
	slices.SortFunc(said, compareSaid)
	d.Said = shorten(said)
	d.Consent = inForce(d.Said)
	return true
}

// cutID marks the statement that stands for those that had no room: from the first of
// them that denied until the oldest that is left, nobody knows any more what was granted.
const cutID = "cut"

// shorten keeps MaxSaid statements. What a key has said goes last, and the first denial
// that goes stays as one, without what else it said.
func shorten(said []Consent) []Consent {
	for len(said) > MaxSaid {
		i := slices.IndexFunc(said, func(c Consent) bool { return !c.byKey() && c.ID != cutID })
		if i < 0 {
			i = slices.IndexFunc(said, func(c Consent) bool { return c.ID != cutID })
		}
		gone := said[i]
		said = slices.Delete(said, i, i+1)
		if gone.State != consent.Denied {
			continue
		}
		cut := Consent{ID: cutID, State: consent.Denied, At: gone.At, By: gone.By}
		if j := slices.IndexFunc(said, func(c Consent) bool { return c.ID == cutID }); j < 0 {
			said = slices.Insert(said, i, cut)
			if len(said) > MaxSaid { // the next one goes instead
				continue
			}
		} else if gone.At.Before(said[j].At) {
			said[j].At = gone.At
		}
	}
	slices.SortFunc(said, compareSaid)
	return said
}

// consentFields are the fields of a document that hold its consent.
func (d *Doc) consentFields() map[string]any {
	if len(d.Said) == 0 {
		return map[string]any{"consent": firestore.Delete, "said": firestore.Delete}
	}
	return map[string]any{"consent": d.Consent, "said": d.Said}
}

// SetConsent notes what was said of an identity's consent, which is the person's, and
// returns the person's consent that now stands. What was said at or before the
// identity's fence is dropped. The same again changes nothing.
//
// It may be called in any order. (default) is written first; if edge then fails, the
// call is to be repeated. With spread, the person has other identities, whose opt-outs
// SpreadOptOuts brings up to date.
func SetConsent(ctx context.Context, dbs gcp.Databases, project string, key Key, c Consent) (now Consent, spread bool, err error) {
	c.At = c.At.UTC().Truncate(time.Microsecond) // the precision that is stored
	c.Under = key
	id, err := historyID(c)
	if err != nil {
		return Consent{}, false, err
	}
	c.ID = cmp.Or(c.ID, id)
	var s *Standing
	err = dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if s, err = Find(tx.GetAll, dbs.Default, project, key); err != nil {
			return err
		}
		if !s.Own.Doc.AfterFence(c.At) {
			return nil
		}
		if err := tx.Set(Ref(dbs.Default, project, key).Collection(ConsentsCollection).Doc(id), c); err != nil {
			return err
		}
		own, whole := map[string]any{}, map[string]any{}
		if !s.Own.Doc.Spoke {
			own["spoke"] = true
		}
		if s.Person.Doc.hear(c) {
			whole = s.Person.Doc.consentFields()
		}
		if now := &s.Person.Doc.Consent; now.locks() && c.State != consent.Denied && !now.At.After(c.At) {
			if all, news := s.Own.Doc.withNoEffect(identity.ConsentUndo, c.ID); news {
				own["no_effect"] = all
			}
		}
		if s.Alone() {
			s.Own.Doc = s.Person.Doc
			for name, v := range own {
				whole[name] = v
			}
			own = nil
		}
		if err := set(tx, dbs.Default, project, key, own); err != nil {
			return err
		}
		return set(tx, dbs.Default, project, s.Person.Key, whole)
	})
	if err != nil {
		return Consent{}, false, fmt.Errorf("set consent: %w", err)
	}
	now = s.Person.Doc.Consent
	if !s.Own.Doc.AfterFence(c.At) { // a call before, of the same, may have ended before it had looked for the fence
		_, err := SettleOptOuts(ctx, dbs, project, []Key{key}, s.Own.Doc.ErasedAt)
		return now, false, err
	}
	keys := []Key{key}
	if !s.Alone() {
		keys = append(keys, s.Person.Key)
	}
	return now, s.Person.Doc.Joined, setOptOuts(ctx, dbs, project, keys, &s.Person.Doc)
}

// set writes some fields of a document. Each is replaced as a whole: MergeAll would
// leave the purposes of an older consent beside the new.
func set(tx *firestore.Transaction, db *firestore.Client, project string, key Key, fields map[string]any) error {
	if len(fields) == 0 {
		return nil
	}
	paths := make([]firestore.FieldPath, 0, len(fields))
	for name := range fields {
		paths = append(paths, firestore.FieldPath{name})
	}
	slices.SortFunc(paths, func(a, b firestore.FieldPath) int { return cmp.Compare(a[0], b[0]) })
	return tx.Set(Ref(db, project, key), fields, firestore.Merge(paths...))
}
