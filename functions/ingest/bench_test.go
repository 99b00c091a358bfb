package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

const (
	perRequest  = 50
	warmUp      = 200  // requests of each client
	messageSize = 1600 // bytes: about what ingest makes of a request
)

// BenchmarkTrack measures the CPU time that ingest spends on an event, 50 a
// request and some requests at a time, all included: HTTP, validation, consent,
// publishing. The baseline is a bare net/http handler that reads the body and
// validates it as JSON. Each server is a process of its own, so that the load's
// CPU is not counted, with one processor, as an instance of the function has.
//
// A request that is alone cannot share its message. The baseline that publishes one too,
// by the same client library, shows what that alone takes.
func BenchmarkTrack(b *testing.B) {
	tenant := local.NewTenant(b, nil)
	ps := tenant.OpenPubSub(b)
	// Nobody takes the messages, and the emulator's memory would soon be full of them.
	if err := ps.SubscriptionAdminClient.DeleteSubscription(b.Context(), &pubsubpb.DeleteSubscriptionRequest{
		Subscription: local.SubscriptionName(tenant.Config.Project, topology.PushSubscription(topology.TopicEvents, "store")),
	}); err != nil {
		b.Fatal(err)
	}
	bodies := makeBodies(tenant.Token)
	for _, clients := range []int{1, 2, 4, 8, 16, 64} {
		var bare float64
		b.Run(fmt.Sprintf("baseline-%d-at-a-time", clients), func(b *testing.B) {
			bare = measure(b, startServer(b, "bare", ""), bodies, clients)
		})
		kinds := []string{"ingest"}
		if clients == 1 {
			kinds = []string{"publishing-baseline", "ingest"}
		}
		for _, kind := range kinds {
			b.Run(fmt.Sprintf("%s-%d-at-a-time", kind, clients), func(b *testing.B) {
				cpu := measure(b, startServer(b, kind, tenant.Config.Project), bodies, clients)
				if bare > 0 {
					b.ReportMetric(cpu/bare, "x-baseline")
				}
			})
		}
	}
}

func makeBodies(token string) [][]byte {
	var bodies [][]byte
	for k := range 64 {
		var b bytes.Buffer
		for i := range perRequest {
			n := k*perRequest + i
			fmt.Fprintf(&b, `,{"event":"Page viewed","properties":{"token":%q,"distinct_id":"user-%d","time":%d,"$insert_id":"%032x","$browser":"Chrome","$os":"Linux","plan":"pro","url":"https://example.com/pricing?x=%d","amount":%d.5,"screen_height":1080}}`,
				token, n*7919%1000, time.Now().Unix()-int64(i), n, n, n)
		}
		body := b.Bytes()
		body[0] = '['
		bodies = append(bodies, append(body, ']'))
	}
	return bodies
}

// measure sends b.N requests and returns the server's CPU nanoseconds per event.
func measure(b *testing.B, url string, bodies [][]byte, clients int) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	post := func(body []byte) {
		res, err := client.Post(url+"/track", "application/json", bytes.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		defer res.Body.Close()
		if answer, _ := io.ReadAll(res.Body); string(answer) != "1" {
			b.Errorf("%d %s", res.StatusCode, answer)
		}
	}
	load := func(n int) {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for i := next.Add(1); i <= int64(n); i = next.Add(1) {
					post(bodies[int(i)%len(bodies)])
				}
			})
		}
		wg.Wait()
	}
	load(warmUp * clients) // connections, caches, and the emulator's just-in-time compiler
	before := usage(b, client, url)
	b.ResetTimer()
	load(b.N)
	b.StopTimer()
	after := usage(b, client, url)
	events := float64(b.N * perRequest)
	cpu := float64(after.CPU-before.CPU) / events
	b.ReportMetric(cpu, "cpu-ns/event")
	b.ReportMetric(float64(after.Bytes-before.Bytes)/events, "B/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/events, "allocs/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	return cpu
}

// used is what a server process has used since its start.
type used struct {
	CPU            time.Duration
	Bytes, Mallocs uint64
}

func usage(b *testing.B, client *http.Client, url string) (u used) {
	res, err := client.Get(url + "/usage")
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
		b.Fatal(err)
	}
	return u
}

// startServer runs this binary again as a server and waits for its address.
func startServer(b *testing.B, kind, googleProject string) string {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "LETHE_BENCH_SERVER="+kind, "GOOGLE_CLOUD_PROJECT="+googleProject, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // its end tells the child to stop
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(line)
}

func TestMain(m *testing.M) {
	if kind := os.Getenv("LETHE_BENCH_SERVER"); kind != "" {
		if err := benchServer(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func benchServer(kind string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(ownUsage())
	})
	if kind == "bare" {
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { bare(w, r, func([]byte) error { return nil }) })
	} else {
		c := local.Tenant{Config: gcp.Config{Project: os.Getenv("GOOGLE_CLOUD_PROJECT")}}
		ctx := context.Background()
		edge, err := gcp.OpenFirestore(ctx, c.Config, topology.EdgeDatabase)
		if err != nil {
			return err
		}
		ps, err := gcp.OpenPubSub(ctx, c.Config)
		if err != nil {
			return err
		}
		if kind == "ingest" {
			mux.Handle("/", ingest.New(config(&c), edge, ps))
		} else {
			p := queue.NewPublisher(ps, topology.TopicEvents, time.Minute)
			mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
				bare(w, r, func(body []byte) error { return p.Publish(r.Context(), body[:messageSize], nil) })
			})
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(l, mux) }()
	fmt.Println(l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// bare is the baseline, which may publish.
func bare(w http.ResponseWriter, r *http.Request, publish func(body []byte) error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) || publish(body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write([]byte(strconv.Itoa(1)))
}

func ownUsage() (u used) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err == nil {
		u.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	u.Bytes, u.Mallocs = mem.TotalAlloc, mem.Mallocs
	return u
}
