package local

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// LoggingCapacity is how many entries the Logging fake keeps: the newest.
const LoggingCapacity = 100_000

// Logging is a fake Cloud Logging: it keeps entries in memory and lists them by
// filter (see parseFilter for what it understands).
type Logging struct {
	Host string // for LOGGING_EMULATOR_HOST

	loggingpb.UnimplementedLoggingServiceV2Server
	server *grpc.Server

	mu      sync.Mutex
	entries []*loggingpb.LogEntry
	ids     map[string]bool // insert ids of entries, by log
	cut     atomic.Bool
}

// Cut makes the service unavailable, or available again.
func (l *Logging) Cut(cut bool) { l.cut.Store(cut) }

// StartLogging serves an empty fake.
func StartLogging() (*Logging, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &Logging{Host: ln.Addr().String(), server: grpc.NewServer(), ids: map[string]bool{}}
	loggingpb.RegisterLoggingServiceV2Server(l.server, l)
	go func() { _ = l.server.Serve(ln) }() // ends by Stop
	return l, nil
}

// Stop ends the fake.
func (l *Logging) Stop() { l.server.Stop() }

// Entries copies what is kept, oldest first.
func (l *Logging) Entries() []*loggingpb.LogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	entries := make([]*loggingpb.LogEntry, len(l.entries))
	for i, e := range l.entries {
		entries[i] = proto.CloneOf(e)
	}
	return entries
}

// WriteLogEntries implements the service: all entries are taken or none.
func (l *Logging) WriteLogEntries(_ context.Context, req *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	if l.cut.Load() {
		return nil, status.Error(codes.Unavailable, "cut off")
	}
	entries := make([]*loggingpb.LogEntry, 0, len(req.Entries))
	for _, entry := range req.Entries {
		e := proto.CloneOf(entry)
		mergeDefaults(e, req)
		if err := checkEntry(e); err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		entries = append(entries, e)
	}
	if !req.DryRun {
		l.add(entries)
	}
	return &loggingpb.WriteLogEntriesResponse{}, nil
}

// mergeDefaults gives an entry what the request says for all of its entries.
func mergeDefaults(e *loggingpb.LogEntry, req *loggingpb.WriteLogEntriesRequest) {
	if e.LogName == "" {
		e.LogName = req.LogName
	}
	if e.Resource == nil {
		e.Resource = proto.CloneOf(req.Resource)
	}
	for k, v := range req.Labels {
		if _, has := e.Labels[k]; !has {
			if e.Labels == nil {
				e.Labels = map[string]string{}
			}
			e.Labels[k] = v
		}
	}
	e.ReceiveTimestamp = timestamppb.Now()
	if e.Timestamp == nil {
		e.Timestamp = e.ReceiveTimestamp
	}
}

func checkEntry(e *loggingpb.LogEntry) error {
	if parts := strings.Split(e.LogName, "/"); len(parts) != 4 || parts[2] != "logs" || parts[3] == "" {
		return errors.New("log_name must be like projects/P/logs/ID with the id escaped")
	}
	if e.Resource.GetType() == "" {
		return errors.New("resource is missing")
	}
	return nil
}

// add appends entries whose insert id is new in their log, and lets the oldest go.
func (l *Logging) add(entries []*loggingpb.LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if e.InsertId != "" {
			if l.ids[entryID(e)] {
				continue
			}
			l.ids[entryID(e)] = true
		}
		l.entries = append(l.entries, e)
	}
	for len(l.entries) > LoggingCapacity {
		delete(l.ids, entryID(l.entries[0]))
		l.entries[0] = nil
		l.entries = l.entries[1:]
	}
}

// entryID tells entries of equal log, time and insert id apart from others, as
// Cloud Logging does.
func entryID(e *loggingpb.LogEntry) string {
	return e.LogName + "\x00" + e.Timestamp.AsTime().String() + "\x00" + e.InsertId
}
