package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/logging"
	"cloud.google.com/go/logging/apiv2/loggingpb"
	"cloud.google.com/go/logging/logadmin"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	mrpb "google.golang.org/genproto/googleapis/api/monitoredres"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func openLogging(t *testing.T) (*logging.Client, *logadmin.Client) {
	t.Helper()
	l, err := StartLogging()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	opts := []option.ClientOption{option.WithEndpoint(l.Host), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}
	w, err := logging.NewClient(t.Context(), "p1", opts...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := logadmin.NewClient(t.Context(), "p1", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(w.Close(), a.Close()) })
	return w, a
}

// list gives the "n" of the payloads that a filter finds.
func list(t *testing.T, a *logadmin.Client, opts ...logadmin.EntriesOption) (ns []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	it := a.Entries(ctx, opts...)
	for {
		e, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return ns, nil
		}
		if err != nil {
			return nil, err
		}
		if e.LogName != "projects/p1/logs/diagnostic-log" { // the client library tells of itself
			ns = append(ns, e.Labels["n"])
		}
	}
}

func TestLogging(t *testing.T) {
	t.Parallel()
	w, a := openLogging(t)
	resource := logging.CommonResource(&mrpb.MonitoredResource{Type: "cloud_run_revision", Labels: map[string]string{"service_name": "report"}})
	access := w.Logger("access", logging.CommonLabels(map[string]string{"common": "yes", "n": "default"}), resource)
	other := w.Logger("a/b", resource)
	base := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	for i, sev := range []logging.Severity{logging.Debug, logging.Info, logging.Error} {
		e := logging.Entry{Timestamp: base.Add(time.Duration(i) * time.Minute), Severity: sev, InsertID: fmt.Sprint(i),
			Labels: map[string]string{"n": fmt.Sprint(i)}, Payload: map[string]any{"who": map[string]any{"kind": fmt.Sprintf("k%d", i)}}}
		for range 2 { // the repetition has the same insert id
			if err := access.LogSync(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	other.Log(logging.Entry{Timestamp: base, Labels: map[string]string{"n": "b"}, Payload: "text"})
	if err := other.Flush(); err != nil {
		t.Fatal(err)
	}

	at := base.Add(time.Minute).Format(time.RFC3339)
	for filter, want := range map[string][]string{
		``:                                    {"0", "b", "1", "2"},
		`logName="projects/p1/logs/access"`:   {"0", "1", "2"},
		`logName = "projects/p1/logs/a%2Fb"`:  {"b"},
		`severity>=INFO`:                      {"1", "2"},
		`severity = error AND labels.n = "2"`: {"2"},
		`timestamp>"` + at + `"`:              {"2"},
		`timestamp>="` + at + `" AND timestamp<="` + at + `" AND labels.common=yes`: {"1"},
		"labels.common=\"yes\"\nlabels.n!=\"1\"":                                    {"0", "2"},
		`jsonPayload.who.kind="k1"`:                                                 {"1"},
		`resource.labels.service_name="report" AND textPayload:"EX"`:                {"b"},
		`logName="projects/p2/logs/access"`:                                         nil,
	} {
		got, err := list(t, a, logadmin.Filter(filter))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("filter %s: got %v (%v), want %v", filter, got, err, want)
		}
	}
	if got, err := list(t, a, logadmin.NewestFirst(), logadmin.PageSize(1)); err != nil || !slices.Equal(got, []string{"2", "1", "0", "b"}) {
		t.Errorf("newest first, in pages of one: got %v (%v)", got, err)
	}
	for _, filter := range []string{`labels.n="1" OR labels.n="2"`, `NOT severity=ERROR`, `operation.id="x"`, `severity>=LOUD`, `labels.n="unended`, `(labels.n="1")`} {
		if _, err := list(t, a, logadmin.Filter(filter)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("filter %s: got %v, want InvalidArgument", filter, err)
		}
	}
}

func TestLoggingIsBounded(t *testing.T) {
	t.Parallel()
	l := &Logging{ids: map[string]bool{}}
	req := &loggingpb.WriteLogEntriesRequest{LogName: "projects/p/logs/x", Resource: &mrpb.MonitoredResource{Type: "global"}}
	for range LoggingCapacity/1000 + 5 {
		req.Entries = nil
		for range 1000 {
			req.Entries = append(req.Entries, &loggingpb.LogEntry{})
		}
		if _, err := l.WriteLogEntries(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(l.Entries()); got != LoggingCapacity {
		t.Errorf("kept %d entries, want %d", got, LoggingCapacity)
	}
	req.LogName = ""
	if _, err := l.WriteLogEntries(t.Context(), req); status.Code(err) != codes.InvalidArgument {
		t.Errorf("without a log name: got %v, want InvalidArgument", err)
	}
}
