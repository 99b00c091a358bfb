package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/retention"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Limits of requests and answers.
const (
	maxBody  = 1 << 20
	lastRuns = 5
	runsPage = 100
	byLength = 12 // how much of a key's hash an answer tells
)

// Settings is what is kept for how long.
type Settings struct {
	RetentionDays *int             `json:"retention_days"` // null: unlimited
	Rules         []retention.Rule `json:"rules"`
}

// Pending is a shortening that has not taken effect.
type Pending struct {
	Settings
	EffectiveAt time.Time `json:"effective_at"`
	By          string    `json:"by"`
}

// Hold says whether there is a legal hold.
type Hold struct {
	Held   bool      `json:"held"`
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// RunRecord is what one day's purge came to.
type RunRecord struct {
	Day        string    `json:"day"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Seconds    float64   `json:"seconds,omitempty"`
	Held       bool      `json:"held,omitempty"`
	Counts
	OldestEvent string `json:"oldest_event,omitempty"` // its day
	Overdue     bool   `json:"overdue"`
}

// Answer is that of /v1/retention.
type Answer struct {
	Settings
	Pending *Pending    `json:"pending,omitempty"`
	Hold    Hold        `json:"hold"`
	Runs    []RunRecord `json:"runs"`
}

// Runs is the answer of /v1/retention/runs: the newest first.
type Runs struct {
	Runs       []RunRecord `json:"runs"`
	NextCursor string      `json:"next_cursor,omitempty"` // absent at the end
}

func newSettings(days int, rules []retention.Rule) Settings {
	s := Settings{Rules: append([]retention.Rule{}, rules...)}
	if days != retention.Unlimited {
		s.RetentionDays = &days
	}
	return s
}

func newHold(h *person.Hold) Hold {
	if h == nil {
		return Hold{}
	}
	return Hold{Held: true, Since: h.Since.UTC(), Reason: h.Reason, By: short(h.Actor)}
}

func short(hash string) string { return hash[:min(len(hash), byLength)] }

func newRecords(runs []*Run) []RunRecord {
	all := []RunRecord{}
	for _, r := range runs {
		rec := RunRecord{Day: r.Day, StartedAt: r.Started.UTC(), Held: r.Held, Counts: r.Counts, OldestEvent: r.Oldest, Overdue: r.Overdue}
		if !r.Finished.IsZero() {
			rec.FinishedAt, rec.Seconds = r.Finished.UTC(), r.Finished.Sub(r.Started).Seconds()
		}
		all = append(all, rec)
	}
	return all
}

// body is what retention is to be.
type body struct {
	RetentionDays jsontext.Value    `json:"retention_days"`
	Rules         *[]retention.Rule `json:"rules"` // absent: as they are
}

// over checks a body and gives the settings that it makes of those now; rules that it does
// not name stay.
func (b *body) over(now retention.Settings) (retention.Settings, error) {
	var days *int
	if len(b.RetentionDays) == 0 {
		return now, fault.InField("retention_days", "is required; null is unlimited")
	}
	if err := json.Unmarshal(b.RetentionDays, &days); err != nil {
		return now, fault.InField("retention_days", "must be a whole number, or null for unlimited")
	}
	to := retention.Settings{Days: retention.Unlimited, Rules: now.Rules}
	if days != nil {
		if to.Days = *days; to.Days == retention.Unlimited { // is written null
			to.Days = 0
		}
	}
	if b.Rules != nil {
		to.Rules = *b.Rules
	}
	return to, to.Check()
}

// get answers GET /v1/retention.
func (s *server) get(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	d, err := retention.Read(ctx, s.db, caller.Project, s.config.now())
	if err != nil {
		return err
	}
	return s.answer(ctx, caller, w, d, http.StatusOK)
}

func (s *server) answer(ctx context.Context, caller *access.Call, w http.ResponseWriter, d retention.Doc, code int) error {
	runs, err := listRuns(ctx, s.db, caller.Project, "", lastRuns)
	if err != nil {
		return err
	}
	a := Answer{Settings: newSettings(d.Days, d.Rules), Hold: newHold(d.Hold), Runs: newRecords(runs)}
	if p := d.Pending; p != nil {
		a.Pending = &Pending{newSettings(p.Days, p.Rules), p.EffectiveAt.UTC(), short(p.By)}
	}
	if code != http.StatusOK {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
	}
	web.WriteJSON(w, a)
	return nil
}

// put answers PUT /v1/retention: 202 if a part of the change has to wait.
func (s *server) put(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	var b body
	if err := web.ReadJSON(w, r, maxBody, &b); err != nil {
		return err
	}
	now := s.config.now()
	d, err := s.change(ctx, caller, now, func(d retention.Doc) (retention.Doc, error) {
		to, err := b.over(d.Settled(now).Settings())
		if err != nil {
			return d, err
		}
		return d.Change(to, now, caller.KeyHash), nil
	})
	if err != nil {
		return err
	}
	if d.Pending != nil {
		return s.answer(ctx, caller, w, d, http.StatusAccepted)
	}
	return s.answer(ctx, caller, w, d, http.StatusOK)
}

// takeBack answers DELETE /v1/retention/pending.
func (s *server) takeBack(ctx context.Context, caller *access.Call, w http.ResponseWriter, _ *http.Request) error {
	now := s.config.now()
	d, err := s.change(ctx, caller, now, func(d retention.Doc) (retention.Doc, error) {
		if d = d.Settled(now); d.Pending == nil {
			return d, fault.New(fault.NotFound, "no change is pending; one that has taken effect cannot be taken back")
		}
		d.Pending = nil
		d.Version++
		return d, nil
	})
	if err != nil {
		return err
	}
	return s.answer(ctx, caller, w, d, http.StatusOK)
}

// change changes the settings as they are stored, and keeps a record of it.
func (s *server) change(ctx context.Context, caller *access.Call, now time.Time, by func(retention.Doc) (retention.Doc, error)) (d retention.Doc, err error) {
	ref := retention.Ref(s.db, caller.Project)
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil {
			return err
		}
		read, err := retention.Decode(snap)
		if err != nil {
			return err
		}
		if d, err = by(read); err != nil {
			return err
		}
		return d.Store(tx, ref, read, now, caller.KeyHash)
	})
	if err != nil {
		return d, fmt.Errorf("change retention: %w", err)
	}
	return d, nil
}

// runs answers GET /v1/retention/runs.
func (s *server) runs(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	before := q.Date("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	day := ""
	if !before.IsZero() {
		day = before.Format(time.DateOnly)
	}
	page, err := listRuns(ctx, s.db, caller.Project, day, runsPage+1)
	if err != nil {
		return err
	}
	a := Runs{}
	if len(page) > runsPage {
		page = page[:runsPage]
		a.NextCursor = page[runsPage-1].Day
	}
	a.Runs = newRecords(page)
	web.WriteJSON(w, a)
	return nil
}
