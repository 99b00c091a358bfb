package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// kept are the clients of what -data keeps.
type kept struct {
	dbs     map[string]*firestore.Client
	storage *storage.Client
	pubsub  *pubsub.Client
}

func (s *live) clients(t *testing.T) kept {
	t.Helper()
	k := kept{dbs: map[string]*firestore.Client{}}
	var err error
	for _, db := range []string{topology.DefaultDatabase, topology.EdgeDatabase} {
		k.dbs[db], err = firestore.NewClientWithDatabase(t.Context(), s.env["GOOGLE_CLOUD_PROJECT"], db,
			option.WithGRPCConn(local.Dial(t, s.env["FIRESTORE_EMULATOR_HOST"])))
		if err != nil {
			t.Fatal(err)
		}
	}
	if k.pubsub, err = pubsub.NewClient(t.Context(), s.env["GOOGLE_CLOUD_PROJECT"], option.WithGRPCConn(local.Dial(t, s.env["PUBSUB_EMULATOR_HOST"]))); err != nil {
		t.Fatal(err)
	}
	if k.storage, err = storage.NewClient(t.Context(), storage.WithJSONReads(), option.WithoutAuthentication(),
		option.WithEndpoint("http://"+s.env["STORAGE_EMULATOR_HOST"]+"/storage/v1/")); err != nil {
		t.Fatal(err)
	}
	return k
}

// TestDataIsKept finds in a second run what the first one left. A signal ends the first,
// and the second ends when "go run" is killed.
func TestDataIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	first := newLive(t, raced(t, liveArgs("-data", dir)...))
	if again := emulators(t, "-addr", "localhost:0", "-data", dir); again.Start() != nil || again.end(t) != 1 ||
		!strings.Contains(again.stderr.String(), "is in use by another run") {
		t.Errorf("a second run in the same directory: %s", again.stderr)
	}
	k := first.clients(t)
	for name, db := range k.dbs {
		if _, err := db.Doc("test/kept").Set(ctx, map[string]any{"in": name}); err != nil {
			t.Fatal(err)
		}
	}
	w := k.storage.Bucket(first.env["LETHE_BUCKET"]).Object("kept").NewWriter(ctx)
	if _, err := io.WriteString(w, "object"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dead := topology.DeadTopic(topology.TopicEvents)
	if _, err := k.pubsub.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{
		Topic: local.TopicName(googleProject, dead), Messages: []*pubsubpb.PubsubMessage{{Data: []byte("letter")}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := first.track(ctx, "ada", "kept"); err != nil {
		t.Fatal(err)
	}
	if code, body, err := first.call(ctx, "POST", first.env["LETHE_CONTROL"]+"/firestore/restart", ""); err != nil || code != 500 || !strings.Contains(body, restartVariable) {
		t.Errorf("restart of what cannot be: %d %s %v", code, body, err)
	}
	first.endsBy(t, syscall.SIGTERM, 128+15)

	under := raced(t, liveArgs("-data", dir)...)
	under.underGo(t)
	second := newLive(t, under)
	if second.env["LETHE_TOKEN"] != first.env["LETHE_TOKEN"] || second.env["LETHE_KEY"] != first.env["LETHE_KEY"] {
		t.Error("the credentials are others")
	}
	second.seen(t, 1)
	second.checkKept(ctx, t)
	second.endsBy(t, syscall.SIGKILL, 128+9) // of the go tool, of which the program itself hears nothing
}

func (s *live) checkKept(ctx context.Context, t *testing.T) {
	t.Helper()
	k := s.clients(t)
	for name, db := range k.dbs {
		doc, err := db.Doc("test/kept").Get(ctx)
		if err != nil || doc.Data()["in"] != name {
			t.Errorf("database %s: %v", name, err)
		}
	}
	r, err := k.storage.Bucket(s.env["LETHE_BUCKET"]).Object("kept").NewReader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || !bytes.Equal(text, []byte("object")) {
		t.Errorf("object %q, %v", text, err)
	}
	resp, err := k.pubsub.SubscriptionAdminClient.Pull(ctx, &pubsubpb.PullRequest{
		Subscription: local.SubscriptionName(googleProject, topology.DeadTopic(topology.TopicEvents)), MaxMessages: 10,
	})
	if err != nil || len(resp.ReceivedMessages) != 1 || string(resp.ReceivedMessages[0].Message.Data) != "letter" {
		t.Errorf("dead letters %v, %v", resp, err)
	}
}
