// Command replay puts dead letters back into their topic.
//
//	subscription TOPIC-dead ─▶ replay ─▶ TOPIC ─▶ the function
//
//	go run ./scripts/replay -list          # what is there, and why; changes nothing
//	go run ./scripts/replay                # put all back
//	go run ./scripts/replay -reason TEXT   # only those whose reason contains TEXT
//
// It uses the Google project of GOOGLE_CLOUD_PROJECT (and the local emulator if
// PUBSUB_EMULATOR_HOST is set). A message leaves the dead letters only after the
// topic has stored it, so that an interruption loses nothing; what is stored
// twice has one effect. What is parked again meanwhile is left where it is.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/topology"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	topic  string
	reason string
	list   bool
	idle   time.Duration
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	fs.StringVar(&o.topic, "topic", topology.TopicEvents, "topic whose dead letters to put back: "+strings.Join(topology.Topics(), ", "))
	fs.StringVar(&o.reason, "reason", "", "only dead letters whose reason contains this")
	fs.BoolVar(&o.list, "list", false, "list the dead letters and leave them where they are")
	fs.DurationVar(&o.idle, "idle", 5*time.Second, "stop when nothing has come for this long")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 || !slices.Contains(topology.Topics(), o.topic) {
		return fmt.Errorf("unknown argument or topic; try -help")
	}
	var c gcp.Config
	if err := gcp.Load(ctx, &c); err != nil {
		return err
	}
	client, err := gcp.OpenPubSub(ctx, c)
	if err != nil {
		return err
	}
	defer client.Close()
	n, err := replay(ctx, client, c.Project, o, out)
	verb := "put back"
	if o.list {
		verb = "listed"
	}
	fmt.Fprintf(out, "%d dead letters %s\n", n, verb)
	return err
}

// replay works until nothing new comes. Messages that it leaves are kept under
// lease until the end, so that they do not come again, and then returned.
func replay(ctx context.Context, client *pubsub.Client, googleProject string, o options, out io.Writer) (n int, err error) {
	sub := fmt.Sprintf("projects/%s/subscriptions/%s", googleProject, topology.DeadTopic(o.topic))
	pub := queue.NewPublisher(client, o.topic, 30*time.Second)
	var left []string
	tried := map[[sha256.Size]byte]bool{} // a function may park again what it cannot work on at once
	defer func() {
		if e := giveBack(client, sub, left); e != nil {
			err = errors.Join(err, e)
		}
	}()
	for {
		messages, err := pull(ctx, client, sub, o.idle)
		if err != nil || len(messages) == 0 {
			return n, err
		}
		for _, m := range messages {
			reason := m.Message.Attributes[queue.AttrReason]
			if reason == "" {
				reason = "not accepted in as many deliveries as are tried"
			}
			if o.list {
				fmt.Fprintf(out, "%s  project %s  %d bytes  %s\n", m.Message.PublishTime.AsTime().Format(time.RFC3339),
					m.Message.Attributes[queue.AttrProject], len(m.Message.Data), reason)
			}
			hash := sha256.Sum256(append([]byte(m.Message.Attributes[queue.AttrProject]+"\x00"), m.Message.Data...))
			if o.list || !strings.Contains(reason, o.reason) || tried[hash] {
				left = append(left, m.AckId)
				if o.list {
					n++
				}
				continue
			}
			if err := pub.Publish(ctx, m.Message.Data, original(m.Message.Attributes)); err != nil {
				return n, err
			}
			if err := client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: sub, AckIds: []string{m.AckId}}); err != nil {
				return n, fmt.Errorf("acknowledge: %w", err)
			}
			tried[hash] = true
			n++
		}
	}
}

// pull takes what is there; nothing, if nothing comes for a while.
func pull(ctx context.Context, client *pubsub.Client, sub string, idle time.Duration) ([]*pubsubpb.ReceivedMessage, error) {
	waiting, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	got, err := client.SubscriptionAdminClient.Pull(waiting, &pubsubpb.PullRequest{Subscription: sub, MaxMessages: 100})
	switch {
	case err == nil:
		return got.ReceivedMessages, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case status.Code(err) == codes.DeadlineExceeded || waiting.Err() != nil:
		return nil, nil
	}
	return nil, fmt.Errorf("pull from %s: %w", sub, err)
}

// giveBack ends the lease of messages, also after an interruption.
func giveBack(client *pubsub.Client, sub string, ids []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for part := range slices.Chunk(ids, 500) {
		err := client.SubscriptionAdminClient.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: sub, AckIds: part})
		if err != nil {
			return fmt.Errorf("return dead letters: %w", err)
		}
	}
	return nil
}

// original are a message's attributes without what made it a dead letter, by
// queue.Worker or by Pub/Sub.
func original(attributes map[string]string) map[string]string {
	attrs := maps.Clone(attributes)
	maps.DeleteFunc(attrs, func(k, _ string) bool {
		return k == queue.AttrReason || k == queue.AttrOrigin || strings.HasPrefix(k, "CloudPubSubDeadLetter")
	})
	return attrs
}
