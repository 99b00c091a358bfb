package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// BenchmarkLinkFlood sends 40 messages of 2,000 $identify each for one project, and one
// event at a time for another: how long is it until that is stored?
func BenchmarkLinkFlood(b *testing.B) {
	for range b.N {
		s := newSystem(b)
		other := s.AddProject(b, "other")
		s.Work(b, s.ps, topology.TopicEvents, "store", s.handler)
		s.Work(b, s.ps, topology.TopicLinks, "link-worker", s.linker)
		quiet := s.latencies(b, other, "quiet", 40)
		for m := range 40 {
			var payload []byte
			for i := range 2000 {
				e := identify(m*2000+i, "$identify", fmt.Sprint("user", m), fmt.Sprintf(`{"$anon_distinct_id":"$device:%d-%d"}`, m, i), event.Now())
				payload = event.AppendEvent(payload, &e)
			}
			s.publish(b, "app", payload)
		}
		flooded := s.latencies(b, other, "flooded", 200)
		b.ReportMetric(quiet.Seconds()*1000, "p99-ms-quiet")
		b.ReportMetric(flooded.Seconds()*1000, "p99-ms-flooded")
	}
}

func (s *system) publish(b *testing.B, project string, payload []byte) {
	b.Helper()
	m := &pubsub.Message{Data: event.Pack(payload), Attributes: map[string]string{queue.AttrProject: project}}
	if _, err := s.ps.Publisher(topology.TopicEvents).Publish(ctx, m).Get(ctx); err != nil {
		b.Fatal(err)
	}
}

// latencies gives the 99th percentile of the time from publishing an event to its being
// stored, of so many persons one after the other.
func (s *system) latencies(b *testing.B, p project.Project, name string, n int) time.Duration {
	b.Helper()
	var all []time.Duration
	for i := range n {
		e := ev(fmt.Sprint(name, i), i, event.Now())
		ref := person.Ref(s.Default, p.ID, person.MakeKey(p.Secret, e.DistinctID))
		start := time.Now()
		s.publish(b, p.ID, event.AppendEvent(nil, &e))
		local.Eventually(b, time.Minute, func() error {
			_, err := ref.Get(ctx)
			return err
		})
		all = append(all, time.Since(start))
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
