package queue_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// A reason is cut to what an attribute takes, and not within a character.
func TestParkedReason(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t)
	dead := topology.DeadTopic(topology.TopicSeals)
	work := queue.Worker(queue.NewPublisher(ps, dead, 5*time.Second), func(context.Context, *queue.Message) error {
		return fault.New(fault.Invalid, "%s\xff", strings.Repeat("é", 2000))
	})
	rec := httptest.NewRecorder()
	work.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"message":{"messageId":"1","data":"e30="}}`)))
	if rec.Code != http.StatusNoContent {
		t.Fatal(rec.Code, rec.Body)
	}
	parked := tenant.Pull(t, ps, dead, 1)
	if len(parked) != 1 || parked[0].Attributes[queue.AttrOrigin] != "1" {
		t.Fatal(parked)
	}
	if why := parked[0].Attributes[queue.AttrReason]; len(why) < 1000 || len(why) > 1024 || !strings.HasPrefix(why, "invalid: éé") {
		t.Errorf("%d bytes: %.50s", len(why), why)
	}
}
