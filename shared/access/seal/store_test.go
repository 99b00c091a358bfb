package seal_test

import (
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/shared/access/seal"
)

// forbidding answers as Cloud Storage may answer who may create objects and not replace
// them: that something is there already, it does not say.
type forbidding struct{}

// RoundTrip implements http.RoundTripper.
func (forbidding) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusPreconditionFailed {
		res.StatusCode, res.Body = http.StatusForbidden, http.NoBody
	}
	return res, err
}

// What was cut off between its tiles and its checkpoint is done again, by who may not
// replace objects; a tile that is there and is another ends it.
func TestAppendAgain(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	_, bucket := localstorage.OpenBucket(t, n)
	client, err := storage.NewClient(t.Context(), storage.WithJSONReads(), option.WithHTTPClient(&http.Client{Transport: forbidding{}}))
	if err != nil {
		t.Fatal(err)
	}
	key := local.LogKey(t)
	s := &seal.Store{Bucket: client.Bucket(n.Config.Bucket), Project: "app"}
	leaves := []tlog.Hash{tlog.RecordHash([]byte("one")), tlog.RecordHash([]byte("two"))}
	cutOff := func() {
		t.Helper()
		objects := bucket.Objects(t.Context(), &storage.Query{Prefix: "access-log/app/checkpoints/"})
		for {
			o, err := objects.Next()
			if err != nil {
				return
			}
			if err := bucket.Object(o.Name).Delete(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		if err := s.Append(t.Context(), key, 0, leaves); err != nil {
			t.Fatal(err)
		}
		if _, tree, err := s.Latest(t.Context(), key); err != nil || tree.N != 2 {
			t.Fatal(tree.N, err)
		}
		cutOff()
	}
	if err := s.Append(t.Context(), key, 0, []tlog.Hash{leaves[1], leaves[0]}); err == nil || !strings.Contains(err.Error(), "is another") {
		t.Errorf("other tiles: %v", err)
	}
}
