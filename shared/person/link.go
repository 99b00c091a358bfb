package person

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// Link says whose an identity is, and who has said so. Of several that tokens say, the
// one received first counts; what a key says counts above them, also that the identity
// is nobody's (To is empty).
type Link struct {
	To          Key       `firestore:"to,omitempty"`
	Provisional bool      `firestore:"provisional,omitempty"` // only reports follow it
	By          string    `firestore:"by"`                    // event.Speaker
	Actor       string    `firestore:"actor,omitempty"`       // hash of the API key
	Event       string    `firestore:"event,omitempty"`       // name of the event that said it; empty: the API
	Received    time.Time `firestore:"received"`
	Message     string    `firestore:"message,omitempty"` // with Index: the order of what was received at one time
	Index       int       `firestore:"index,omitempty"`
}

// before reports whether a link was received before another.
func (l *Link) before(than *Link) bool {
	return cmp.Or(l.Received.Compare(than.Received), cmp.Compare(l.Message, than.Message), cmp.Compare(l.Index, than.Index)) < 0
}

// ByToken reports whether the public token has said it, and so whether evidence that the
// identity is a user's undoes it.
func (l *Link) ByToken() bool { return !l.byKey() }

func (l *Link) byKey() bool { return event.ParseSpeaker(l.By) == event.ByKey }

// Named is a distinct_id with its key.
type Named struct {
	Key        Key
	DistinctID string
}

// Claim is a statement that an identity is another's.
type Claim struct {
	Who, Whose Named
	Said       identity.Said // what the two ids alone say of it: LinkDevice, LinkEither, LinkUsers or LinkPlaceholder
	Link       Link          // By, Actor, Event, Received, Message, Index
}

func (c *Claim) speaker() event.Speaker { return event.ParseSpeaker(c.Link.By) }

// Linked is what a claim has come to.
type Linked struct {
	Said    identity.Said // the row of the rule
	Outcome identity.Outcome
	News    bool // it has changed something, or is a statement without effect that was not known
	// Pending is the identity whose link leaves something to be done (Doc.Pending), now or
	// from a delivery before that did not end; empty: nothing is.
	Pending Key
}

// Pending is what a change of a link leaves to be done in other documents, before the
// change counts as made. It can be done again.
type Pending struct {
	Refold []Key `firestore:"refold,omitempty"` // persons whose profiles are to be folded anew (profile.Refold)
	Spread []Key `firestore:"spread,omitempty"` // persons whose opt-outs are to be spread (SpreadOptOuts)
	Amend  bool  `firestore:"amend,omitempty"`  // what is stored of the identity comes under amendments
	Erase  bool  `firestore:"erase,omitempty"`  // what is stored of the identity comes under its fence
}

// add puts another's work to this.
func (p *Pending) add(q *Pending) {
	if q == nil {
		return
	}
	for _, k := range q.Refold {
		p.refold(k)
	}
	for _, k := range q.Spread {
		p.spread(k)
	}
	p.Amend, p.Erase = p.Amend || q.Amend, p.Erase || q.Erase
}

func (p *Pending) refold(k Key) {
	if !slices.Contains(p.Refold, k) {
		p.Refold = append(p.Refold, k)
	}
}

func (p *Pending) spread(k Key) {
	if !slices.Contains(p.Spread, k) {
		p.Spread = append(p.Spread, k)
	}
}

func (p *Pending) any() bool { return len(p.Refold)+len(p.Spread) > 0 || p.Amend || p.Erase }

// Connect works on a claim. It can be called again, and claims come in any order: what
// stands in the end depends on their receipts alone.
//
// What was received at or before an erasure of the identity links nothing. What was
// received at or before an erasure of the person, and comes later, brings the identity
// under it.
func Connect(ctx context.Context, dbs gcp.Databases, project string, c Claim) (Linked, error) {
	// Most claims are made again at each login, and need no lock.
	plain, err := FindAll(Reader(ctx, dbs.Default), dbs.Default, project, []Key{c.Who.Key, c.Whose.Key})
	if err != nil {
		return Linked{}, err
	}
	l := &linking{claim: c, who: plain[0], whose: plain[1]}
	if l.decide(); !l.changes() {
		l.result.Pending = cmp.Or(plain[0].pending, plain[1].pending) // of a delivery before that did not end
		return l.result, nil
	}
	if err := identify(ctx, dbs.Default, project, c, plain[1]); err != nil {
		return Linked{}, err
	}
	err = dbs.Default.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		both, err := FindAll(tx.GetAll, dbs.Default, project, []Key{c.Who.Key, c.Whose.Key})
		if err != nil {
			return err
		}
		l = &linking{claim: c, who: both[0], whose: both[1], writes: map[Key]map[string]any{}}
		l.decide()
		if err := l.plan(); err != nil {
			return err
		}
		for _, key := range sortedKeys(l.writes) {
			if err := set(tx, dbs.Default, project, key, l.writes[key]); err != nil {
				return err
			}
		}
		if l.held { // a purge that is running must look again before it deletes more (package retention)
			return tx.Update(dbs.Default.Doc("projects/"+project), []firestore.Update{{Path: "retention_version", Value: firestore.Increment(1)}})
		}
		return nil
	})
	if err != nil {
		return Linked{}, fmt.Errorf("link identities: %w", err)
	}
	return l.result, nil
}

