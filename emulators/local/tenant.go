package local

// This file is for tests, of any package.

import (
	"context"
	"errors"
	"os"
	"testing"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/lethe-analytics/lethe/emulators/local/localquery"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Tenant is a customer's project in a Google project of its own, for one test.
type Tenant struct {
	gcp.Databases
	Config  gcp.Config
	Project project.Project // id "app"
	Token   string          // SDK token
	Key     string          // API key with role admin
}

// NewTenant makes a Tenant on the shared Firestore emulator, which has accepted the
// DPA. The change, if not nil, alters the project before it is created.
func NewTenant(t testing.TB, change func(*project.Project)) *Tenant {
	t.Helper()
	NeedFirestore(t)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tenant := &Tenant{Config: gcp.Config{Project: Project(t)}}
	var err error
	for name, db := range map[string]**firestore.Client{topology.DefaultDatabase: &tenant.Default, topology.EdgeDatabase: &tenant.Edge} {
		conn := Dial(t, os.Getenv("FIRESTORE_EMULATOR_HOST"), localquery.Record()...)
		*db, err = gcp.OpenFirestore(context.Background(), tenant.Config, name, option.WithGRPCConn(conn))
		check(err)
		t.Cleanup(func() { _ = (*db).Close() })
	}
	accepted, err := PublishDPA(ctx, tenant.Databases)
	check(err)
	p := project.Project{ID: "app", Name: "App", DPA: accepted}
	if change != nil {
		change(&p)
	}
	tenant.Project, err = project.Create(ctx, tenant.Databases, p)
	check(err)
	tenant.Token, err = project.NewToken(ctx, tenant.Databases, p.ID)
	check(err)
	tenant.Key, err = project.NewKey(ctx, tenant.Default, p.ID, project.Admin)
	check(err)
	return tenant
}

// OpenPubSub opens Pub/Sub for the tenant's Google project. A topic of the topology is
// there, with all that Setup makes of it, once this client has named it (most tests need
// two of the many); those that other clients will use are given.
func (n *Tenant) OpenPubSub(t testing.TB, topics ...string) *pubsub.Client {
	t.Helper()
	NeedPubSub(t)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	admin, err := gcp.OpenPubSub(context.Background(), n.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		if err := errors.Join(RemoveSubscriptions(ctx, admin, n.Config.Project), admin.Close()); err != nil {
			t.Log(err) // some tests end the emulator
		}
	})
	made := &topicsInUse{admin: admin, project: n.Config.Project, made: map[string]bool{}}
	for _, topic := range topics {
		if err := made.need(ctx, topic); err != nil {
			t.Fatal(err)
		}
	}
	client, err := gcp.OpenPubSub(context.Background(), n.Config, option.WithGRPCDialOption(grpc.WithUnaryInterceptor(made.intercept)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Pull waits for the next messages of a subscription, at most so many, and
// acknowledges them.
func (n *Tenant) Pull(t testing.TB, client *pubsub.Client, subscription string, most int) []*pubsubpb.PubsubMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	name := SubscriptionName(n.Config.Project, subscription)
	for {
		got, err := client.SubscriptionAdminClient.Pull(ctx, &pubsubpb.PullRequest{Subscription: name, MaxMessages: int32(most)})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.ReceivedMessages) == 0 {
			continue
		}
		var ids []string
		var messages []*pubsubpb.PubsubMessage
		for _, m := range got.ReceivedMessages {
			ids = append(ids, m.AckId)
			messages = append(messages, m.Message)
		}
		if err := client.SubscriptionAdminClient.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: name, AckIds: ids}); err != nil {
			t.Fatal(err)
		}
		return messages
	}
}
