package retention

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Preview is what a purge would do today under settings. If it is not complete, the
// counts are lower bounds.
type Preview struct {
	Settings
	KeptFrom string `json:"kept_from,omitempty"` // the first day that is kept
	Chunks   int    `json:"chunks"`              // to be purged whole
	Events   int    `json:"events"`              // to be purged, by retention or by a rule
	Changed  int    `json:"changed"`             // events that would lose a property
	Complete bool   `json:"complete"`
}

// preview answers POST /v1/retention/preview. It changes nothing.
func (s *server) preview(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	now := s.config.now()
	d, err := retention.Read(ctx, s.db, caller.Project, now)
	if err != nil {
		return err
	}
	var b body
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	to, err := b.over(d.Settings())
	if err != nil {
		return err
	}
	c := &counter{server: s, project: caller.Project, today: now.Truncate(24 * time.Hour), end: time.Now().Add(s.config.PreviewTime)}
	c.Settings = newSettings(to.Days, to.Rules)
	c.KeptFrom = retention.Cutoff(to.Days, c.today)
	if d.Hold == nil {
		if c.held, err = readHeld(ctx, s.db, caller.Project); err != nil {
			return err
		}
		if err := c.chunks(ctx); err != nil {
			return err
		}
		if err := c.rules(ctx, to); err != nil {
			return err
		}
	}
	c.Complete = !c.late
	web.WriteJSON(w, c.Preview)
	return nil
}

// counter counts what would go, in constant memory and until its time is over.
type counter struct {
	Preview
	*server
	project string
	today   time.Time
	end     time.Time
	late    bool
	held    map[person.Key]bool // identities
}

// each goes through the chunks of a query that are not on hold.
func (c *counter) each(ctx context.Context, q firestore.Query, fn func(*chunk.Doc) error) error {
	docs := q.Documents(ctx)
	defer docs.Stop()
	for {
		if c.late = !time.Now().Before(c.end); c.late {
			return nil
		}
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("count chunks: %w", err)
		}
		if c.held[owner(snap)] {
			continue
		}
		var doc chunk.Doc
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode chunk: %w", err)
		}
		if err := fn(&doc); err != nil {
			return err
		}
	}
}

func (c *counter) chunks(ctx context.Context) error {
	if c.KeptFrom == "" {
		return nil
	}
	q := chunksOf(c.db, c.project, "", c.KeptFrom, cursor{})
	err := c.each(ctx, q.Select("count"), func(d *chunk.Doc) error {
		c.Chunks++
		c.Events += d.Count
		return nil
	})
	if err != nil || !c.late || len(c.held) > 0 {
		return err
	}
	// Of the chunks at least the number is known: the index has it.
	n, err := q.NewAggregationQuery().WithCount("n").Get(ctx)
	if err != nil {
		return fmt.Errorf("count chunks: %w", err)
	}
	if v, ok := n["n"].(*firestorepb.Value); ok {
		c.Chunks = int(v.GetIntegerValue())
	}
	return nil
}

// rules counts what the rules take of the days that are kept.
func (c *counter) rules(ctx context.Context, s retention.Settings) error {
	if len(s.Rules) == 0 || c.late {
		return nil
	}
	last := ""
	for _, r := range s.Rules {
		last = max(last, retention.Cutoff(r.Days, c.today))
	}
	day, reached := "", retention.Settings{}
	var change func(*event.Event) (bool, bool, error)
	return c.each(ctx, chunksOf(c.db, c.project, c.KeptFrom, last, cursor{}), func(d *chunk.Doc) (err error) {
		if d.Day != day {
			day, reached.Rules = d.Day, nil
			for _, r := range s.Rules {
				if day < retention.Cutoff(r.Days, c.today) {
					reached.Rules = append(reached.Rules, r)
				}
			}
			if change, err = changeBy(reached.Rules); err != nil {
				return err
			}
		}
		return event.Unpack(d.Data, func(e *event.Event) error {
			keep, changed, err := change(e)
			if !keep && err == nil {
				c.Events++
			} else if changed {
				c.Changed++
			}
			return err
		}, nil)
	})
}
