package access

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/logging"
	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// LogName is the log in Cloud Logging.
const LogName = "access"

// WriteTimeout is how long the writing of an entry may take.
const WriteTimeout = 10 * time.Second

// Log writes entries.
type Log struct {
	db      *firestore.Client
	logger  *logging.Logger
	timeout time.Duration
}

// OpenLog opens Cloud Logging beside a database that is open already.
func OpenLog(ctx context.Context, c gcp.Config, db *firestore.Client) (*Log, error) {
	client, err := gcp.OpenLogging(ctx, c)
	if err != nil {
		return nil, err
	}
	// Named here, so that the client does not ask the metadata server for it.
	global := &monitoredres.MonitoredResource{Type: "global", Labels: map[string]string{"project_id": c.Project}}
	return NewLog(db, client.Logger(LogName, logging.CommonResource(global)), WriteTimeout), nil
}

// NewLog makes a log that gives up on an entry after the timeout.
func NewLog(db *firestore.Client, logger *logging.Logger, timeout time.Duration) *Log {
	return &Log{db: db, logger: logger, timeout: timeout}
}

// Write gives the entry its id and time and returns once both Firestore and Cloud
// Logging have it. Any error is an Unavailable fault: what the entry is about must
// then not be disclosed. It goes on if the caller goes away, who may have changed
// something.
func (l *Log) Write(ctx context.Context, e *Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()
	e.Time = time.Now().UTC().Truncate(time.Microsecond)
	e.ID = newID(e.Time)
	e.Persons = e.Persons[:min(len(e.Persons), MaxPersons)]
	leaf, err := e.Leaf()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := Ref(l.db, e.Project, e.ID).Create(ctx, newDoc(e, leaf))
		if status.Code(err) == codes.AlreadyExists { // the id is random: a repetition of ours was the first to arrive
			return nil
		}
		return wrap(err, "write access entry to Firestore")
	})
	g.Go(func() error {
		return wrap(l.logger.LogSync(ctx, logging.Entry{
			Timestamp: e.Time, Severity: logging.Notice, InsertID: e.ID,
			Labels: map[string]string{"project": e.Project, "action": e.Action}, Payload: json.RawMessage(leaf),
		}), "write access entry to Cloud Logging")
	})
	if err := g.Wait(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the access could not be logged, so nothing is answered; try again")
	}
	return nil
}

func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
