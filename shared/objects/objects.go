// Package objects is what functions keep in Cloud Storage: the archives of exports,
// and links to them. It stands apart from package gcp because the storage client is
// a quarter of a function's program, and most functions need none of it.
//
//	exports/{project}/{request}/…   the objects of an export, its archive.zip among them
package objects

import (
	"context"
	"fmt"

	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Open opens the bucket of the configuration.
func Open(ctx context.Context, c gcp.Config) (*storage.BucketHandle, error) {
	client, err := storage.NewClient(ctx, storage.WithJSONReads())
	if err != nil {
		return nil, fmt.Errorf("open storage: %w", err)
	}
	return client.Bucket(c.Bucket), nil
}
