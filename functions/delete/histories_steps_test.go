package erase_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// push delivers a message once, and what its events say of who is who.
func (h *history) push(ctx context.Context, m *message) {
	if code := h.Push(ctx, h.t, h.store, m.data()); code == http.StatusNoContent {
		for _, c := range h.claims(m) {
			done, err := person.Connect(ctx, h.Databases, h.Project.ID, c)
			if err == nil && done.Pending != "" {
				err = join.Settle(ctx, h.Databases, h.Project.ID, done.Pending, func() bool { return true })
			}
			if err != nil {
				switch status.Code(err) { // as a message it would come again
				case codes.Aborted, codes.DeadlineExceeded, codes.Canceled:
				default:
					if ctx.Err() == nil {
						h.t.Error(err)
					}
				}
				return
			}
		}
		h.mu.Lock()
		m.acked = true
		h.mu.Unlock()
	} else if code != http.StatusServiceUnavailable {
		h.t.Errorf("store answers %d", code)
	}
}

// claims are those of a message's events.
func (h *history) claims(m *message) (all []person.Claim) {
	named := func(id string) person.Named { return person.Named{Key: h.personKey(id), DistinctID: id} }
	for i := range m.events {
		e := &m.events[i]
		claims, _, err := identity.NewReader().Claims(e)
		if err != nil {
			h.t.Error(err)
		}
		for _, c := range claims {
			all = append(all, person.Claim{Who: named(c.Who), Whose: named(c.Whose), Said: identity.LinkDevice,
				Link: person.Link{By: event.ByToken.String(), Event: e.Name, Received: e.Received.Time(), Message: e.InsertID}})
		}
	}
	return all
}

// work delivers the task of a deletion once.
func (h *history) work(ctx context.Context, worker http.Handler, id string) request.Status {
	r, err := request.Get(h.t.Context(), h.Default, h.Project.ID, id, request.Deletion)
	if err != nil {
		h.t.Error(err)
		return request.Failed
	}
	if !r.Status.Final() {
		task, _ := json.Marshal(map[string]any{"project": r.Project, "request": r.ID, "step": r.Step})
		if code := h.Push(ctx, h.t, worker, task); code != http.StatusNoContent && code != http.StatusServiceUnavailable {
			h.t.Errorf("worker answers %d", code)
		}
	}
	return r.Status
}

func (h *history) erase(ids []string) {
	h.t.Helper()
	asked := map[string]any{"distinct_ids": ids}
	if h.rng.IntN(3) == 0 {
		asked["scope"] = receipt.ScopePerson
	}
	body, _ := json.Marshal(asked)
	if d := h.ask(string(body)); !slices.Contains(h.asked, d.ID) {
		h.asked = append(h.asked, d.ID)
	}
}

// archive makes an export of some persons, finished, while no worker is at work.
func (h *history) archive(ids []string) {
	h.t.Helper()
	h.n++
	h.exports[h.exportAgain(fmt.Sprint(h.n), slices.Clone(ids)...).ID] = ids
}

// parkNew parks a message that was never delivered.
func (h *history) parkNew() {
	h.t.Helper()
	m := h.newMessage()
	h.messages = h.messages[:len(h.messages)-1]
	m.ops = nil
	for _, e := range m.events {
		h.parked[e.InsertID] = e
	}
	h.park(m.data())
}

// replay takes dead letters out, of which there is at least one, and delivers them.
func (h *history) replay() func() {
	h.t.Helper()
	h.later()
	h.parkNew()
	var all []*message
	for _, l := range h.Pull(h.t, h.ps, topology.DeadTopic(topology.TopicEvents), 1+h.rng.IntN(3)) {
		m := &message{}
		if err := event.Unpack(l.Data, func(e *event.Event) error { m.events = append(m.events, *e); return nil }, nil); err != nil {
			h.t.Fatal(err)
		}
		for _, e := range m.events {
			delete(h.parked, e.InsertID)
		}
		h.messages, all = append(h.messages, m), append(all, m)
	}
	return func() {
		for _, m := range all {
			h.push(h.t.Context(), m)
		}
	}
}

// later lets all that is on its way end, and the leases of those who were killed
// while they held one.
func (h *history) later() {
	h.t.Helper()
	h.running.Wait()
	for _, id := range h.asked {
		if _, err := request.Ref(h.Default, h.Project.ID, id).Update(h.t.Context(), []firestore.Update{{Path: "lease", Value: time.Time{}}}); err != nil {
			h.t.Fatal(err)
		}
	}
	if _, err := h.Default.Doc("sweeps/" + topology.DeadTopic(topology.TopicEvents)).Delete(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// end sees that all deletions end and all messages are acknowledged, in either
// order, and delivers everything again.
func (h *history) end() {
	h.t.Helper()
	h.later()
	if h.rng.IntN(2) == 0 {
		h.acknowledge(false)
	}
	for _, id := range h.asked {
		for tries := 0; ; tries++ {
			status := h.work(h.t.Context(), h.workers[h.rng.IntN(len(h.workers))], id)
			if status == request.Done {
				break
			}
			if status.Final() || tries == 60 {
				h.t.Fatalf("a deletion is %s", status)
			}
		}
	}
	h.acknowledge(false)
	h.acknowledge(true)
}

func (h *history) acknowledge(again bool) {
	h.t.Helper()
	for _, m := range h.messages {
		if m.acked = m.acked && !again; m.acked {
			continue
		}
		for range 2 * topology.MaxDeliveries {
			if !m.acked {
				h.push(h.t.Context(), m)
			}
		}
		if !m.acked {
			h.t.Fatal("store does not acknowledge")
		}
	}
}

// letters checks the dead letters, all of which come before one that comes last or
// are still expected. A link that came after the erasure reaches none of them: what is
// delivered of them again is dropped then.
func (v *verdict) letters() {
	expected := map[string]bool{"last": true}
	for _, e := range v.parked {
		if v.outlives(e.DistinctID, e.Received.Time()) {
			expected[e.InsertID] = true
		}
	}
	v.park(local.Payload([]event.Event{{Name: "Seen", DistinctID: "last", InsertID: "last", Time: event.Now(), Received: event.Now()}}))
	for len(expected) > 0 {
		for _, l := range v.Pull(v.t, v.ps, topology.DeadTopic(topology.TopicEvents), 100) {
			err := event.Unpack(l.Data, func(e *event.Event) error {
				delete(expected, e.InsertID)
				if !v.outlives(e.DistinctID, e.Received.Time()) {
					return fmt.Errorf("%s: a dead letter holds %s, from before the erasure", e.DistinctID, e.InsertID)
				}
				return nil
			}, nil)
			if err != nil {
				v.t.Error(err)
			}
		}
	}
}
