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
// twice has one effect. What is parked again meanwhile is left where it is. While
// it works no erasure looks through the dead letters, nor it while one does
// (package letters).
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

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"

	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/letters"
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
	db, err := gcp.OpenFirestore(ctx, c, topology.DefaultDatabase)
	if err != nil {
		return err
	}
	defer db.Close()
	n, err := replay(ctx, db, client, o, out)
	verb := "put back"
	if o.list {
		verb = "listed"
	}
	fmt.Fprintf(out, "%d dead letters %s\n", n, verb)
	return err
}

// replay works until nothing new comes. What it leaves it has to itself until the
// end, so that it does not come again.
func replay(ctx context.Context, db *firestore.Client, client *pubsub.Client, o options, out io.Writer) (n int, err error) {
	turn, _, err := letters.Take(ctx, db, client, topology.DeadTopic(o.topic), func() bool { return true })
	if err != nil {
		return 0, err
	}
	defer turn.Close()
	pub := queue.NewPublisher(client, o.topic, 30*time.Second)
	tried := map[[sha256.Size]byte]bool{} // a function may park again what it cannot work on at once
	for {
		messages, err := turn.Next(ctx, o.idle)
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
				n++
				continue
			}
			hash := sha256.Sum256(append([]byte(m.Message.Attributes[queue.AttrProject]+"\x00"), m.Message.Data...))
			if !strings.Contains(reason, o.reason) || tried[hash] {
				continue
			}
			if err := pub.Publish(ctx, m.Message.Data, original(m.Message.Attributes)); err != nil {
				return n, err
			}
			if err := turn.Remove(ctx, m); err != nil {
				return n, err
			}
			tried[hash] = true
			n++
		}
	}
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
