package person

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// plan says what is written.
func (l *linking) plan() error {
	c := &l.claim
	if !l.holds() {
		l.note(l.teller(), l.result.Said, c.hash())
		return nil
	}
	if l.target == nil {
		return nil
	}
	if err := l.join(); err != nil {
		return err
	}
	x := l.target
	l.pending.add(x.Doc.Pending)
	if l.pending.any() {
		l.put(x.Key, "pending", l.pending)
		l.result.Pending = x.Key
	}
	return nil
}

// join plans the link.
func (l *linking) join() error {
	c := &l.claim
	firm := l.result.Outcome == identity.Taken
	x, p := l.target, &l.whose.Person
	if fence := later(p.Doc.ErasedAt, l.whose.Own.Doc.ErasedAt); !fence.IsZero() && !c.Link.Received.After(fence) {
		if firm && l.who.Person.Doc.Hold == nil { // a hold beats an erasure that comes to it late
			l.result.News = true
			l.erase(x, fence)
		}
		return nil
	}
	if len(l.whose.path)+x.Doc.height() > MaxDepth {
		return fault.New(fault.Conflict, "persons would be merged more than %d times in a row; take a link back, and link to the person that the others are linked to", MaxDepth)
	}
	l.result.News = true
	was := x.Doc.Parent()
	if x.Doc.Link != nil && x.Doc.Link.To != c.Whose.Key && !x.Doc.Link.byKey() && c.speaker() != event.ByKey { // received later, it came first
		l.note(x, identity.LinkJoined, (&Claim{Who: c.Who, Whose: Named{Key: x.Doc.Link.To}, Link: *x.Doc.Link}).hash())
	}
	to := &l.whose.Own
	if len(l.whose.path) > MaxDepth/2 {
		to = p
	}
	if !to.Doc.Joined {
		l.put(to.Key, "joined", true)
	}
	link := c.Link
	link.To, link.Provisional = to.Key, !firm
	l.put(x.Key, "link", link)
	if whose := &l.whose.Own; whose.Doc.Identified == "" { // a purge has taken the document since it was noted there
		l.put(whose.Key, "identified", cmp.Or(c.Link.Event, "links"))
	}
	if c.speaker() == event.ByKey && c.Said != identity.LinkDevice && x.Doc.Identified == "" {
		l.put(x.Key, "identified", cmp.Or(c.Link.Event, "links")) // whom a key names is a user for good
	}
	l.name(&l.who.Own, c.Who)
	l.name(&l.whose.Own, c.Whose)
	if l.result.Said == identity.LinkUsers && l.who.Own.Doc.Identified == "" { // a secret has said that both are
		l.put(l.who.Own.Key, "identified", cmp.Or(c.Link.Event, "links"))
	}
	if !firm {
		return nil
	}
	if was != "" && was != to.Key {
		l.leave()
	}
	return l.bring(x, p)
}

// erase brings an identity under the fence of a person who has been erased, as if it had
// been the person's by then: a denial of the person remains with it.
func (l *linking) erase(x *Member, fence time.Time) {
	of, erased := &l.who.Person, &l.whose.Person.Doc
	said := slices.DeleteFunc(slices.Clone(erased.Said), func(c Consent) bool { return c.At.After(fence) })
	var own, persons map[string]any
	if of.Key == x.Key {
		heard := x.Doc
		heard.hear(said...)
		own = x.Doc.Erase(fence, false, &heard)
	} else { // it is somebody else's, by what was said later
		own, persons = x.Leave(of, fence, false, said...)
		l.pending.refold(of.Key)
	}
	for field, value := range own {
		l.put(x.Key, field, value)
	}
	for field, value := range persons {
		l.put(of.Key, field, value)
	}
	l.pending.Erase = true
	l.pending.refold(x.Key)
}

