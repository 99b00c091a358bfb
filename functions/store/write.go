package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// Limits of one transaction. Production takes 10 MiB, the emulator 4 MiB; the
// estimate is of what is written before compression.
const (
	maxTxBytes  = 2 << 20
	maxTxPeople = 250
	parallelTx  = 4
	// maxTxProfiles bounds the profiles beside, which are written whole. How large
	// they are shows only when they have been read.
	maxTxProfiles = 1 << 20
)

// errTooMuch says that the profiles of some persons are too large together.
var errTooMuch = errors.New("profiles are too large together for one transaction")

// write stores the parts of a batch, many persons a transaction. What one
// transaction has stored stays if another fails: the message comes again and
// overwrites it. It answers what the stored events say of who is who.
func (s *server) write(ctx context.Context, project string, people []*part) ([]claim, error) {
	var mu sync.Mutex
	var found []claim
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelTx)
	for len(people) > 0 {
		n, size := 0, 0
		for n < len(people) && n < maxTxPeople && (n == 0 || size+people[n].size() <= maxTxBytes) {
			size += people[n].size()
			n++
		}
		now := people[:n]
		people = people[n:]
		g.Go(func() error {
			said, err := s.writeSome(ctx, project, now)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, said...)
			return err
		})
	}
	err := g.Wait()
	return found, err
}

// size estimates the bytes to be written.
func (p *part) size() int {
	n := 1024
	for i := range p.events {
		n += len(p.events[i].Properties) + 300
	}
	for i := range p.ops {
		n += len(p.ops[i].Value) + 300
	}
	if len(p.ops) > 0 {
		n += profile.MaxBytes / 8 // the profile is written whole
	}
	return n
}

// writeSome stores some parts in one transaction, or in more if it must.
func (s *server) writeSome(ctx context.Context, project string, people []*part) ([]claim, error) {
	found, err := s.writeTx(ctx, project, people)
	if !errors.Is(err, errTooMuch) {
		return found, err
	}
	half := len(people) / 2
	first, err := s.writeSome(ctx, project, people[:half])
	if err != nil {
		return first, err
	}
	second, err := s.writeSome(ctx, project, people[half:])
	return append(first, second...), err
}

func (s *server) writeTx(ctx context.Context, project string, people []*part) (found []claim, err error) {
	// Compressing takes the most time; done before, it holds no lock. It is done
	// again only for those of whom something is dropped.
	built := make([][]chunk.Chunk, len(people))
	keys := make([]person.Key, len(people))
	for i, p := range people {
		built[i] = chunk.Build(project, p.events)
		keys[i] = p.key
	}
	dropped := 0
	release, err := s.turns.take(ctx, s.wants(people))
	if err != nil {
		return nil, err
	}
	defer release()
	refold := map[person.Key]bool{}
	var profiles profiles
	err = s.db.RunTransaction(ctx, func(ctx context.Context, tx *firestore.Transaction) error {
		dropped, found = 0, nil
		clear(refold)
		profiles = map[person.Key]*folded{}
		standings, err := person.FindAll(tx.GetAll, s.db, project, keys)
		if err != nil {
			return err
		}
		all := make([]*writes, len(people))
		for i, p := range people {
			w, n, err := s.decide(tx, standings[i], p, built[i], project, profiles)
			if err != nil {
				return err
			}
			all[i] = w
			dropped += n
			found = append(found, w.claims...)
			if w.profile != nil && w.profile.Refold {
				refold[w.person] = true
			}
		}
		if profiles.size() > maxTxProfiles && len(people) > 1 {
			return errTooMuch
		}
		for _, w := range all { // reads come before writes
			if err := w.do(tx, s.db, project); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store batch: %w", err)
	}
	for _, p := range people {
		s.known.Add(p.key, struct{}{})
	}
	if dropped > 0 {
		slog.InfoContext(ctx, "dropped for consent or erasure", "project", project, "count", dropped)
	}
	for key := range refold {
		if _, err := profile.Refold(ctx, s.db, project, key); err != nil {
			return nil, err
		}
	}
	s.tellFull(ctx, project, profiles, refold)
	return found, nil
}

// wants says whose documents are probably going to be written: those of persons
// with operations, and of those whom this process has not seen before.
func (s *server) wants(people []*part) []want {
	wants := make([]want, 0, len(people))
	for _, p := range people {
		if p.distinctID != "" { // nobody has no document
			wants = append(wants, want{p.key, len(p.ops) > 0 || !s.known.Contains(p.key)})
		}
	}
	return wants
}

// decide says what to write for one identity, given its document and its person's.
func (s *server) decide(tx *firestore.Transaction, of *person.Standing, p *part, built []chunk.Chunk, project string, profiles profiles) (*writes, int, error) {
	doc := &of.Own.Doc
	w := &writes{part: *p, person: of.Person.Key, chunks: built}
	dropped := w.part.keep(of)
	// What a fence drops still says who is who: the erasure reaches whom it names
	// (person.Connect knows the fences).
	w.claims = p.claimsOf(func(e *event.Event) bool { return !doc.AfterFence(e.Received.Time()) || keeps(of, e) })
	for i := range w.claims {
		w.claims[i].erased = max(doc.ErasedAt.UnixMilli(), of.Person.Doc.ErasedAt.UnixMilli())
	}
	changed, gone, err := w.part.amend(doc)
	if err != nil {
		return nil, 0, fmt.Errorf("amend a batch: %w", err)
	}
	dropped += gone
	if dropped > 0 || changed {
		w.chunks = chunk.Build(project, w.part.events)
	}
	if len(w.part.events)+len(w.part.ops) == 0 || p.distinctID == "" {
		return w, dropped, nil
	}
	w.update = map[string]any{}
	if doc.DistinctID == "" { // first sight, or a new life after an erasure
		w.update["distinct_id"] = p.distinctID
		w.update["first_seen"] = w.part.firstReceived()
	}
	if p.user != "" && doc.Identified == "" {
		w.update["identified"] = p.user
		if doc.Link != nil && doc.Link.ByToken() && doc.Link.Provisional { // whom a token has joined to somebody is no anonymous identity
			w.update["link"] = firestore.Delete
		}
	}
	if len(w.part.ops) == 0 {
		return w, dropped, nil
	}
	if !doc.Operates {
		w.update["operates"] = true
	}
	if w.profile, err = profile.Plan(tx, of.Own.Snap.Ref, profiles.of(of), w.part.ops); err != nil {
		return nil, 0, err
	}
	return w, dropped, nil
}
