package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localreceipt"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	erase "github.com/lethe-analytics/lethe/functions/delete"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// stopped is a terminal that takes the first line only once it is told to go on.
type stopped struct {
	once  sync.Once
	begun chan struct{}
	goOn  chan struct{}
}

func (s *stopped) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.begun) })
	<-s.goOn
	return len(p), nil
}

// While a replay has the dead letters to itself no erasure says that nothing is left:
// it waits, and finds what the replay gives back.
func TestReplayDuringErasure(t *testing.T) {
	t.Parallel()
	tenant := local.NewTenant(t, nil)
	ps := tenant.OpenPubSub(t, topology.Topics()...)
	_, bucket := localstorage.OpenBucket(t, tenant)
	signer := localreceipt.Open(t)
	worker := erase.NewWorker(erase.Config{Config: tenant.Config, PublicURL: "https://lethe.example", PublishTimeout: time.Minute, Slice: time.Second, SweepIdle: time.Second},
		erase.Stores{Databases: tenant.Databases, PubSub: ps, Bucket: bucket}, signer)
	made, err := request.Create(t.Context(), tenant.Default, tenant.Project,
		request.New{Kind: request.Deletion, IDs: []string{"ann"}, Params: map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	slice := func() *request.Request {
		t.Helper()
		r, err := request.Get(t.Context(), tenant.Default, "app", made.ID, request.Deletion)
		if err != nil {
			t.Fatal(err)
		}
		task := fmt.Appendf(nil, `{"project":"app","request":%q,"step":%d}`, r.ID, r.Step)
		if code := tenant.Push(t.Context(), t, worker, task); !r.Status.Final() && code != http.StatusNoContent {
			t.Fatalf("the worker answers %d", code)
		}
		return r
	}
	now := event.Now() - 60_000
	payload := local.Payload([]event.Event{{Name: "Seen", DistinctID: "ann", InsertID: "i", Time: now, Received: now, Properties: "{}"}})
	dead := queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), time.Minute)
	for _, project := range []string{"app", "other"} {
		if err := dead.Publish(t.Context(), payload, map[string]string{queue.AttrProject: project}); err != nil {
			t.Fatal(err)
		}
	}

	out := &stopped{begun: make(chan struct{}), goOn: make(chan struct{})}
	listed := make(chan error, 1)
	go func() {
		_, err := replay(t.Context(), tenant.Default, ps, options{topic: topology.TopicEvents, list: true, idle: 10 * time.Second}, out)
		listed <- err
	}()
	select {
	case <-out.begun:
	case err := <-listed:
		t.Fatalf("the replay has seen nothing: %v", err)
	}
	for range 5 {
		if r := slice(); r.Status == request.Done {
			t.Error("the receipt is out while a replay has the dead letters")
			break
		} else if strings.Contains(r.Position, `"stage":"letters"`) {
			break
		}
	}
	close(out.goOn)
	if err := <-listed; err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); slice().Status != request.Done; {
		if time.Now().After(end) {
			t.Fatal("the erasure does not finish")
		}
	}
	for _, m := range tenant.Pull(t, ps, topology.DeadTopic(topology.TopicEvents), 100) {
		if m.Attributes[queue.AttrProject] == "app" {
			t.Error("a dead letter of the erased person is there")
		}
	}
	var position struct{ Stores receipt.Stores }
	if r := slice(); json.Unmarshal([]byte(r.Position), &position) != nil || position.Stores.DeadLetters.Deleted != 1 {
		t.Error(r.Position)
	}
}
