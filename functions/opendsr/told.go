package opendsr

import (
	"context"
	"fmt"
	"slices"

	"github.com/lethe-analytics/lethe/shared/request"
)

// toldCollection is below a request; its documents have changes for ids.
const toldCollection = "told"

// toldID is the id of the document that says who knows of a change.
func toldID(c request.Change) string {
	if c.Again {
		return string(c.Status) + "-again"
	}
	return string(c.Status)
}

// told says which of a request's callbacks know of a change.
type told struct {
	Callbacks []int `firestore:"callbacks"` // their places in the request
}

// stages orders the changes by the ids of their documents: who knows of a later one is not
// told of an earlier one any more, so that the last that a controller hears is true.
// Whatever is not among them is final.
var stages = []string{
	toldID(request.Change{Status: request.Queued}), toldID(request.Change{Status: request.Running}),
	toldID(request.Change{Status: request.NeedsConfirmation}), toldID(request.Change{Status: request.Running, Again: true}),
}

func stage(id string) int {
	if i := slices.Index(stages, id); i >= 0 {
		return i
	}
	return len(stages)
}

// know reads which callbacks know of a change, or of a later one.
func (w *teller) know(ctx context.Context, r *request.Request, c request.Change) (map[int]bool, error) {
	docs, err := request.Ref(w.db, r.Project, r.ID).Collection(toldCollection).Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("read who was told: %w", err)
	}
	know := map[int]bool{}
	for _, d := range docs { // the lease among them names no callbacks
		var t told
		if err := d.DataTo(&t); err != nil {
			return nil, fmt.Errorf("decode who was told: %w", err)
		}
		if stage(d.Ref.ID) < stage(toldID(c)) {
			continue
		}
		for _, i := range t.Callbacks {
			know[i] = true
		}
	}
	return know, nil
}
