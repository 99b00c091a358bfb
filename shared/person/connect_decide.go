package person

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
)

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
