package store_test

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// model says what a history comes to. It knows what was sent, in the order of receipt, and
// nothing of how it arrived.
type model struct {
	user   map[string]string        // of a device: whose it is
	linked map[string]event.Millis  // of a device: receipt of its link
	fixed  map[string]bool          // devices of which a key has said whose they are
	merged map[string]string        // of a user: the one by whom the merged ones are named
	fences map[string]event.Millis  //
	said   map[string][]modelSaid   // by person
	ops    map[string][]event.Op    // by identity
	events map[string][]event.Event // by identity
}

type modelSaid struct {
	under string
	state consent.State
	key   bool
	at    event.Millis
	from  event.Millis
}

func newModel() *model {
	return &model{
		user: map[string]string{}, linked: map[string]event.Millis{}, fixed: map[string]bool{}, merged: map[string]string{},
		fences: map[string]event.Millis{}, said: map[string][]modelSaid{}, ops: map[string][]event.Op{}, events: map[string][]event.Event{},
	}
}

// person names the person whose an identity is.
func (m *model) person(id string) string {
	if u, ok := m.user[id]; ok {
		id = u
	}
	return cmp.Or(m.merged[id], id)
}

func (m *model) members(person string) (ids []string) {
	for _, id := range slices.Concat(users, devices) {
		if m.person(id) == person {
			ids = append(ids, id)
		}
	}
	return ids
}

// consentAt is the state by which something is judged that was received of an identity
// at a time.
func (m *model) consentAt(id string, at event.Millis) consent.State {
	joined := at >= m.linked[id]
	return inForce(m.said[m.person(id)], func(s modelSaid) bool {
		return s.at <= at && (s.state == consent.Denied || s.under == id || s.under == "" || joined && at >= s.from)
	})
}

func inForce(said []modelSaid, counts func(modelSaid) bool) consent.State {
	rank := map[consent.State]int{consent.Unset: 1, consent.Granted: 2, consent.Denied: 3}
	bit := map[bool]int{true: 1}
	said = slices.Clone(said)
	slices.SortStableFunc(said, func(a, b modelSaid) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(bit[a.key], bit[b.key]), cmp.Compare(rank[a.state], rank[b.state]))
	})
	var now consent.State
	locked := false
	for _, s := range said {
		if counts(s) && (s.key || !locked) {
			now, locked = s.state, s.key && s.state == consent.Denied
		}
	}
	return now
}

func all(modelSaid) bool { return true }

func (m *model) keeps(id string, at event.Millis) bool {
	return at > m.fences[id] && m.consentAt(id, at) != consent.Denied
}

func (m *model) say(o event.Op, state consent.State) {
	p := m.person(o.DistinctID)
	m.said[p] = append(m.said[p], modelSaid{under: o.DistinctID, state: state, key: o.Speaker == event.ByKey, at: o.Received})
}

func (m *model) operate(o event.Op) {
	deletes := o.Name == "$delete" && o.Received > m.fences[o.DistinctID] // needs no consent
	if deletes || m.keeps(o.DistinctID, o.Received) {
		m.ops[o.DistinctID] = append(m.ops[o.DistinctID], o)
	}
}

func (m *model) happen(e event.Event) {
	if m.keeps(e.DistinctID, e.Received) {
		m.events[e.DistinctID] = append(m.events[e.DistinctID], e)
	}
}

// claim is a token's word that a device is a user's; they come in the order of receipt.
func (m *model) claim(device, user string, at event.Millis) {
	if _, has := m.user[device]; !has && !m.fixed[device] && at > m.fences[device] {
		m.join(device, user, at)
	}
}

// join makes a device a user's, and what was said under it the person's.
func (m *model) join(device, user string, at event.Millis) {
	from := m.person(device)
	var kept, moved []modelSaid
	for _, s := range m.said[from] {
		if from == device || s.under == device {
			s.under, s.from = cmp.Or(s.under, device), max(s.from, at)
			moved = append(moved, s)
		} else {
			kept = append(kept, s)
		}
	}
	m.said[from] = kept
	m.user[device], m.linked[device] = user, at
	p := m.person(device)
	m.said[p] = append(m.said[p], moved...)
}