// name gives an identity whose distinct_id is not known, or no longer, the one that has
// come with the claim.
func (l *linking) name(m *Member, n Named) {
	if m.Doc.DistinctID == "" && n.DistinctID != "" && m.Doc.AfterFence(l.claim.Link.Received) {
		l.put(m.Key, "distinct_id", n.DistinctID)
		l.put(m.Key, "first_seen", l.claim.Link.Received)
	}
}

// leave takes the identity out of the person whose it was, with what was said under it.
func (l *linking) leave() {
	x, q := &l.who.Own, &l.who.Person
	kept, moved := divide(q.Doc.Said, func(under Key) bool { return under == x.Key })
	if len(moved) > 0 {
		l.put(q.Key, "said", kept)
		l.put(q.Key, "consent", inForce(kept))
	}
	x.Doc.Said, x.Doc.Consent = moved, inForce(moved)
	if x.Doc.Operates {
		l.pending.refold(q.Key)
	}
	l.pending.spread(q.Key)
}

// bring makes the state of an identity that of the person: a statement of consent, a
// restriction and a hold are the person's from now on, and what the person's amendments
// change is changed for the identity as well.
func (l *linking) bring(x, p *Member) error {
	for _, field := range []string{"consent", "said", "profile", "profile_at", "attested", "no_room", "restriction", "hold"} {
		l.put(x.Key, field, firestore.Delete)
	}
	if len(x.Doc.Said) == 0 && x.Doc.Consent.State != "" {
		x.Doc.Said = []Consent{x.Doc.Consent}
	}
	for i := range x.Doc.Said {
		c := &x.Doc.Said[i]
		c.Under, c.From = cmp.Or(c.Under, x.Key), later(c.From, l.claim.Link.Received)
	}
	before := p.Doc.Consent
	if p.Doc.hear(x.Doc.Said...) {
		for field, value := range p.Doc.consentFields() {
			l.put(p.Key, field, value)
		}
	}
	switch now := p.Doc.Consent; {
	case now.State != before.State || now.By != before.By:
		l.pending.spread(p.Key)
	case now.State != "":
		l.pending.spread(x.Key)
	}
	if r := x.Doc.Restriction; r != nil && (p.Doc.Restriction == nil || r.Since.Before(p.Doc.Restriction.Since)) {
		l.put(p.Key, "restriction", *r)
	}
	if h := x.Doc.Hold; h != nil && p.Doc.Hold == nil {
		l.put(p.Key, "hold", *h)
	}
	l.held = x.Doc.Hold != nil || p.Doc.Hold != nil
	if x.Doc.Operates || x.Doc.Joined {
		l.pending.refold(p.Key)
	}
	if h := x.Doc.height() + 1; x.Doc.Joined && h > p.Doc.height() {
		l.put(p.Key, "height", h)
	}
	all := x.Doc.Amendments
	for _, a := range slices.Concat(p.Doc.Amendments, l.whose.Own.Doc.Amendments) {
		mine := slices.ContainsFunc(x.Doc.Amendments, func(b amend.Amendment) bool { return a.Request == b.Request && a.At.Equal(b.At) }) ||
			slices.ContainsFunc(all[len(x.Doc.Amendments):], func(b amend.Amendment) bool { return reflect.DeepEqual(a, b) })
		if !mine && !a.At.Before(l.claim.Link.Received) {
			all, l.pending.Amend = append(slices.Clone(all), a), true
		}
	}
	if l.pending.Amend {
		slices.SortStableFunc(all, func(a, b amend.Amendment) int { return a.At.Compare(b.At) })
		l.put(x.Key, "amendments", all)
	}
	return nil
}

// divide parts statements by the identities under which they were said.
func divide(said []Consent, theirs func(Key) bool) (kept, moved []Consent) {
	kept, moved = []Consent{}, []Consent{}
	for _, c := range said {
		if theirs(c.Under) {
			moved = append(moved, c)
		} else {
			kept = append(kept, c)
		}
	}
	return kept, moved
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sortedKeys(m map[Key]map[string]any) []Key {
	keys := make([]Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
