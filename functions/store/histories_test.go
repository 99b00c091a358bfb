package store_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Random histories of events, links by token and key, refusals, unlinks, profile
// operations, consents and erasures, in any order of arrival, some delivered again and
// some sent twice, come to what a naive model says that knows receipts alone.
//
// LETHE_SEED=N runs one history again.
func TestHistories(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if v, err := strconv.ParseUint(os.Getenv("LETHE_SEED"), 10, 64); err == nil {
		seed = v
	}
	for i := range uint64(4) {
		t.Run(fmt.Sprint(seed+i), func(t *testing.T) {
			t.Parallel()
			h := &history{system: newSystem(t), rnd: rand.New(rand.NewPCG(seed+i, 0)), model: newModel(), now: t0}
			for range 7 {
				h.phase()
				h.barrier()
			}
			h.phase()
			h.check()
		})
	}
}

// history makes a random history and lets it happen.
type history struct {
	*system
	rnd   *rand.Rand
	model *model
	now   event.Millis
	past  [][]byte // messages of before, which may come again
	n     int
	said  int // statements of consent

	willing []string // users who have not denied when the phase began
	then    []func() // what the claims of a phase come to, once its events are judged
}

var (
	users   = []string{"u1", "u2", "u3", "u4"}
	devices = []string{"$device:d1", "$device:d2", "$device:d3", "$device:d4", "$device:d5"}
)

func (h *history) any(of ...[]string) string {
	all := slices.Concat(of...)
	return all[h.rnd.IntN(len(all))]
}

// receive is the receipt of what comes next: some share one.
func (h *history) receive() event.Millis {
	if h.rnd.IntN(3) > 0 {
		h.now++
	}
	h.n++
	return h.now
}

// phase makes some messages of one kind and delivers them in any order, some twice, and
// some of those before once more. Within a phase nothing is said that decides whether
// something else in it may be kept: which of the two arrives first would matter.
func (h *history) phase() {
	var messages [][]byte
	make := []func() []byte{h.says, h.claims, h.does}[h.rnd.IntN(3)]
	h.now++
	h.willing = slices.DeleteFunc(slices.Clone(users), func(u string) bool { return h.model.consentAt(u, h.now) == consent.Denied })
	h.then = nil
	for range 6 + h.rnd.IntN(8) {
		var payload []byte
		for range 1 + h.rnd.IntN(3) {
			payload = append(payload, make()...)
		}
		messages = append(messages, payload)
	}
	for _, then := range h.then {
		then()
	}
	h.model.compact()
	again := slices.Clone(messages)
	for _, m := range h.past {
		if h.rnd.IntN(4) == 0 {
			again = append(again, m)
		}
	}
	for _, m := range messages {
		if h.rnd.IntN(4) == 0 {
			again = append(again, m)
		}
	}
	h.past = append(h.past, messages...)
	h.rnd.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
	for _, m := range again {
		if h.rnd.IntN(8) == 0 {
			h.handler = h.instance()
		}
		h.deliver(m)
	}
	h.link()
}

// says is a statement of consent, by a token mostly. All of a history have room with one
// person: of those that have none it is told no more when they granted.
func (h *history) says() []byte {
	if h.said++; h.said > person.MaxSaid {
		return nil
	}
	state := []consent.State{consent.Granted, consent.Denied, consent.Granted, consent.Unset}[h.rnd.IntN(4)]
	o := says(h.any(users, devices), h.receive(), state)
	o.Request = fmt.Sprint("c", h.n)
	if h.rnd.IntN(4) == 0 {
		o.Speaker = event.ByKey
	}
	h.model.say(o, state)
	return opBatch(o)
}

// claims is an event that says who is who, rightly or not.
func (h *history) claims() []byte {
	h.now++ // of two links that were received at one time, the message would decide
	received := h.receive()
	if len(h.willing) == 0 {
		return nil
	}
	user, other, device := h.any(h.willing), h.any(users), h.any(devices)
	e := identify(h.n, "$identify", user, fmt.Sprintf(`{"$anon_distinct_id":%q}`, device), received)
	switch h.rnd.IntN(5) {
	case 0: // two users, by a page that did not reset
		e.Properties = fmt.Sprintf(`{"$anon_distinct_id":%q}`, other)
	case 1:
		e.Name, e.Properties = "$merge", fmt.Sprintf(`{"$distinct_ids":[%q,%q]}`, user, other)
	case 2:
		e.Name, e.Properties = "Seen", fmt.Sprintf(`{"$user_id":%q,"$device_id":%q}`, user, device[len(identity.DevicePrefix):])
		fallthrough
	default:
		h.t.Logf("%d: %s is %s's", received, device, user)
		h.then = append(h.then, func() { h.model.claim(device, user, received) })
	}
	h.model.happen(e)
	return batch(e)
}

