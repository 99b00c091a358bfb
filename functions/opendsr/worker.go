package opendsr

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/outbound"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// TryFor is how long a callback that fails is called again.
const TryFor = 24 * time.Hour

// maxAttempt is the delivery after which a message is replaced by a new one: Pub/Sub
// gives up after topology.MaxDeliveries, which is about 15 minutes.
const maxAttempt = topology.MaxDeliveries - 5

// attrSince is the attribute of such a new message: when the first one was published.
const attrSince = "since"

func openWorker(ctx context.Context) (http.Handler, error) {
	var c Config
	if err := gcp.Load(ctx, &c); err != nil {
		return nil, err
	}
	signer, err := NewSigner(c)
	if err != nil {
		return nil, err
	}
	db, err := gcp.OpenFirestore(ctx, c.Config, topology.DefaultDatabase)
	if err != nil {
		return nil, err
	}
	ps, err := gcp.OpenPubSub(ctx, c.Config)
	if err != nil {
		return nil, err
	}
	return NewWorker(c, signer, db, queue.NewPublisher(ps, topology.TopicCallbacks, c.PublishTimeout),
		queue.NewPublisher(ps, topology.DeadTopic(topology.TopicCallbacks), c.PublishTimeout)), nil
}

// NewWorker makes the handler that calls back.
func NewWorker(c Config, signer *Signer, db *firestore.Client, again, dead *queue.Publisher) http.Handler {
	w := &teller{config: c, signer: signer, db: db, again: again, client: outbound.NewClient(c.CallbackTimeout, c.AllowLoopback, nil)}
	return queue.Worker(dead, w.message)
}

// teller tells controllers of a request's change of state.
type teller struct {
	config Config
	signer *Signer
	db     *firestore.Client
	again  *queue.Publisher // TopicCallbacks
	client *http.Client
}

// message tells of a change, and sees to it that a change that was not taken is told
// again for long enough.
func (w *teller) message(ctx context.Context, m *queue.Message) error {
	var c request.Change
	if err := json.Unmarshal(m.Data, &c); err != nil || c.Project == "" || strings.Contains(c.Project, "/") || !slices.Contains(request.Statuses, c.Status) {
		return fault.Wrap(fault.Invalid, err, "not a change of state")
	}
	failed, err := w.tell(ctx, c)
	if failed > 0 && err == nil {
		err = fault.New(fault.Unavailable, "%d callbacks did not take a change of state", failed)
	}
	if err == nil || fault.Permanent(err) {
		return err
	}
	since := begun(m)
	if failed > 0 && time.Since(since) > TryFor {
		slog.WarnContext(ctx, "callbacks given up", "request", c.Request, "status", c.Status, "count", failed)
		return nil
	}
	if m.Attempt >= maxAttempt {
		return w.again.Publish(ctx, m.Data, map[string]string{queue.AttrProject: c.Project, attrSince: since.Format(time.RFC3339Nano)})
	}
	return err
}

// tell calls those callbacks back that do not know of a change yet.
func (w *teller) tell(ctx context.Context, c request.Change) (failed int, err error) {
	r, err := request.Get(ctx, w.db, c.Project, c.Request, "")
	if err != nil {
		return 0, err
	}
	x, err := readExtra(r)
	if err != nil || len(x.Callbacks) == 0 {
		return 0, err
	}
	release, err := w.take(ctx, r)
	if err != nil {
		return 0, err
	}
	defer release()
	know, err := w.know(ctx, r, c)
	if err != nil {
		return 0, err
	}
	return w.call(ctx, r, x, c, know)
}

// lease is a document beside the statuses: while it holds, nobody else tells of the
// request, so that two changes do not overtake each other on their way.
type lease struct {
	Until time.Time `firestore:"until"`
}

// take leases a request, for longer than the work on a message can last.
func (w *teller) take(ctx context.Context, r *request.Request) (release func(), err error) {
	ref := request.Ref(w.db, r.Project, r.ID).Collection(toldCollection).Doc("lease")
	err = w.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil && status.Code(err) != codes.NotFound {
			return err
		}
		var l lease
		if err == nil {
			if err := snap.DataTo(&l); err != nil {
				return fmt.Errorf("decode lease: %w", err)
			}
		}
		if time.Now().Before(l.Until) {
			return fault.New(fault.Unavailable, "another change of the request is being told")
		}
		return tx.Set(ref, lease{time.Now().Add(topology.AckDeadline)})
	})
	if err != nil {
		return nil, fmt.Errorf("lease a request's callbacks: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if _, err := ref.Delete(ctx); err != nil { // then it ends by itself
			slog.WarnContext(ctx, "a request's callbacks stay leased", "request", r.ID, "error", err.Error())
		}
	}, nil
}

// begun is when a change was published first.
func begun(m *queue.Message) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, m.Attributes[attrSince]); err == nil {
		return t
	}
	return m.Published
}

// call calls the callbacks that do not know, all at once, notes those that took it,
// and counts the others.
func (w *teller) call(ctx context.Context, r *request.Request, x *extra, c request.Change, know map[int]bool) (failed int, err error) {
	var mu sync.Mutex
	var calls sync.WaitGroup
	var took []any
	for i, to := range x.Callbacks {
		if know[i] {
			continue
		}
		a := newStatus(w.config, r, c.Status, x.Version)
		a.Callback = to
		body, err := json.Marshal(a)
		if err != nil {
			return 0, fmt.Errorf("write a callback: %w", err)
		}
		calls.Go(func() {
			err := call(ctx, w.client, w.signer, to, body, x.Version)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				slog.WarnContext(ctx, "callback failed", "request", r.ID, "callback", i, "error", err.Error())
				failed++
				return
			}
			took = append(took, i)
		})
	}
	calls.Wait()
	if len(took) == 0 {
		return failed, nil
	}
	ref := request.Ref(w.db, r.Project, r.ID).Collection(toldCollection).Doc(toldID(c))
	if _, err := ref.Set(ctx, map[string]any{"callbacks": firestore.ArrayUnion(took...)}, firestore.MergeAll); err != nil {
		return 0, fmt.Errorf("note who was told: %w", err)
	}
	return failed, nil
}
