package local

// This file is for tests, of any package.

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// startTimeout bounds the start of an emulator in a test; on two busy cores it
// takes some seconds.
const startTimeout = 2 * time.Minute

// shared are the emulators that all tests of this process use. The Reaper ends
// them with the process.
var shared struct {
	sync.Mutex
	reaper    *Reaper
	firestore bool
	pubsub    bool
}

// NeedFirestore makes sure that there is a Firestore emulator: the one of
// FIRESTORE_EMULATOR_HOST if set, else one that is started for this process. It
// sets the variable, so clients are opened as in production. Tests keep apart by
// Project.
func NeedFirestore(t testing.TB) {
	t.Helper()
	need(t, "FIRESTORE_EMULATOR_HOST", &shared.firestore, func(ctx context.Context) (string, error) {
		f, err := StartFirestore(ctx, shared.reaper, FirestoreOptions{})
		if err != nil {
			return "", err
		}
		return f.Host, nil
	})
}

// NeedPubSub is NeedFirestore for Pub/Sub (PUBSUB_EMULATOR_HOST).
func NeedPubSub(t testing.TB) {
	t.Helper()
	need(t, "PUBSUB_EMULATOR_HOST", &shared.pubsub, func(ctx context.Context) (string, error) {
		p, err := StartPubSub(ctx, shared.reaper)
		if err != nil {
			return "", err
		}
		return p.Host, nil
	})
}

func need(t testing.TB, variable string, started *bool, start func(context.Context) (host string, err error)) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if *started || os.Getenv(variable) != "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	err := sharedReaper()
	var host string
	if err == nil {
		host, err = start(ctx)
	}
	if err == nil {
		err = os.Setenv(variable, host)
	}
	if err != nil {
		t.Fatal(err)
	}
	*started = true
}

func sharedReaper() (err error) {
	if shared.reaper == nil {
		shared.reaper, err = NewReaper()
	}
	return err
}

// SharedDir is a directory for all tests of this process, which goes with it.
func SharedDir() (string, error) {
	shared.Lock()
	defer shared.Unlock()
	if err := sharedReaper(); err != nil {
		return "", err
	}
	return shared.reaper.Dir, nil
}

// Eventually waits until a condition holds. The longer that takes, the less often it
// asks, or the asking would be most of what a long test costs.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	pause := 20 * time.Millisecond
	for deadline := time.Now().Add(within); ; time.Sleep(pause) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", within, err)
		}
		pause = min(pause*5/4, 500*time.Millisecond)
	}
}

// OwnFirestore starts a restartable Firestore emulator for one test, for faults
// that other tests must not feel. Clients reach it at its Host.
func OwnFirestore(t testing.TB) *Firestore {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	f, err := StartFirestore(ctx, TestReaper(t), FirestoreOptions{Restartable: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// Open opens a client on this emulator, whatever FIRESTORE_EMULATOR_HOST says.
func (f *Firestore) Open(t testing.TB, googleProject, database string) *firestore.Client {
	t.Helper()
	client, err := firestore.NewClientWithDatabase(context.Background(), googleProject, database, option.WithGRPCConn(Dial(t, f.Host)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Dial connects to an emulator with all rights, for a client that is to ignore
// the environment (option.WithGRPCConn; an endpoint would not do).
func Dial(t testing.TB, host string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(host, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(allRights{}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

const maxMessage = 64 << 20

// allRights is the credential that the Firestore emulator lets do anything.
type allRights struct{}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (allRights) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer owner"}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (allRights) RequireTransportSecurity() bool { return false }

// OwnPubSub starts a Pub/Sub emulator for one test.
func OwnPubSub(t testing.TB) *PubSub {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, err := StartPubSub(ctx, TestReaper(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// TestReaper is a Reaper that ends with a test.
func TestReaper(t testing.TB) *Reaper {
	t.Helper()
	r, err := NewReaper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// Project makes up a Google project id, so that tests that share an emulator
// never meet.
func Project(t testing.TB) string {
	t.Helper()
	b := make([]byte, 6)
	rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return "t-" + hex.EncodeToString(b)
}
