package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// List prices in dollars, before any free tier, as known in November 2026.
const (
	perMillionReads       = 0.60
	perMillionWrites      = 1.80
	perMillionInvocations = 0.40
	perTiB                = 40.0
	tib                   = 1 << 40
)

// prices is the table that scripts/bench prints.
var prices = fmt.Sprintf(`# price  Firestore (eur3)     $%.2f a million document reads    https://cloud.google.com/firestore/pricing
# price  Firestore (eur3)     $%.2f a million document writes   https://cloud.google.com/firestore/pricing
# price  Cloud Run functions  $%.2f a million invocations       https://cloud.google.com/run/pricing
# price  Pub/Sub              $%.2f a TiB, published and again delivered   https://cloud.google.com/pubsub/pricing
`, perMillionReads, perMillionWrites, perMillionInvocations, perTiB)

// BenchmarkBilled counts what Google bills for a million events on their way from
// ingest to Firestore: 50 a request and person, and one a request. CPU time and
// storage are not in it.
func BenchmarkBilled(b *testing.B) {
	fmt.Print(prices)
	for _, c := range []struct{ each, requests int }{{50, 2000}, {1, 5000}} {
		b.Run(fmt.Sprintf("%d-a-request", c.each), func(b *testing.B) {
			for range b.N {
				benchBilled(b, c.each, c.requests)
			}
		})
	}
}

func benchBilled(b *testing.B, each, requests int) {
	of := sendBilled(b, each, requests)
	per := 1e6 / float64(each*requests)
	reads, writes, calls, bytes := float64(of.reads)*per, float64(of.writes)*per, float64(of.calls)*per, float64(of.bytes)*per
	b.ReportMetric(reads, "reads")
	b.ReportMetric(writes, "writes")
	b.ReportMetric(calls, "invocations")
	b.ReportMetric(bytes/1e6, "pubsub-MB")
	b.ReportMetric(reads/1e6*perMillionReads, "$reads")
	b.ReportMetric(writes/1e6*perMillionWrites, "$writes")
	b.ReportMetric(calls/1e6*perMillionInvocations, "$invocations")
	b.ReportMetric(bytes/tib*perTiB, "$pubsub")
	b.ReportMetric((reads*perMillionReads+writes*perMillionWrites+calls*perMillionInvocations)/1e6+bytes/tib*perTiB, "$total")
}

// TestBilled counts what few requests cost, each of a person of its own.
func TestBilled(t *testing.T) {
	t.Parallel()
	const requests = 20
	of := sendBilled(t, 50, requests)
	// A chunk, and who it is of; the emulator may have a transaction tried again.
	if of.writes < 2*requests || of.writes > 3*requests {
		t.Errorf("%d documents are written, want %d", of.writes, 2*requests)
	}
	if of.reads < requests || of.calls <= requests || of.bytes == 0 {
		t.Errorf("something costs too little: %+v", of)
	}
}

// billed is what Google counts.
type billed struct {
	reads, writes int64 // of documents
	calls         int64 // of functions
	bytes         int64 // published, and delivered
}

// sendBilled sends events by ingest and store, so many a request, and counts.
func sendBilled(t testing.TB, each, requests int) billed {
	tenant := local.NewTenant(t, nil)
	tenant.OpenPubSub(t, topology.TopicEvents)
	var meter local.Meter
	var invocations atomic.Int64
	counted := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			invocations.Add(1)
			h.ServeHTTP(w, r)
		})
	}
	ps := meter.PubSub(t, tenant.Config)
	in := httptest.NewServer(counted(ingest.New(ingest.Config{Config: tenant.Config, Linger: 5 * time.Millisecond,
		EdgeTimeout: time.Minute, PublishTimeout: 30 * time.Second, ReadTimeout: time.Minute, LargeWait: time.Minute, CacheTTL: time.Minute},
		meter.Firestore(t, tenant.Config, topology.EdgeDatabase), ps)))
	defer in.Close()
	out := httptest.NewServer(counted(store.New(gcp.Databases{Default: meter.Firestore(t, tenant.Config, topology.DefaultDatabase), Edge: tenant.Edge},
		queue.NewPublisher(ps, topology.DeadTopic(topology.TopicEvents), 10*time.Second), queue.NewPublisher(ps, topology.TopicLinks, 10*time.Second))))
	defer out.Close()

	var next atomic.Int64
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(requests); i = next.Add(1) {
				res, err := client.Post(in.URL+"/track", "application/json", bytes.NewReader(billedBody(tenant.Token, int(i), each)))
				if err != nil {
					t.Error(err)
					return
				}
				if answer, _ := io.ReadAll(res.Body); string(answer) != "1" {
					t.Errorf("%d %s", res.StatusCode, answer)
				}
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	published, messages := meter.Published.Load(), meter.Messages.Load()

	ctx, cancel := context.WithCancel(t.Context())
	relay := &local.Relay{Client: tenant.OpenPubSub(t), URL: out.URL,
		Subscription: local.SubscriptionName(tenant.Config.Project, topology.PushSubscription(topology.TopicEvents, "store"))}
	done := make(chan struct{})
	go func() { relay.Run(ctx); close(done) }()
	local.Eventually(t, 2*time.Minute, func() error {
		if got := invocations.Load(); got < int64(requests)+messages {
			return fmt.Errorf("%d invocations, %d messages", got, messages)
		}
		return nil
	})
	cancel()
	<-done

	return billed{meter.Reads.Load(), meter.Writes.Load(), invocations.Load(), 2 * published}
}

func billedBody(token string, request, each int) []byte {
	var b bytes.Buffer
	for i := range each {
		n := request*each + i
		fmt.Fprintf(&b, `,{"event":"Page viewed","properties":{"token":%q,"distinct_id":"user-%d","time":%d,"$insert_id":"%032x","$browser":"Chrome","$os":"Linux","plan":"pro","url":"https://example.com/pricing?x=%d","amount":%d.5,"screen_height":1080}}`,
			token, request%1000, event.Now(), n, n, n)
	}
	body := b.Bytes()
	body[0] = '['
	return append(body, ']')
}
