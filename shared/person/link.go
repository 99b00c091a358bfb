package person

import (
	"cmp"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
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
