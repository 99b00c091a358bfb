// Package localquery owns what is known of the queries that tests make: which there were,
// by their shapes, for scripts/indexes.
//
//	client of a test ─ Record ─▶ the emulator
//	                     └─▶ a line a shape in the file of Variable ─▶ Read
//
// A local.Tenant's clients tell; one that code under test opens for itself does not.
package localquery

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
)

// Variable names the file that queries are written to; without it there is none.
const Variable = "LETHE_QUERIES"

// Record makes a connection to Firestore write which queries are made by it.
func Record() []grpc.DialOption {
	file := os.Getenv(Variable)
	if file == "" {
		return nil
	}
	return []grpc.DialOption{grpc.WithChainStreamInterceptor(
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, desc, cc, method, opts...)
			return &recorded{s, file}, err
		})}
}

type recorded struct {
	grpc.ClientStream
	file string
}

// SendMsg implements grpc.ClientStream.
func (s *recorded) SendMsg(msg any) error {
	if err := note(s.file, msg); err != nil {
		return err
	}
	return s.ClientStream.SendMsg(msg)
}

// noted are the shapes that this process has written, by file.
var noted struct {
	sync.Mutex
	shapes map[[2]string]bool
}

// note writes of a query what is new.
func note(file string, msg any) error {
	var parent string
	var s *firestorepb.StructuredQuery
	switch r := msg.(type) {
	case *firestorepb.RunQueryRequest:
		parent, s = r.Parent, r.GetStructuredQuery()
	case *firestorepb.RunAggregationQueryRequest:
		parent, s = r.Parent, r.GetStructuredAggregationQuery().GetStructuredQuery()
	case *firestorepb.ListenRequest:
		parent, s = r.GetAddTarget().GetQuery().GetParent(), r.GetAddTarget().GetQuery().GetStructuredQuery()
	}
	if s == nil {
		return nil
	}
	q := New(parent, s)
	key := [2]string{file, q.String()}
	noted.Lock()
	defer noted.Unlock()
	if noted.shapes[key] {
		return nil
	}
	line, err := json.Marshal(q)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0) // other processes append too
	if err != nil {
		return fmt.Errorf("note a query: %w", err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("note a query: %w", err)
	}
	if noted.shapes == nil {
		noted.shapes = map[[2]string]bool{}
	}
	noted.shapes[key] = true
	return nil
}

// Read returns the queries that were written, each once, in the order of their texts.
func Read(r io.Reader) ([]Query, error) {
	all := map[string]Query{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var q Query
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return nil, fmt.Errorf("read queries: %w", err)
		}
		all[q.String()] = q
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read queries: %w", err)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Query) int { return cmp.Compare(a.String(), b.String()) }), nil
}
