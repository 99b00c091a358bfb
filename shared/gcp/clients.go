package gcp

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/logging"
	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// Lazy opens a value at its first use and keeps it. A failed opening is not
// kept: the next caller tries again, so that a passing fault at cold start does
// not outlive itself (sync.Once would make it permanent).
type Lazy[T any] struct {
	Open func(context.Context) (T, error)

	mu    sync.Mutex
	value T
	ok    bool
}

// Get returns the value, opening it if need be. Opening uses a background
// context: the value outlives the request that asked for it first.
func (l *Lazy[T]) Get() (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ok {
		return l.value, nil
	}
	v, err := l.Open(context.Background())
	if err != nil {
		var zero T
		return zero, err
	}
	l.value, l.ok = v, true
	return v, nil
}

// Databases are the two Firestore databases (see topology).
type Databases struct {
	Default *firestore.Client
	Edge    *firestore.Client
}

// OpenDatabases opens both databases.
func OpenDatabases(ctx context.Context, c Config) (Databases, error) {
	def, err := OpenFirestore(ctx, c, topology.DefaultDatabase)
	if err != nil {
		return Databases{}, err
	}
	edge, err := OpenFirestore(ctx, c, topology.EdgeDatabase)
	if err != nil {
		return Databases{}, err
	}
	return Databases{Default: def, Edge: edge}, nil
}

// windows are how much may be under way to a client unread, in bytes. That they are
// fixed spares a ping for each answer, by which gRPC would learn how large they should be.
func windows(n int32) []option.ClientOption {
	return []option.ClientOption{option.WithGRPCDialOption(grpc.WithInitialWindowSize(n)), option.WithGRPCDialOption(grpc.WithInitialConnWindowSize(n))}
}

// OpenFirestore opens one database over one gRPC connection. A connection that
// went silent (its server stopped, a NAT forgot it) is noticed within a minute.
func OpenFirestore(ctx context.Context, c Config, database string, opts ...option.ClientOption) (*firestore.Client, error) {
	opts = slices.Concat([]option.ClientOption{option.WithGRPCConnectionPool(1), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}))}, windows(4<<20), opts)
	client, err := firestore.NewClientWithDatabase(ctx, c.Project, database, opts...)
	if err != nil {
		return nil, fmt.Errorf("open firestore database %s: %w", database, err)
	}
	return client, nil
}

// OpenPubSub opens Pub/Sub. Telemetry, which nobody collects here, would cost a
// sixth of ingest's CPU at 16 requests at a time.
func OpenPubSub(ctx context.Context, c Config, opts ...option.ClientOption) (*pubsub.Client, error) {
	opts = slices.Concat([]option.ClientOption{option.WithGRPCConnectionPool(1), option.WithTelemetryDisabled()}, windows(1<<20), opts)
	client, err := pubsub.NewClient(ctx, c.Project, opts...)
	if err != nil {
		return nil, fmt.Errorf("open pubsub: %w", err)
	}
	return client, nil
}

// OpenLogging opens Cloud Logging.
func OpenLogging(ctx context.Context, c Config) (*logging.Client, error) {
	var opts []option.ClientOption
	if c.LoggingHost != "" {
		opts = append(opts, option.WithEndpoint(c.LoggingHost), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	client, err := logging.NewClient(ctx, c.Project, opts...)
	if err != nil {
		return nil, fmt.Errorf("open logging: %w", err)
	}
	return client, nil
}
