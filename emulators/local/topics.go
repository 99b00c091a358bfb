package local

// This file is for tests, of any package.

import (
	"context"
	"path"
	"sync"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// topicsInUse makes the topics of the topology when they are first named in a call. (In
// no stream: a Relay pulls.)
type topicsInUse struct {
	admin   *pubsub.Client
	project string

	mu   sync.Mutex
	made map[string]bool
}

// intercept is for the client whose calls name them: by a topic or a subscription of it.
func (u *topicsInUse) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	name := ""
	switch r := req.(type) {
	case interface{ GetTopic() string }:
		name = r.GetTopic()
	case interface{ GetSubscription() string }:
		name = r.GetSubscription()
	}
	if err := u.need(ctx, path.Base(name)); err != nil {
		return err
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

// need makes the topic that a topic or a subscription belongs to, if it is one of ours.
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
	u.made[topic] = true
	return nil
}
