package local

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ListLogEntries implements the service, with filters as parseFilter has them.
func (l *Logging) ListLogEntries(_ context.Context, req *loggingpb.ListLogEntriesRequest) (*loggingpb.ListLogEntriesResponse, error) {
	keep, err := parseFilter(req.Filter)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	order := func(a, b *loggingpb.LogEntry) int { return a.Timestamp.AsTime().Compare(b.Timestamp.AsTime()) }
	switch req.OrderBy {
	case "", "timestamp asc":
	case "timestamp desc":
		asc := order
		order = func(a, b *loggingpb.LogEntry) int { return asc(b, a) }
	default:
		return nil, status.Error(codes.InvalidArgument, `order_by must be "timestamp asc" or "timestamp desc"`)
	}
	var found []*loggingpb.LogEntry
	for _, e := range l.Entries() {
		if ofResources(e, req.ResourceNames) && keep(e) {
			found = append(found, e)
		}
	}
	slices.SortStableFunc(found, order)
	return page(found, req)
}

// page cuts a page; its token is the position in the list.
func page(found []*loggingpb.LogEntry, req *loggingpb.ListLogEntriesRequest) (*loggingpb.ListLogEntriesResponse, error) {
	from := 0
	if req.PageToken != "" {
		n, err := strconv.Atoi(req.PageToken)
		if err != nil || n < 0 {
			return nil, status.Error(codes.InvalidArgument, "page_token is not one of ours")
		}
		from = min(n, len(found))
	}
	size := int(req.PageSize)
	if size <= 0 || size > 1000 {
		size = 1000
	}
	to := min(from+size, len(found))
	resp := &loggingpb.ListLogEntriesResponse{Entries: found[from:to]}
	if to < len(found) {
		resp.NextPageToken = strconv.Itoa(to)
	}
	return resp, nil
}

// ListLogs implements the service.
func (l *Logging) ListLogs(_ context.Context, req *loggingpb.ListLogsRequest) (*loggingpb.ListLogsResponse, error) {
	var names []string
	for _, e := range l.Entries() {
		if ofResources(e, append(req.ResourceNames, req.Parent)) {
			names = append(names, e.LogName)
		}
	}
	slices.Sort(names)
	return &loggingpb.ListLogsResponse{LogNames: slices.Compact(names)}, nil
}

// ofResources reports whether an entry belongs to one of projects/P, ….
func ofResources(e *loggingpb.LogEntry, names []string) bool {
	for _, name := range names {
		if name != "" && strings.HasPrefix(e.LogName, name+"/") {
			return true
		}
	}
	return false
}

// field reads what a filter compares. A severity is a number, all else text.
func field(e *loggingpb.LogEntry, name string) (value string, ok bool) {
	switch {
	case name == "logName":
		return e.LogName, true
	case name == "insertId":
		return e.InsertId, true
	case name == "trace":
		return e.Trace, e.Trace != ""
	case name == "textPayload":
		return e.GetTextPayload(), e.GetTextPayload() != ""
	case name == "resource.type":
		return e.Resource.GetType(), true
	case strings.HasPrefix(name, "resource.labels."):
		value, ok = e.Resource.GetLabels()[strings.TrimPrefix(name, "resource.labels.")]
	case strings.HasPrefix(name, "labels."):
		value, ok = e.Labels[strings.TrimPrefix(name, "labels.")]
	case strings.HasPrefix(name, "jsonPayload."):
		return jsonField(e, strings.TrimPrefix(name, "jsonPayload."))
	}
	return value, ok
}

func jsonField(e *loggingpb.LogEntry, path string) (string, bool) {
	fields := e.GetJsonPayload().GetFields()
	for {
		name, rest, nested := strings.Cut(path, ".")
		value, ok := fields[name]
		if !ok {
			return "", false
		}
		if !nested {
			return fmt.Sprint(value.AsInterface()), true
		}
		fields, path = value.GetStructValue().GetFields(), rest
	}
}
