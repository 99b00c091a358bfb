package objects_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/objects"
)

// down answers every request with 503, as IAM may for a while.
type down struct{}

// RoundTrip implements http.RoundTripper.
func (down) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// Where IAM does not sign, that is told after a while.
func TestURLWithoutIAM(t *testing.T) {
	t.Parallel()
	client, err := storage.NewClient(t.Context(), option.WithHTTPClient(&http.Client{Transport: down{}}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := objects.NewURLSigner(objects.Signing{Account: "export@example.iam.gserviceaccount.com", Timeout: 50 * time.Millisecond}, client.Bucket("archives"))
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.URL("a.zip", time.Now().Add(time.Minute))
	if url != "" || fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "retry deadline") {
		t.Errorf("%q, %v", url, err)
	}
}
