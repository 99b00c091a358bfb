package retention_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// What became a dead letter after the receipt of an erasure, and was received before its
// fence, goes with the daily purge; what came later, and others', stays.
func TestLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	fence := start.AddDate(0, 0, -3)
	for id, fields := range map[string]map[string]any{
		"ann": {"erased_at": fence},
		"bob": {"distinct_id": "bob", "amendments": []amend.Amendment{{At: fence, Request: "r", Properties: []string{"email"}}}},
		"eve": {"distinct_id": "eve"},
	} {
		if _, err := w.ref(id).Set(t.Context(), fields, firestore.MergeAll); err != nil {
			t.Fatal(err)
		}
	}
	dead := queue.NewPublisher(w.ps, topology.DeadTopic(topology.TopicEvents), time.Minute)
	park := func(project string, data []byte) {
		t.Helper()
		if err := dead.Publish(t.Context(), data, map[string]string{queue.AttrProject: project, queue.AttrReason: "a test"}); err != nil {
			t.Fatal(err)
		}
	}
	const props = `{"email":"SECRET","plan":"free"}`
	park("app", local.Payload([]event.Event{ev("ann", "Before", 4, props)}, op("ann", "$set", props, 4)))
	park("app", local.Payload([]event.Event{ev("ann", "Before", 4, props), ev("ann", "After", 2, props), ev("bob", "Seen", 4, props), ev("eve", "Seen", 4, props), ev("nobody", "Seen", 4, props)},
		op("ann", "$set", props, 4), op("bob", "$set", props, 4)))
	park("gone", local.Payload([]event.Event{ev("ann", "Other", 4, props)}))
	park("", []byte("not ours"))
	park("app", []byte("nobody can read this"))

	if code := w.Push(t.Context(), t, w.worker, []byte("{}")); code != http.StatusNoContent {
		t.Fatal(code)
	}
	for swept := false; !swept; {
		for _, m := range w.Pull(t, w.ps, topology.PushSubscription(topology.TopicRetention, "retention-worker"), 10) {
			var task struct{ Letters bool }
			if err := json.Unmarshal(m.Data, &task); err != nil {
				t.Fatal(err)
			}
			swept = swept || task.Letters
			if code := w.Push(t.Context(), t, w.worker, m.Data); code != http.StatusNoContent {
				t.Fatalf("%s: %d", m.Data, code)
			}
		}
	}

	left := map[string]string{}
	for n := 4; n > 0; {
		for _, m := range w.Pull(t, w.ps, topology.DeadTopic(topology.TopicEvents), 10) {
			n--
			if m.Attributes[queue.AttrReason] != "a test" {
				t.Errorf("attributes %v", m.Attributes)
			}
			err := event.Unpack(m.Data,
				func(e *event.Event) error { left[e.DistinctID+" "+e.Name] = e.Properties; return nil },
				func(o *event.Op) error { left[o.DistinctID+" "+o.Name] = o.Value; return nil })
			if err != nil {
				left[string(m.Data)] = ""
			}
		}
	}
	const changed = `{"plan":"free"}`
	want := map[string]string{"ann After": props, "ann Other": props, "bob Seen": changed, "bob $set": changed, "eve Seen": props, "nobody Seen": props,
		"not ours": "", "nobody can read this": ""}
	if !maps.Equal(left, want) {
		t.Errorf("%v, want %v", slices.Sorted(maps.Keys(left)), slices.Sorted(maps.Keys(want)))
	}
}

// A sweep that does not come to its turn is left to another message.
func TestLettersTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Millisecond, nil)
	if _, err := w.Default.Doc("sweeps/"+topology.DeadTopic(topology.TopicEvents)).Create(t.Context(), map[string]any{"for": time.Hour}); err != nil {
		t.Fatal(err)
	}
	if code := w.Push(t.Context(), t, w.worker, []byte(`{"letters":true}`)); code != http.StatusNoContent {
		t.Fatal(code)
	}
	if m := w.Pull(t, w.ps, topology.PushSubscription(topology.TopicRetention, "retention-worker"), 1); string(m[0].Data) != `{"letters":true}` {
		t.Errorf("%s", m[0].Data)
	}
}
