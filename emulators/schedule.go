package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// runSchedule stands for a job of Cloud Scheduler: it publishes the job's message at
// once and then at its interval, until the context ends.
func (s *system) runSchedule(ctx context.Context, job topology.Schedule) {
	publisher := queue.NewPublisher(s.client, job.Topic, 10*time.Second)
	tick := time.NewTicker(job.Every)
	defer tick.Stop()
	for {
		if err := publisher.Publish(ctx, []byte(job.Data), nil); err != nil && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "schedule | %s: %v\n", job.Topic, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