// does is an event or a profile operation.
func (h *history) does() []byte {
	id, received := h.any(users, devices), h.receive()
	if h.rnd.IntN(2) == 0 {
		e := ev(id, h.n, received)
		h.model.happen(e)
		return batch(e)
	}
	name, value := randomOp(h.rnd)
	h.t.Logf("%d: %s: %s %s, kept %v", received, id, name, value, h.model.keeps(id, received))
	o := event.Op{DistinctID: id, Name: name, Value: value, Received: received, Request: fmt.Sprintf("r%03d", h.n), Speaker: event.ByKey}
	h.model.operate(o)
	return opBatch(o)
}

// barrier is what a key or a request does, once all that came before has been stored.
func (h *history) barrier() {
	h.t.Helper()
	h.now += 2
	at := h.now
	h.now += 2
	user, other, device := h.any(users), h.any(users), h.any(devices)
	what := h.rnd.IntN(5)
	h.t.Logf("%d: barrier %d with %s, %s, %s", at, what, user, other, device)
	switch what {
	case 0:
		h.connect(other, user, at)
	case 1:
		if !h.model.fixed[device] {
			h.connect(device, user, at)
		}
	case 2, 3:
		done, err := person.Disconnect(ctx, h.Databases, "app", h.key(user), h.key(device), "", at.Time())
		joined := h.model.person(user) == h.model.person(device)
		if (err == nil) != joined {
			h.t.Fatalf("taking back the link of %s and %s: got %v, want that there is one: %v", user, device, err, joined)
		}
		if joined {
			h.settle(done.Pending)
			h.model.disconnect(device)
			h.past = nil // each half is judged by what was said under its own ids
		}
	case 4:
		h.erasePerson(user, at)
		h.model.erase(user, at)
	}
	h.model.compact()
}

// connect has a key say that an identity is a user's.
func (h *history) connect(who, whose string, at event.Millis) {
	h.t.Helper()
	if who == whose {
		return
	}
	named := func(id string) person.Named { return person.Named{Key: h.key(id), DistinctID: id} }
	c, said := identity.Claim{Who: who, Whose: whose}.Weigh("")
	done, err := person.Connect(ctx, h.Databases, "app", person.Claim{Who: named(c.Who), Whose: named(c.Whose), Said: said,
		Link: person.Link{By: event.ByKey.String(), Received: at.Time()}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.settle(done.Pending)
	h.model.connect(who, whose, at)
}

func (h *history) settle(key person.Key) {
	h.t.Helper()
	if key == "" {
		return
	}
	if err := join.Settle(ctx, h.Databases, "app", key, func() bool { return true }); err != nil {
		h.t.Fatal(err)
	}
}

// erasePerson does what a deletion does: the fence first, then each identity.
func (h *history) erasePerson(id string, fence event.Millis) {
	h.t.Helper()
	found, err := person.Find(person.Reader(ctx, h.Default), h.Default, "app", h.key(id))
	if err != nil {
		h.t.Fatal(err)
	}
	all, err := person.AllMembers(ctx, h.Default, "app", found.Person)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range all {
		fields := m.Doc.Erase(fence.Time(), false, &found.Person.Doc)
		fields["pending"] = person.Pending{Erase: true}
		if _, err := m.Snap.Ref.Set(ctx, fields, mergeAll); err != nil {
			h.t.Fatal(err)
		}
		h.settle(m.Key)
		if _, err := person.SettleOptOuts(ctx, h.Databases, "app", []person.Key{m.Key}, fence.Time()); err != nil {
			h.t.Fatal(err)
		}
	}
}

// check compares what is stored with what the model says.
func (h *history) check() {
	h.t.Helper()
	everybody := slices.Concat(users, devices)
	for _, id := range everybody {
		got, err := person.Find(person.Reader(ctx, h.Default), h.Default, "app", h.key(id))
		if err != nil {
			h.t.Fatal(err)
		}
		members, err := person.AllMembers(ctx, h.Default, "app", got.Person)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, other := range everybody {
			is := slices.ContainsFunc(members, func(m person.Member) bool { return m.Key == h.key(other) })
			if want := h.model.person(other) == h.model.person(id); is != want {
				h.t.Errorf("%s is one with %s: got %v, want %v", id, other, is, want)
			}
		}
		if got, want := got.Own.Doc.ErasedAt, h.model.fences[id]; want == 0 && !got.IsZero() || want > 0 && !got.Equal(want.Time()) {
			h.t.Errorf("the fence of %s: got %v, want %v", id, got, want.Time())
		}
		if got, want := got.Person.Doc.Consent.State, inForce(h.model.said[h.model.person(id)], all); got != want {
			h.t.Errorf("the consent of %s: got %q, want %q", id, got, want)
		}
		want, err := h.model.profile(id)
		if err != nil {
			h.t.Fatal(err)
		}
		if got := cmp.Or(got.Person.Doc.Profile, "{}"); got != want {
			h.t.Errorf("the profile of %s: got %s, want %s", id, got, want)
		}
		if got, _ := h.stored(id); !slices.Equal(got, h.model.stored(id)) {
			h.t.Errorf("the events of %s: got %v, want %v", id, got, h.model.stored(id))
		}
	}
}
