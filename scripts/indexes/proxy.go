package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	maxMessage = 64 << 20 // what the emulator's clients allow too
	// window may be under way unread. That it is fixed spares both sides a ping for each
	// answer, by which gRPC would learn how large it should be.
	window = 4 << 20
)

// proxy passes gRPC on as it is, and notes the queries.
type proxy struct {
	addr   string
	server *grpc.Server
	target *grpc.ClientConn

	mu   sync.Mutex
	seen map[string]query
}

func startProxy(host string) (*proxy, error) {
	target, err := grpc.NewClient(host, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window), grpc.WithDefaultCallOptions(
			grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("open the emulator: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: ln.Addr().String(), target: target, seen: map[string]query{}}
	p.server = grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window), grpc.UnknownServiceHandler(p.pass))
	go func() { _ = p.server.Serve(ln) }() // ends with stop
	return p, nil
}

func (p *proxy) stop() {
	p.server.Stop()
	_ = p.target.Close()
}

// queries are all that were made, each once.
func (p *proxy) queries() []query {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.seen), func(a, b query) int { return cmp.Compare(a.String(), b.String()) })
}

// pass is one call, whatever its method.
func (p *proxy) pass(_ any, in grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(in)
	md, _ := metadata.FromIncomingContext(in.Context())
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(in.Context(), md.Copy()))
	defer cancel()
	out, err := p.target.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var message []byte
			if err := in.RecvMsg(&message); err != nil {
				if errors.Is(err, io.EOF) {
					_ = out.CloseSend() // always nil
				} else {
					cancel()
				}
				return
			}
			p.note(method, message)
			if out.SendMsg(&message) != nil {
				return // RecvMsg below has the reason
			}
		}
	}()
	header, err := out.Header()
	if err == nil && header != nil {
		err = in.SetHeader(header)
	}
	for err == nil {
		var message []byte
		if err = out.RecvMsg(&message); err == nil {
			err = in.SendMsg(&message)
		}
	}
	in.SetTrailer(out.Trailer())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// note keeps a query.
func (p *proxy) note(method string, message []byte) {
	var parent string
	var q *firestorepb.StructuredQuery
	switch method {
	case "/google.firestore.v1.Firestore/RunQuery":
		var r firestorepb.RunQueryRequest
		if proto.Unmarshal(message, &r) != nil {
			return // the emulator refuses it
		}
		parent, q = r.Parent, r.GetStructuredQuery()
	case "/google.firestore.v1.Firestore/RunAggregationQuery":
		var r firestorepb.RunAggregationQueryRequest
		if proto.Unmarshal(message, &r) != nil {
			return
		}
		parent, q = r.Parent, r.GetStructuredAggregationQuery().GetStructuredQuery()
	case "/google.firestore.v1.Firestore/Listen":
		var r firestorepb.ListenRequest
		if proto.Unmarshal(message, &r) != nil {
			return
		}
		parent, q = r.GetAddTarget().GetQuery().GetParent(), r.GetAddTarget().GetQuery().GetStructuredQuery()
	}
	if q == nil {
		return
	}
	one := newQuery(parent, q)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[one.String()] = one
}

// raw is the codec of messages that are passed on unread.
type raw struct{}

// Marshal implements encoding.Codec.
func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = slices.Clone(data)
	return nil
}

// Name implements encoding.Codec.
func (raw) Name() string { return "proto" }
