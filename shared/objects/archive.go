package objects

import (
	"context"
	"errors"
	"fmt"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
)

// ArchivePrefix begins the names of all objects of an export.
func ArchivePrefix(project, id string) string { return "exports/" + project + "/" + id + "/" }

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
