package request

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Withdraw takes an export back, since somebody in it has been erased: its archive is
// not handed out any more, and if it is still being made that ends. done is false as
// long as a worker may still write an object of it.
func Withdraw(ctx context.Context, db *firestore.Client, project, id string) (done bool, err error) {
	ref := Ref(db, project, id)
	if _, err := ref.Update(ctx, []firestore.Update{{Path: "void", Value: true}}); status.Code(err) == codes.NotFound {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("withdraw an export: %w", err)
	}
	snap, err := ref.Get(ctx)
	if err != nil {
		return false, fmt.Errorf("read request: %w", err)
	}
	r, err := decode(snap)
	if err != nil {
		return false, err
	}
	return r.Status.Final() || !r.Lease.After(now()), nil
}
