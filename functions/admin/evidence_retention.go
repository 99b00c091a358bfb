package admin

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// EvidenceRun is one day's purge.
type EvidenceRun struct {
	Day        string         `json:"day" firestore:"day"`
	StartedAt  time.Time      `json:"started_at" firestore:"started"`
	FinishedAt time.Time      `json:"finished_at,omitzero" firestore:"finished"`
	Days       int            `json:"retention_days" firestore:"days"` // -1: unlimited
	Held       bool           `json:"held" firestore:"held"`           // by a legal hold
	Counts     map[string]int `json:"counts" firestore:"counts"`
	Oldest     string         `json:"oldest_day" firestore:"oldest"`
	Overdue    bool           `json:"overdue" firestore:"overdue"`
}

// EvidenceRetention is what retention was made at a time.
type EvidenceRetention struct {
	Number  int              `json:"version"`
	Days    int              `json:"retention_days"` // -1: unlimited
	Rules   []retention.Rule `json:"retention_rules"`
	Pending *EvidencePending `json:"pending,omitempty"`
	By      string           `json:"by"`
	At      time.Time        `json:"at"`
}

// EvidencePending is a shortening that took effect later, unless it was taken back.
type EvidencePending struct {
	Days        int              `json:"retention_days"`
	Rules       []retention.Rule `json:"retention_rules"`
	EffectiveAt time.Time        `json:"effective_at"`
}

// retentionOf reads what retention is, and was.
func (s *server) retentionOf(ctx context.Context, e *Evidence, p *project.Project) error {
	policy, err := retention.Read(ctx, s.DB, p.ID, e.GeneratedAt)
	if err != nil {
		return err
	}
	e.RetentionDays, e.RetentionRules = policy.Days, append([]retention.Rule{}, policy.Rules...)
	changes, err := retention.History(ctx, s.DB, p.ID, maxEvidence+1)
	if err != nil {
		return err
	}
	list := make([]EvidenceRetention, len(changes))
	for i, c := range changes {
		list[i] = EvidenceRetention{Number: c.Number, Days: c.Days, Rules: append([]retention.Rule{}, c.Rules...), By: c.By, At: c.At.UTC()}
		if next := c.Pending; next != nil {
			list[i].Pending = &EvidencePending{next.Days, append([]retention.Rule{}, next.Rules...), next.EffectiveAt.UTC()}
		}
	}
	e.RetentionHistory = cut(e, "retention_history", list)
	return nil
}

// runsOf reads the records that the function retention keeps.
func (s *server) runsOf(ctx context.Context, e *Evidence, p *project.Project) error {
	q := s.DB.Collection("projects/"+p.ID+"/retention_runs").OrderBy("day", firestore.Desc).Limit(maxEvidence+1).
		Select("day", "started", "finished", "days", "held", "counts", "oldest", "overdue")
	var list []EvidenceRun
	err := each(ctx, q, func(snap *firestore.DocumentSnapshot) error {
		var r EvidenceRun
		if err := snap.DataTo(&r); err != nil {
			return err
		}
		r.StartedAt, r.FinishedAt = r.StartedAt.UTC(), r.FinishedAt.UTC()
		list = append(list, r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read retention runs: %w", err)
	}
	e.Retention = cut(e, "retention_runs", list)
	return nil
}
