package export_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
)

var mergeAll = firestore.MergeAll

// contextFor is that of a worker that is killed now and then.
func contextFor(t testing.TB, rnd *rand.Rand) (context.Context, context.CancelFunc) {
	if rnd.IntN(4) > 0 {
		return context.WithCancel(t.Context())
	}
	return context.WithTimeout(t.Context(), time.Duration(rnd.IntN(100))*time.Millisecond)
}
