package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

func TestReplay(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t, topology.Topics()...)
	dead := queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), 10*time.Second)
	for i := range 5 {
		attrs := map[string]string{queue.AttrProject: "app", queue.AttrOrigin: "m", "CloudPubSubDeadLetterSourceDeliveryCount": "20"}
		if i < 3 {
			attrs[queue.AttrReason] = "the payload is damaged"
		}
		if err := dead.Publish(t.Context(), []byte(fmt.Sprint("data", i)), attrs); err != nil {
			t.Fatal(err)
		}
	}
	work := func(o options) string {
		t.Helper()
		o.topic, o.idle = topology.TopicEvents, 2*time.Second
		var out strings.Builder
		n, err := replay(t.Context(), tenant.Default, ps, o, &out)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(out.String(), n)
	}
	if got := work(options{list: true}); !strings.HasSuffix(got, "5") || strings.Count(got, "payload is damaged") != 3 || strings.Count(got, "as many deliveries") != 2 {
		t.Errorf("list: %s", got)
	}
	if got := work(options{reason: "damaged"}); got != "3" {
		t.Errorf("by reason: %s", got)
	}
	if got := work(options{}); got != "2" {
		t.Errorf("the rest: %s", got)
	}
	if got := work(options{list: true}); got != "0" {
		t.Errorf("list, after all were put back: %s", got)
	}
	seen := map[string]bool{}
	for len(seen) < 5 {
		for _, m := range tenant.Pull(t, ps, topology.PushSubscription(topology.TopicEvents, "store"), 10) {
			seen[string(m.Data)] = true
			if len(m.Attributes) != 1 || m.Attributes[queue.AttrProject] != "app" {
				t.Errorf("attributes %v", m.Attributes)
			}
		}
	}
}

// What the function parks again at once is put back once, not for ever.
func TestReplayEnds(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t, topology.Topics()...)
	dead := queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), 10*time.Second)
	for _, data := range []string{"a", "b"} {
		if err := dead.Publish(t.Context(), []byte(data), map[string]string{queue.AttrReason: "the payload is damaged"}); err != nil {
			t.Fatal(err)
		}
	}
	tenant.Work(t, ps, topology.TopicEvents, "store", queue.Worker(dead, func(context.Context, *queue.Message) error {
		return fault.New(fault.Invalid, "the payload is damaged")
	}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := options{topic: topology.TopicEvents, idle: 2 * time.Second}
	var out strings.Builder
	if n, err := replay(ctx, tenant.Default, ps, o, &out); n != 2 || err != nil {
		t.Errorf("%d put back, %v", n, err)
	}
	o.list = true
	if n, err := replay(ctx, tenant.Default, ps, o, &out); n != 2 || err != nil {
		t.Errorf("%d are dead letters again, %v", n, err)
	}
}
