package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localstorage"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// The steps of start, in order: each needs the ones before it.

// startServices starts what stands for Google Cloud.
func (s *system) startServices(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	if s.guest {
		s.firestore = &local.Firestore{Host: os.Getenv("FIRESTORE_EMULATOR_HOST")}
		s.pubsub = &local.PubSub{Host: os.Getenv("PUBSUB_EMULATOR_HOST")}
	} else {
		g.Go(func() (err error) {
			s.firestore, err = local.StartFirestore(gctx, s.reaper, local.FirestoreOptions{
				Load: s.dir.firestore(), Restartable: os.Getenv(restartVariable) != ""})
			return err
		})
		g.Go(func() (err error) {
			s.pubsub, err = local.StartPubSub(gctx, s.reaper)
			return err
		})
	}
	g.Go(func() (err error) {
		if s.logging, err = local.StartLogging(); err != nil {
			return err
		}
		s.storage, err = localstorage.Start(s.dir.storage(), s.dir.keep)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	keys, err := local.MakeKeys(s.dir.path)
	if err != nil {
		return err
	}
	env, err := s.startPeople()
	if err != nil {
		return err
	}
	maps.Copy(env, map[string]string{
		"GOOGLE_CLOUD_PROJECT":    s.google,
		"FIRESTORE_EMULATOR_HOST": s.firestore.Host,
		"PUBSUB_EMULATOR_HOST":    s.pubsub.Host,
		"STORAGE_EMULATOR_HOST":   s.storage.Host,
		"LOGGING_EMULATOR_HOST":   s.logging.Host,
		"LETHE_BUCKET":            bucket,
		"LETHE_SIGNING_KEY_FILE":  s.storage.KeyFile,
		"LETHE_SIGNING_ACCOUNT":   localstorage.SigningAccount,
		"LETHE_PUBLIC_URL":        s.url,
		"LETHE_API_URL":           s.url, // the dashboard comes in by the gateway as others do
		"LETHE_RECEIPT_KEY_FILE":  keys.Receipt,
		"LETHE_OPENDSR_KEY_FILE":  keys.OpenDSR,
		"LETHE_OPENDSR_CERT_FILE": keys.OpenDSRCert,
		"LETHE_OPENDSR_DOMAIN":    "localhost",
		"LETHE_LOG_KEY_FILE":      keys.AccessLog,
		"LETHE_TRUSTED_HOPS":      "1", // the gateway
		"LETHE_TRUST_REGION":      "true",

		"LETHE_ALLOW_LOOPBACK_CALLBACKS": "true",
	})
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil { // for this process's clients and all children
			return err
		}
	}
	return nil
}

// setUp creates what Terraform creates in production, the demo project, and
// brings kept messages back.
func (s *system) setUp(ctx context.Context) (err error) {
	s.storage.CreateBucket(bucket)
	config := gcp.Config{Project: s.google}
	if s.client, err = gcp.OpenPubSub(context.WithoutCancel(ctx), config); err != nil {
		return err
	}
	if err := local.Setup(ctx, s.client, s.google); err != nil {
		return err
	}
	if _, err := local.LoadMessages(ctx, s.client, s.google, s.dir.messages()); err != nil {
		return err
	}
	s.demo, err = setUpDemo(ctx, config, filepath.Join(s.dir.path, "demo.json"))
	return err
}

func (s *system) startRelays(ctx context.Context) error {
	ctx, s.endRelays = context.WithCancel(context.WithoutCancel(ctx))
	for _, sub := range local.Subscriptions() {
		f := s.functions[sub.Function.Name]
		r := &local.Relay{
			Client:       s.client,
			Subscription: local.SubscriptionName(s.google, sub.Name),
			URL:          f.url() + "/",
			Dial:         f.dial,
		}
		s.relays.Go(func() { r.Run(ctx) })
	}
	for _, job := range topology.Schedules {
		s.relays.Go(func() { s.runSchedule(ctx, job) })
	}
	return nil
}
