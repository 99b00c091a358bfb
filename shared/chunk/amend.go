package chunk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Limits of one transaction of Amend, and of the documents between two looks at the
// time.
const (
	amendPage   = 50
	amendWrites = 100
	amendBytes  = 1 << 20
)

// Counts says what Amend saw and did.
type Counts struct {
	Chunks    int `json:"chunks"`    // seen
	Rewritten int `json:"rewritten"` // of these, chunks that changed
	Dropped   int `json:"dropped"`   // events
	Changed   int `json:"changed"`   // events
}

// Add adds other counts to these.
func (n *Counts) Add(m Counts) {
	n.Chunks += m.Chunks
	n.Rewritten += m.Rewritten
	n.Dropped += m.Dropped
	n.Changed += m.Changed
}

// Amend rewrites a person's stored events under the person's amendments, which must
// stand on the person's document already, so that nothing more is stored that they
// apply to; if others stand there by now, nothing is written (amend.Set.Check). It goes
// through the chunks after the cursor, for as long as more says that there is time, a
// page at least; next is the cursor to go on from.
//
// Changed events make a chunk of another id, which may come to stand before the
// cursor or after it. Both do no harm, for an amendment is applied to an event once.
// A pass from an empty cursor that rewrites nothing proves that it is done.
func Amend(ctx context.Context, db *firestore.Client, project string, key person.Key, set *amend.Set, cursor string, more func() bool) (n Counts, next string, done bool, err error) {
	owner := person.Ref(db, project, key)
	a := amender{db: db, project: project, change: set.Event, within: func(tx *firestore.Transaction, _ Counts) error {
		return current(tx, owner, set)
	}}
	next = cursor
	for {
		last, seen, err := a.page(ctx, owner.Collection(Collection), next)
		if err != nil {
			return a.n, next, false, err
		}
		if seen < amendPage {
			return a.n, "", true, nil
		}
		next = last
		if !more() {
			return a.n, next, false, nil
		}
	}
}

// current makes sure that the set is that of the person's amendments.
func current(tx *firestore.Transaction, owner *firestore.DocumentRef, set *amend.Set) error {
	snap, err := tx.Get(owner)
	if err != nil && status.Code(err) != codes.NotFound {
		return fmt.Errorf("read person: %w", err)
	}
	var doc person.Doc
	if err == nil {
		if err := snap.DataTo(&doc); err != nil {
			return fmt.Errorf("decode person: %w", err)
		}
	}
	return set.Check(doc.Amendments)
}

// Rewrite applies a change to the events of some chunks, as they were read or as
// others have made them since. What comes before the writes of each transaction is
// done by within, which is told what they come to; it may read.
func Rewrite(ctx context.Context, db *firestore.Client, project string, snaps []*firestore.DocumentSnapshot,
	change func(*event.Event) (keep, changed bool, err error), within func(*firestore.Transaction, Counts) error) error {
	a := amender{db: db, project: project, change: change, within: within}
	for _, snap := range snaps {
		if err := a.add(ctx, snap); err != nil {
			return err
		}
	}
	return a.flushOpen(ctx)
}

type amender struct {
	db      *firestore.Client
	project string
	change  func(*event.Event) (keep, changed bool, err error)
	within  func(*firestore.Transaction, Counts) error // may be nil
	n       Counts

	open []rewrite // to be written together
	ids  map[string]bool
	size int
}

// rewrite is one chunk that is to be replaced.
type rewrite struct {
	ref    *firestore.DocumentRef
	read   firestore.Precondition // as it was read
	chunks []replacement
	n      Counts
	bytes  int
}

// replacement is a chunk to be written.
type replacement struct {
	Chunk
	there firestore.Precondition // of one that stands there already; nil: nothing must
}

// page amends the chunks of one page.
func (a *amender) page(ctx context.Context, chunks *firestore.CollectionRef, cursor string) (last string, seen int, err error) {
	q := chunks.OrderBy(firestore.DocumentID, firestore.Asc).Limit(amendPage)
	if cursor != "" {
		q = q.StartAfter(cursor)
	}
	docs := q.Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return last, seen, a.flushOpen(ctx)
		}
		if err != nil {
			return "", 0, fmt.Errorf("read chunks: %w", err)
		}
		last = snap.Ref.ID
		seen++
		a.n.Chunks++
		if err := a.add(ctx, snap); err != nil {
			return "", 0, err
		}
	}
}

// add plans the rewriting of a chunk, and writes what is open if it is enough.
func (a *amender) add(ctx context.Context, snap *firestore.DocumentSnapshot) error {
	r, _, err := a.plan(snap)
	if err != nil || r == nil {
		return err
	}
	// A transaction may name a document once.
	again := a.ids[r.ref.ID] || slices.ContainsFunc(r.chunks, func(c replacement) bool { return a.ids[c.ID] })
	if again || len(a.ids)+len(r.chunks) >= amendWrites || a.size+r.bytes > amendBytes {
		if err := a.flushOpen(ctx); err != nil {
			return err
		}
	}
	if a.ids == nil {
		a.ids = map[string]bool{}
	}
	a.open = append(a.open, *r)
	a.size += r.bytes
	a.ids[r.ref.ID] = true
	for _, c := range r.chunks {
		a.ids[c.ID] = true
	}
	return nil
}

// flushOpen writes what is open.
func (a *amender) flushOpen(ctx context.Context) error {
	open := a.open
	a.open, a.size = nil, 0
	clear(a.ids)
	return a.flush(ctx, open)
}

// plan amends the events of a chunk; nil if that changes nothing.
func (a *amender) plan(snap *firestore.DocumentSnapshot) (*rewrite, []event.Event, error) {
	var doc Doc
	if err := snap.DataTo(&doc); err != nil {
		return nil, nil, fmt.Errorf("decode chunk: %w", err)
	}
	r := &rewrite{ref: snap.Ref, read: firestore.LastUpdateTime(snap.UpdateTime), n: Counts{Rewritten: 1}}
	var kept []event.Event
	err := event.Unpack(doc.Data, func(e *event.Event) error {
		now := *e
		keep, changed, err := a.change(&now)
		switch {
		case err != nil:
			return err
		case !keep:
			r.n.Dropped++
			return nil
		case changed:
			r.n.Changed++
		}
		kept = append(kept, now)
		return nil
	}, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("amend a chunk: %w", err)
	}
	if r.n.Dropped+r.n.Changed == 0 {
		return nil, nil, nil
	}
	for _, c := range Build(a.project, kept) {
		r.chunks = append(r.chunks, replacement{Chunk: c})
		r.bytes += len(c.Data)
	}
	return r, kept, nil
}