// identify notes that the other side of a claim is a user's and has identities, before
// the transaction: so that the transactions of many claims only read the document.
func identify(ctx context.Context, db *firestore.Client, project string, c Claim, whose *Standing) error {
	outcome := identity.Judge(c.Said, c.speaker())
	if outcome != identity.Taken && outcome != identity.Provisional || whose.Own.Doc.Joined && whose.Own.Doc.Identified != "" {
		return nil
	}
	fields := map[string]any{"joined": true}
	if whose.Own.Doc.Identified == "" {
		fields["identified"] = cmp.Or(c.Link.Event, "links")
		if l := whose.Own.Doc.Link; l != nil && !l.byKey() && l.Provisional { // whom a token has joined to somebody is no anonymous identity
			fields["link"] = firestore.Delete
		}
	}
	if _, err := Ref(db, project, c.Whose.Key).Set(ctx, fields, firestore.MergeAll); err != nil {
		return fmt.Errorf("note that an identity is a user's: %w", err)
	}
	return nil
}

// linking is the work on one claim.
type linking struct {
	claim      Claim
	who, whose *Standing
	result     Linked
	target     *Member // the identity that is joined; nil: none
	pending    Pending
	writes     map[Key]map[string]any
	held       bool // somebody comes under a legal hold
}

// decide says by the rule what the claim comes to.
func (l *linking) decide() {
	c, own := &l.claim, &l.who.Own.Doc
	l.result.Said = c.Said
	if c.speaker() != event.ByKey {
		l.result.Said = l.saidByToken()
	}
	l.result.Outcome = identity.Judge(l.result.Said, c.speaker())
	if !l.holds() || !own.AfterFence(c.Link.Received) { // or erased since it was said
		return
	}
	l.target = &l.who.Own
	if c.speaker() == event.ByKey && own.Link != nil && own.Link.byKey() && own.Link.To != "" {
		l.target = &l.who.Person // what a key has joined before stays joined
	}
	if l.joinedAlready() {
		l.target = nil
		return
	}
	if c.speaker() == event.ByKey && l.target.Key == l.who.Person.Key && l.target.Doc.height() > l.whose.Person.Doc.height() {
		// Of two merged persons it is the same who is whose; so trees stay low.
		c.Who, c.Whose, l.who, l.whose = c.Whose, c.Who, l.whose, l.who
		l.target = &l.who.Person
	}
}

// holds reports whether the rule lets the claim make a link.
func (l *linking) holds() bool {
	return l.result.Outcome == identity.Taken || l.result.Outcome == identity.Provisional
}

// saidByToken is what a token's claim is, given what is known of the identity.
func (l *linking) saidByToken() identity.Said {
	c, own := &l.claim, &l.who.Own.Doc
	switch link := own.Link; {
	case c.Said == identity.LinkPlaceholder || c.Said == identity.LinkUsers:
		return c.Said
	case own.Identified != "":
		return identity.LinkUsers
	case link == nil || link.To == c.Whose.Key:
		return c.Said
	case link.byKey():
		return identity.LinkDecided
	case !c.Link.before(link):
		return identity.LinkJoined
	}
	return c.Said
}

// joinedAlready reports whether the claim says nothing new.
func (l *linking) joinedAlready() bool {
	link, firm := l.target.Doc.Link, l.result.Outcome == identity.Taken
	if slices.Contains(l.whose.path, l.target.Key) { // one person already, the other way round
		return true
	}
	if link == nil {
		return false
	}
	if l.claim.speaker() == event.ByKey {
		return l.who.Person.Key == l.whose.Person.Key && (link.byKey() || link.To != l.claim.Whose.Key)
	}
	if link.To != l.claim.Whose.Key {
		return false
	}
	if firm == link.Provisional { // what is firm stays so
		return !firm
	}
	return link.byKey() || !l.claim.Link.before(link)
}

// changes reports whether there is anything to write.
func (l *linking) changes() bool {
	switch {
	case l.target != nil:
		return true
	case l.holds():
		return false
	}
	m := l.teller()
	if m == nil {
		return false
	}
	_, news := m.Doc.withNoEffect(l.result.Said, l.claim.hash())
	return news
}

// teller is whose document tells of a statement without effect: the identity that
// somebody tried to join, or the other one, if that is nobody.
func (l *linking) teller() *Member {
	for _, m := range []*Member{&l.who.Own, &l.whose.Own} {
		if m.Exists() && m.Doc.DistinctID != "" {
			return m
		}
	}
	return nil
}

func (c *Claim) hash() string {
	sum := sha256.Sum256([]byte(string(c.Who.Key) + string(c.Whose.Key) + c.Link.Event))
	return hex.EncodeToString(sum[:6])
}

func (l *linking) put(key Key, field string, value any) {
	if l.writes[key] == nil {
		l.writes[key] = map[string]any{}
	}
	l.writes[key][field] = value
}

// note keeps a statement without effect in a document.
func (l *linking) note(m *Member, said identity.Said, hash string) {
	if m == nil {
		return
	}
	if all, news := m.Doc.withNoEffect(said, hash); news {
		m.Doc.NoEffect, l.result.News = all, true
		l.put(m.Key, "no_effect", all)
	}
}

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
