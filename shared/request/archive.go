package request

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ArchivePrefix begins the names of all objects of an export.
func ArchivePrefix(project, id string) string { return "exports/" + project + "/" + id + "/" }

// Withdraw takes an export's archive away, since somebody in it has been erased: it
// is not handed out any more, and if it is still being made that ends. It returns
// the number of objects that it deleted; done is false as long as a worker may
// still write one.
func Withdraw(ctx context.Context, db *firestore.Client, bucket *storage.BucketHandle, project, id string) (deleted int, done bool, err error) {
	ref := Ref(db, project, id)
	if _, err := ref.Update(ctx, []firestore.Update{{Path: "void", Value: true}}); status.Code(err) == codes.NotFound {
		return 0, true, nil
	} else if err != nil {
		return 0, false, fmt.Errorf("withdraw an export: %w", err)
	}
	snap, err := ref.Get(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("read request: %w", err)
	}
	r, err := decode(snap)
	if err != nil {
		return 0, false, err
	}
	done = r.Status.Final() || !r.Lease.After(now())
	deleted, err = DeleteArchive(ctx, bucket, project, id)
	return deleted, done, err
}

// DeleteArchive deletes all objects of an export.
func DeleteArchive(ctx context.Context, bucket *storage.BucketHandle, project, id string) (deleted int, err error) {
	names, err := Archive(ctx, bucket, project, id)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if err := bucket.Object(name).Delete(ctx); err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
			return deleted, fmt.Errorf("delete an object of an export: %w", err)
		}
		deleted++
	}
	return deleted, nil
}

// Archive lists the names of an export's objects.
func Archive(ctx context.Context, bucket *storage.BucketHandle, project, id string) (names []string, err error) {
	objects := bucket.Objects(ctx, &storage.Query{Prefix: ArchivePrefix(project, id)})
	for {
		o, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return names, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the objects of an export: %w", err)
		}
		names = append(names, o.Name)
	}
}
