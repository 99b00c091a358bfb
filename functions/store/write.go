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
// overwrites it. It answers the links that the stored events say.
func (s *server) write(ctx context.Context, project string, people []*part) ([]link, error) {
	var mu sync.Mutex
	var found []link
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
func (s *server) writeSome(ctx context.Context, project string, people []*part) ([]link, error) {
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

func (s *server) writeTx(ctx context.Context, project string, people []*part) (found []link, err error) {
	// Compressing takes the most time; done before, it holds no lock. It is done
	// again only for those of whom something is dropped.
	built := make([][]chunk.Chunk, len(people))
	refs := make([]*firestore.DocumentRef, len(people))
	for i, p := range people {
		built[i] = chunk.Build(project, p.events)
		refs[i] = person.Ref(s.db, project, p.key)
	}
	dropped := 0
	release, err := s.turns.take(ctx, s.wants(people))
	if err != nil {
		return nil, err
	}
	defer release()
	err = s.db.RunTransaction(ctx, func(ctx context.Context, tx *firestore.Transaction) error {
		dropped, found = 0, nil
		docs, err := tx.GetAll(refs)
		if err != nil {
			return err
		}
		all := make([]*writes, len(people))
		profiles := 0
		for i, p := range people {
			w, n, err := s.decide(tx, docs[i], p, built[i], project)
			if err != nil {
				return err
			}
			all[i] = w
			dropped += n
			if w.profile != nil {
				profiles += len(w.profile.Profile)
			}
			said, err := links(w.part.events)
			if err != nil {
				return err
			}
			found = append(found, said...)
		}
		if profiles > maxTxProfiles && len(people) > 1 {
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

// decide says what to write for one person, given the person's document.
func (s *server) decide(tx *firestore.Transaction, snap *firestore.DocumentSnapshot, p *part, built []chunk.Chunk, project string) (*writes, int, error) {
	var doc person.Doc
	if snap.Exists() {
		if err := snap.DataTo(&doc); err != nil {
			return nil, 0, fmt.Errorf("decode person: %w", err)
		}
	}
	w := &writes{part: *p, chunks: built}
	dropped := w.part.keep(&doc)
	changed, gone, err := w.part.amend(&doc)
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
	if len(w.part.ops) == 0 {
		return w, dropped, nil
	}
	if w.profile, err = profile.Plan(tx, snap.Ref, &doc, w.part.ops); err != nil {
		return nil, 0, err
	}
	if w.profile != nil {
		w.update["profile"] = w.profile.Profile
		w.update["profile_at"] = w.profile.At
	}
	return w, dropped, nil
}
