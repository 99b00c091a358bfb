package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// Times of an orderly stop.
const (
	drainGrace = 10 * time.Second // for requests in flight, as on Cloud Run
	saveGrace  = 2 * time.Minute
)

// stop ends the system in order: no new requests, those in flight are answered,
// the data is saved if it is to be kept, then everything ends.
func (s *system) stop() error {
	defer s.close()
	ctx, cancel := context.WithTimeout(context.Background(), drainGrace)
	defer cancel()
	for _, server := range s.servers {
		if err := server.Shutdown(ctx); err != nil {
			_ = server.Close() // those still in flight have had their time
		}
	}
	s.endRelays()
	var stopping sync.WaitGroup
	for _, f := range s.functions {
		stopping.Go(f.stop)
	}
	stopping.Wait()
	s.relays.Wait()
	switch {
	case s.guest:
		return s.leave()
	case s.dir.keep:
		return s.save()
	}
	return nil
}

// leave relieves the emulators that go on.
func (s *system) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveGrace)
	defer cancel()
	return local.RemoveSubscriptions(ctx, s.client, s.google)
}

// save writes what is to be kept; objects and the demo project's keys are on disk
// already.
func (s *system) save() error {
	ctx, cancel := context.WithTimeout(context.Background(), saveGrace)
	defer cancel()
	_, err := local.SaveMessages(ctx, s.client, s.google, s.dir.messages())
	if saveErr := s.firestore.Save(ctx, s.dir.firestoreDir(), s.google); saveErr != nil {
		err = errors.Join(err, saveErr)
	}
	if err != nil {
		return fmt.Errorf("the data was not saved in full; %s holds what was kept before: %w", s.dir.path, err)
	}
	return nil
}

// close ends at once whatever has been started.
func (s *system) close() {
	if s.listen != nil {
		_ = s.listen.Close()
	}
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.endRelays()
	if s.client != nil {
		_ = s.client.Close()
	}
	var emulators sync.WaitGroup // the first of each kind takes some seconds to end: it archives its classes
	if s.firestore != nil && !s.guest {
		emulators.Go(s.firestore.Stop)
	}
	if s.pubsub != nil && !s.guest {
		emulators.Go(s.pubsub.Stop)
	}
	emulators.Wait()
	if s.storage != nil {
		s.storage.Stop()
	}
	if s.mailbox != nil {
		s.mailbox.Stop()
	}
	if s.issuer != nil {
		s.issuer.Stop()
	}
	if s.logging != nil {
		s.logging.Stop()
	}
	if s.dir != nil {
		s.dir.close()
	}
	if s.reaper != nil {
		s.reaper.Close()
	}
}
