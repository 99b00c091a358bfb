package local

// This file is for tests, of any package.

import (
	"context"
	"path"
	"sync"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// topicsInUse makes the topics of the topology when they are first named in a call.
type topicsInUse struct {
	admin   *pubsub.Client
	project string

	mu   sync.Mutex
	made map[string]bool
}

// intercept is for the client whose calls name them.
func (u *topicsInUse) intercept() []option.ClientOption {
	return []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if err := u.needAll(ctx, req); err != nil {
					return err
				}
				return invoke(ctx, method, req, reply, cc, opts...)
			})),
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(
			func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				s, err := open(ctx, desc, cc, method, opts...)
				return &namingStream{s, u}, err
			})),
	}
}

// namingStream is a stream whose requests name a subscription.
type namingStream struct {
	grpc.ClientStream
	u *topicsInUse
}

// SendMsg implements grpc.ClientStream.
func (s *namingStream) SendMsg(m any) error {
	if err := s.u.needAll(s.Context(), m); err != nil {
		return err
	}
	return s.ClientStream.SendMsg(m)
}

// needAll makes the topics that a request names, or whose subscription it names.
func (u *topicsInUse) needAll(ctx context.Context, req any) error {
	if r, ok := req.(interface{ GetTopic() string }); ok {
		if err := u.need(ctx, path.Base(r.GetTopic())); err != nil {
			return err
		}
	}
	if r, ok := req.(interface{ GetSubscription() string }); ok {
		return u.need(ctx, path.Base(r.GetSubscription()))
	}
	return nil
}

// need makes the topic that a topic or a subscription belongs to.
func (u *topicsInUse) need(ctx context.Context, name string) error {
	topic := ""
	for _, s := range Subscriptions() {
		if name == s.Topic || name == s.Name || name == topology.DeadTopic(s.Topic) {
			topic = s.Topic
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if topic == "" || u.made[topic] {
		return nil
	}
	if err := setupTopic(ctx, u.admin, u.project, topic); err != nil {
		return err
	}
	if u.made == nil {
		u.made = map[string]bool{}
	}
	u.made[topic] = true
	return nil
}
