package local

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// Subscription is a work subscription and the function that works on it.
type Subscription struct {
	Name     string // short name
	Topic    string
	Function topology.Function
}

// Subscriptions lists the work subscriptions of topology.Functions.
func Subscriptions() []Subscription {
	var subs []Subscription
	for _, f := range topology.Functions {
		if f.Topic != "" {
			subs = append(subs, Subscription{topology.PushSubscription(f.Topic, f.Name), f.Topic, f})
		}
	}
	return subs
}

// TopicName is a topic's full name.
func TopicName(googleProject, topic string) string {
	return fmt.Sprintf("projects/%s/topics/%s", googleProject, topic)
}

// SubscriptionName is a subscription's full name.
func SubscriptionName(googleProject, subscription string) string {
	return fmt.Sprintf("projects/%s/subscriptions/%s", googleProject, subscription)
}

// Setup creates every topic of the topology, its dead-letter topic, its work
// subscription (without a push endpoint: a Relay pulls it) and the subscription
// of its dead letters. What exists already is left alone.
func Setup(ctx context.Context, client *pubsub.Client, googleProject string) error {
	for _, topic := range topology.Topics() {
		if err := setupTopic(ctx, client, googleProject, topic); err != nil {
			return err
		}
	}
	return nil
}

func setupTopic(ctx context.Context, client *pubsub.Client, googleProject, topic string) error {
	for _, name := range []string{topic, topology.DeadTopic(topic)} {
		_, err := client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: TopicName(googleProject, name)})
		if err != nil && status.Code(err) != codes.AlreadyExists {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	dead := topology.DeadTopic(topic)
	if err := createSubscription(ctx, client, &pubsubpb.Subscription{
		Name:               SubscriptionName(googleProject, dead),
		Topic:              TopicName(googleProject, dead),
		AckDeadlineSeconds: seconds(topology.AckDeadline),
	}); err != nil {
		return err
	}
	for _, sub := range Subscriptions() {
		if sub.Topic != topic {
			continue
		}
		if err := createSubscription(ctx, client, &pubsubpb.Subscription{
			Name:               SubscriptionName(googleProject, sub.Name),
			Topic:              TopicName(googleProject, topic),
			AckDeadlineSeconds: seconds(topology.AckDeadline),
			RetryPolicy: &pubsubpb.RetryPolicy{
				MinimumBackoff: durationpb.New(topology.MinBackoff),
				MaximumBackoff: durationpb.New(topology.MaxBackoff),
			},
			DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{
				DeadLetterTopic:     TopicName(googleProject, dead),
				MaxDeliveryAttempts: topology.MaxDeliveries,
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// RemoveSubscriptions deletes those of a project: for each the emulator keeps
// a thread that wakes several times a second.
func RemoveSubscriptions(ctx context.Context, client *pubsub.Client, googleProject string) error {
	list := client.SubscriptionAdminClient.ListSubscriptions(ctx, &pubsubpb.ListSubscriptionsRequest{Project: "projects/" + googleProject})
	for s, err := range list.All() {
		if err == nil {
			err = client.SubscriptionAdminClient.DeleteSubscription(ctx, &pubsubpb.DeleteSubscriptionRequest{Subscription: s.GetName()})
		}
		if err != nil {
			return fmt.Errorf("remove subscriptions: %w", err)
		}
	}
	return nil
}

func createSubscription(ctx context.Context, client *pubsub.Client, s *pubsubpb.Subscription) error {
	s.MessageRetentionDuration = durationpb.New(topology.Retention)
	_, err := client.SubscriptionAdminClient.CreateSubscription(ctx, s)
	if err != nil && status.Code(err) != codes.AlreadyExists {
		return fmt.Errorf("create subscription %s: %w", s.Name, err)
	}
	return nil
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }
