package localstorage

// This file is for tests, of any package.

import (
	"context"
	"os"
	"sync"
	"testing"

	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/objects"
)

// sharedStorage is the fake Cloud Storage of all tests of this process.
var sharedStorage = sync.OnceValues(func() (*Storage, error) {
	dir, err := local.SharedDir()
	if err != nil {
		return nil, err
	}
	s, err := Start(dir, false)
	if err != nil {
		return nil, err
	}
	return s, os.Setenv("STORAGE_EMULATOR_HOST", s.Host)
})

// OpenBucket makes a bucket of a tenant's own. The Storage tells how its URLs are
// signed.
func OpenBucket(t testing.TB, n *local.Tenant) (*Storage, *storage.BucketHandle) {
	t.Helper()
	s, err := sharedStorage()
	if err != nil {
		t.Fatal(err)
	}
	n.Config.Bucket = n.Config.Project
	s.CreateBucket(n.Config.Bucket)
	bucket, err := objects.Open(context.Background(), n.Config)
	if err != nil {
		t.Fatal(err)
	}
	return s, bucket
}
