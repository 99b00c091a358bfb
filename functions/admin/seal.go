package admin

import (
	"context"

	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/queue"
)

type worker struct {
	sealer *seal.Sealer
	seals  *queue.Publisher
}

// seal seals the log of the message's project. The message of the schedule has none,
// and becomes one for each project that has something to be sealed.
func (w *worker) seal(ctx context.Context, m *queue.Message) error {
	if p := m.Attributes[queue.AttrProject]; p != "" {
		return w.sealer.Seal(ctx, p)
	}
	projects, err := w.sealer.Waiting(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		if err := w.seals.Publish(ctx, []byte("{}"), map[string]string{queue.AttrProject: p}); err != nil {
			return err
		}
	}
	return nil
}
