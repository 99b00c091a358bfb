package main

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// guest makes the system a guest of the emulators that all tests share, for tests that
// do nothing to them.
func (p *program) guest(t *testing.T) {
	t.Helper()
	local.NeedFirestore(t)
	local.NeedPubSub(t)
	p.Env = append(p.Env, "FIRESTORE_EMULATOR_HOST="+os.Getenv("FIRESTORE_EMULATOR_HOST"),
		"PUBSUB_EMULATOR_HOST="+os.Getenv("PUBSUB_EMULATOR_HOST"), guestVariable+"="+local.Project(t))
}

// startGuest is startLive in the emulators that all tests share.
func startGuest(t *testing.T) *live {
	t.Helper()
	p := emulators(t, liveArgs()...)
	p.guest(t)
	return newLive(t, p)
}

// TestGuestRefuses to keep what is not its own, and to be a guest of nobody: clients
// would turn to Google.
func TestGuestRefuses(t *testing.T) {
	t.Parallel()
	keeping := emulators(t, "-addr", "localhost:0", "-data", t.TempDir())
	keeping.guest(t)
	alone := emulators(t, "-addr", "localhost:0")
	alone.guest(t)
	alone.Env = append(alone.Env, "PUBSUB_EMULATOR_HOST=")
	for want, p := range map[string]*program{"-data": keeping, "PUBSUB_EMULATOR_HOST is not": alone} {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if code := p.end(t); code != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s: status %d, standard error %s", want, code, p.stderr)
		}
	}
}

// finishGuest is finish of a guest, which starts, hurts and ends no emulator, and leaves
// no work to those that go on.
func (s *live) finishGuest(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/firestore/restart", "/firestore/pause", "/pubsub/resume"} {
		if code, body, err := s.call(t.Context(), http.MethodPost, s.env["LETHE_CONTROL"]+path, ""); err != nil || code != 500 {
			t.Errorf("%s: %d %s %v", path, code, body, err)
		}
	}
	for _, pid := range s.processes(t) {
		if cmdline(t, pid, "java") {
			t.Errorf("%d is an emulator of its own", pid)
		}
	}
	client := s.clients(t).pubsub
	subscriptions := func() (n int) {
		request := &pubsubpb.ListSubscriptionsRequest{Project: "projects/" + s.env["GOOGLE_CLOUD_PROJECT"]}
		for _, err := range client.SubscriptionAdminClient.ListSubscriptions(t.Context(), request).All() {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if subscriptions() == 0 {
		t.Error("no subscriptions")
	}
	s.finish(t)
	if n := subscriptions(); n > 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
