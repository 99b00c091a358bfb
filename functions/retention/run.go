package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// runsCollection holds a project's runs, below its document, by day.
const runsCollection = "retention_runs"

// Run is the record of one day's purge of a project, and its position.
type Run struct {
	Day      string    `firestore:"day"`
	Started  time.Time `firestore:"started"`
	Finished time.Time `firestore:"finished,omitempty"`
	Days     int       `firestore:"days"` // retention in force
	Held     bool      `firestore:"held"` // by a legal hold on the project: only archives went
	Counts   Counts    `firestore:"counts"`
	Oldest   string    `firestore:"oldest"`  // day of the oldest event left, but for those on hold
	Overdue  bool      `firestore:"overdue"` // Oldest is over overdueDays past retention

	Step  int       `firestore:"step"`
	Lease time.Time `firestore:"lease"`

	Stage    int          `firestore:"stage"`
	Cursor   cursor       `firestore:"cursor"`
	People   person.Key   `firestore:"people"`    // cursor of the stage of operations
	Check    []person.Key `firestore:"check"`     // identities of which perhaps nothing is left
	Group    []mark       `firestore:"group"`     // the rules that are being applied; Through and Swept as they will be
	GroupLow string       `firestore:"group_low"` // the first day on which they are
	Marks    []mark       `firestore:"marks"`     // how far rules have been applied
}

// Counts is what a run came to.
type Counts struct {
	Scanned    int `firestore:"scanned" json:"scanned"`       // chunks looked at
	Chunks     int `firestore:"chunks" json:"chunks"`         // purged whole
	Events     int `firestore:"events" json:"events"`         // purged, by retention or by a rule
	Changed    int `firestore:"changed" json:"changed"`       // events that lost a property by a rule
	Operations int `firestore:"operations" json:"operations"` // documents of profile operations that lost a property, or all
	Persons    int `firestore:"persons" json:"persons"`       // of whom nothing was left
	Archives   int `firestore:"archives" json:"archives"`     // objects of old exports
}

// cursor is the last chunk that has been dealt with.
type cursor struct {
	Day    string     `firestore:"day,omitempty"`
	Person person.Key `firestore:"person,omitempty"`
	Chunk  string     `firestore:"chunk,omitempty"`
}

// mark says how far a rule has been applied.
type mark struct {
	Rule    retention.Rule `firestore:"rule"`
	Through string         `firestore:"through"` // the first day that it has not been applied to
	Swept   string         `firestore:"swept"`   // the last day on which it was applied to all days
}

func runRef(db *firestore.Client, projectID, day string) *firestore.DocumentRef {
	return retention.Ref(db, projectID).Collection(runsCollection).Doc(day)
}

func decodeRun(snap *firestore.DocumentSnapshot) (*Run, error) {
	r := &Run{}
	if err := snap.DataTo(r); err != nil {
		return nil, fmt.Errorf("decode a run: %w", err)
	}
	return r, nil
}

// listRuns reads runs before a day, the newest first; an empty day takes all.
func listRuns(ctx context.Context, db *firestore.Client, projectID, before string, most int) ([]*Run, error) {
	q := retention.Ref(db, projectID).Collection(runsCollection).OrderBy("day", firestore.Desc).Limit(most)
	if before != "" {
		q = q.StartAfter(before)
	}
	docs := q.Documents(ctx)
	defer docs.Stop()
	var all []*Run
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		r, err := decodeRun(snap)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}