// connect is a key's word that an identity is a user's.
func (m *model) connect(id, user string, at event.Millis) {
	switch {
	case id == user:
	case slices.Contains(devices, id):
		if m.person(id) != m.person(user) {
			m.join(id, user, at)
		}
		if m.user[id] == user {
			m.fixed[id] = true
		}
	case m.person(id) != m.person(user):
		p, q := m.person(id), m.person(user)
		for _, s := range m.said[p] {
			s.from = max(s.from, at)
			m.said[q] = append(m.said[q], s)
		}
		delete(m.said, p)
		for _, u := range users {
			if cmp.Or(m.merged[u], u) == p {
				m.merged[u] = q
			}
		}
		m.linked[p] = at
	}
}

// disconnect takes a device back from its user.
func (m *model) disconnect(device string) {
	p := m.person(device)
	denied := inForce(m.said[p], all) == consent.Denied
	var kept, moved []modelSaid
	for _, s := range m.said[p] {
		if s.under == device {
			s.from = 0
			moved = append(moved, s)
		} else {
			kept = append(kept, s)
		}
	}
	if denied { // what restricts stays with both
		last := m.denial(p)
		if last.under == device {
			kept = append(kept, last)
		} else {
			moved = append(moved, last)
		}
	}
	delete(m.user, device)
	delete(m.linked, device)
	m.fixed[device] = true
	m.said[p], m.said[device] = kept, moved
}

// denial is the statement by which a person is denied.
func (m *model) denial(person string) (last modelSaid) {
	var before []modelSaid
	said := slices.Clone(m.said[person])
	slices.SortStableFunc(said, func(a, b modelSaid) int { return cmp.Compare(a.at, b.at) })
	for _, s := range said {
		was := inForce(before, all)
		before = append(before, s)
		if now := inForce(before, all); now == consent.Denied && (was != consent.Denied || s.state == consent.Denied) {
			last = s
		}
	}
	return last
}

// erase forgets the person whose an identity is; a denial stays with each identity.
func (m *model) erase(id string, at event.Millis) {
	p := m.person(id)
	denied := inForce(m.said[p], all) == consent.Denied
	last := m.denial(p)
	members := m.members(p)
	delete(m.said, p)
	for _, id := range members {
		m.fences[id] = at
		delete(m.user, id)
		delete(m.linked, id)
		delete(m.fixed, id)
		delete(m.merged, id)
		delete(m.ops, id)
		delete(m.events, id)
		if denied {
			m.said[id] = []modelSaid{{state: consent.Denied, key: last.key, at: last.at}}
		}
	}
	for _, u := range users { // the one by whom others are named may be gone from them
		if m.merged[u] != "" && slices.Contains(members, m.merged[u]) {
			delete(m.merged, u)
		}
	}
}

// compact forgets what a $delete has taken away, as long as those who are one now are.
func (m *model) compact() {
	for _, p := range slices.Concat(users, devices) {
		ops := m.operations(p)
		at := -1
		for i, o := range ops {
			if o.Name == "$delete" {
				at = i
			}
		}
		if at < 0 || m.person(p) != p {
			continue
		}
		for _, id := range m.members(p) {
			m.ops[id] = slices.DeleteFunc(m.ops[id], func(o event.Op) bool { return compareOps(o, ops[at]) < 0 })
		}
	}
}

func compareOps(a, b event.Op) int {
	return cmp.Or(cmp.Compare(a.Received, b.Received), strings.Compare(a.Request, b.Request))
}

func (m *model) operations(person string) (ops []event.Op) {
	for _, id := range m.members(person) {
		ops = append(ops, m.ops[id]...)
	}
	slices.SortFunc(ops, compareOps)
	return ops
}

func (m *model) profile(id string) (string, error) {
	p, err := profile.Apply(profile.Profile{}, m.operations(m.person(id)))
	return p.JSON(), err
}

// stored are the insert ids of an identity's events, sorted.
func (m *model) stored(id string) (ids []string) {
	for _, e := range m.events[id] {
		ids = append(ids, e.InsertID)
	}
	slices.Sort(ids)
	return ids
}
