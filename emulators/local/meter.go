package local

// This file is for tests, of any package.

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// minPublish is the least that a publish request is billed, in bytes:
// https://cloud.google.com/pubsub/pricing.
const minPublish = 1000

// Meter counts the operations that Google bills, in the clients that it opens.
type Meter struct {
	Reads, Writes, Deletes atomic.Int64 // documents
	Published              atomic.Int64 // bytes
	Messages               atomic.Int64
}

// Firestore opens a counted client on the emulator.
func (m *Meter) Firestore(t testing.TB, c gcp.Config, database string) *firestore.Client {
	t.Helper()
	client, err := gcp.OpenFirestore(context.Background(), c, database, m.conn(t, os.Getenv("FIRESTORE_EMULATOR_HOST")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// PubSub opens a counted client on the emulator.
func (m *Meter) PubSub(t testing.TB, c gcp.Config) *pubsub.Client {
	t.Helper()
	client, err := gcp.OpenPubSub(context.Background(), c, m.conn(t, os.Getenv("PUBSUB_EMULATOR_HOST")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (m *Meter) conn(t testing.TB, host string) option.ClientOption {
	t.Helper()
	return option.WithGRPCConn(Dial(t, host, grpc.WithChainUnaryInterceptor(m.unary), grpc.WithChainStreamInterceptor(m.stream)))
}

func (m *Meter) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	m.count(req)
	return invoke(ctx, method, req, reply, cc, opts...)
}

func (m *Meter) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	return &meteredStream{s, m}, err
}

type meteredStream struct {
	grpc.ClientStream
	m *Meter
}

// RecvMsg implements grpc.ClientStream.
func (s *meteredStream) RecvMsg(msg any) error {
	err := s.ClientStream.RecvMsg(msg)
	if err == nil {
		s.m.count(msg)
	}
	return err
}

// count knows the messages that are billed. A document that is asked for and
// does not exist is billed as a read:
// https://cloud.google.com/firestore/pricing#operations.
func (m *Meter) count(msg any) {
	switch v := msg.(type) {
	case *firestorepb.CommitRequest:
		m.writes(v.Writes)
	case *firestorepb.BatchWriteRequest:
		m.writes(v.Writes)
	case *firestorepb.BatchGetDocumentsResponse:
		if v.GetFound() != nil || v.GetMissing() != "" {
			m.Reads.Add(1)
		}
	case *firestorepb.RunQueryResponse:
		if v.Document != nil {
			m.Reads.Add(1)
		}
	case *pubsubpb.PublishRequest:
		n := 0
		for _, p := range v.Messages {
			n += len(p.Data)
			for k, a := range p.Attributes {
				n += len(k) + len(a)
			}
		}
		m.Messages.Add(int64(len(v.Messages)))
		m.Published.Add(int64(max(n, minPublish)))
	}
}

func (m *Meter) writes(ws []*firestorepb.Write) {
	for _, w := range ws {
		if w.GetDelete() != "" {
			m.Deletes.Add(1)
		} else {
			m.Writes.Add(1)
		}
	}
}
