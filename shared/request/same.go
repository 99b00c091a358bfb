package request

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// FreshFor is how long a finished export answers the same request again; a caller
// who wants a new one sooner sends another Idempotency-Key.
const FreshFor = 24 * time.Hour

// RetryFor is how long any other finished request is taken for what a repetition
// means: a retry, and not a new wish.
const RetryFor = time.Minute

// pointer finds the request that the same request made before.
// projects/{project}/samerequests/{hash}
type pointer struct {
	Request string `firestore:"request"`
}

// decodePointer is the id of the request before; empty: there was none.
func decodePointer(snap *firestore.DocumentSnapshot) (string, error) {
	var to pointer
	if snap == nil || !snap.Exists() {
		return "", nil
	}
	if err := snap.DataTo(&to); err != nil {
		return "", fmt.Errorf("decode what the same request made: %w", err)
	}
	return to.Request, nil
}

// before finds what the same request made last, and whether that counts: then it is the
// answer.
func (n *New) before(ctx context.Context, db *firestore.Client, projectID string, same *firestore.DocumentRef, parts []Part) (last string, answer *Request, err error) {
	snap, err := same.Get(ctx)
	if err != nil && status.Code(err) != codes.NotFound {
		return "", nil, fmt.Errorf("read what the same request made: %w", err)
	}
	if last, err = decodePointer(snap); err != nil || last == "" {
		return "", nil, err
	}
	r, err := Get(ctx, db, projectID, last, n.Kind)
	if fault.Of(err) == fault.NotFound {
		return last, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	counts, err := n.counts(ctx, db, r, parts)
	if err != nil || !counts {
		return last, nil, err
	}
	return last, r, nil
}

// counts reports whether a request that was the same is still an answer to this one.
func (n *New) counts(ctx context.Context, db *firestore.Client, r *Request, parts []Part) (bool, error) {
	age := time.Since(r.Finished)
	switch {
	case !r.Status.Final() || n.IdempotencyKey != "" || n.ID != "":
		return true, nil
	case r.Status != Done || r.Void:
		return false, nil
	case n.Kind == Export:
		return age < FreshFor, nil
	case n.Whole && len(n.IDs) > 0:
		back, err := cameBack(ctx, db, r.Project, parts)
		return !back, err
	}
	return age < RetryFor, nil
}

// cameBackPage is how many persons are looked at together. Most have no document, or a
// small one: they were erased.
const cameBackPage = 50

// cameBack reports whether anything was received or noted of the persons since. What came
// under another identity names the person only once that is linked again, which gives the
// person's own its distinct_id back.
func cameBack(ctx context.Context, db *firestore.Client, projectID string, parts []Part) (bool, error) {
	for _, p := range parts {
		for some := range slices.Chunk(p.Keys, cameBackPage) {
			all, err := person.FindAll(person.Reader(ctx, db), db, projectID, some)
			if err != nil {
				return false, err
			}
			if slices.ContainsFunc(all, isBack) {
				return true, nil
			}
		}
	}
	return false, nil
}

func isBack(s *person.Standing) bool {
	own, whole := &s.Own.Doc, &s.Person.Doc
	said := !whole.Consent.At.IsZero() && own.AfterFence(whole.Consent.At) // a denial that an erasure leaves is older
	return own.DistinctID != "" || whole.Restriction != nil || said
}
