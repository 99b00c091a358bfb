// Package seal keeps a project's access log as a transparency log in the bucket: a
// Merkle tree (RFC 6962) in tiles, and signed checkpoints of it, in the forms of
// https://c2sp.org/tlog-tiles and https://c2sp.org/tlog-checkpoint.
//
//	access-log/{project}/tile/8/{level}/{n}   hashes, 256 a tile; .p/{w}: the first w of a tile not full yet
//	access-log/{project}/checkpoints/{n}      origin, size and root of the tree, signed; n is 2^63 - 1 - size
//
//	entries not sealed ─ Sealer ─▶ places ─ Store.Append ─▶ tiles ─▶ checkpoints
//	Store.Reader: a hash is believed only if it leads to the root that a checkpoint signs.
//
// Tiles and checkpoints are written once and never changed, so that a retention lock
// may lie on them.
package seal

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// Sealer seals entries into the trees of their projects.
type Sealer struct {
	db     *firestore.Client
	bucket *storage.BucketHandle
	key    *merkle.Key
}

// New makes a sealer.
func New(db *firestore.Client, bucket *storage.BucketHandle, key *merkle.Key) *Sealer {
	return &Sealer{db: db, bucket: bucket, key: key}
}

const (
	// batch is how many entries get their place in the tree at once; a commit of
	// Firestore may have 500 writes.
	batch = 400
	// maxPending is how many have one before the next checkpoint, and are read at once.
	// Their hashes stand in one document.
	maxPending = 4000
)

// position is how far the sealing of a project is. The hashes of entries that have a
// place in the tree stand here until a checkpoint has them, so that what is done to
// the entries' documents meanwhile is found out too.
type position struct {
	Size    int64  `firestore:"size"`    // entries that have a place
	Pending []byte `firestore:"pending"` // hashes of the last of them, which no checkpoint may have yet
	Oldest  string `firestore:"oldest"`  // id of the oldest that is pending, "" if none is: Waiting asks for it
}

func (p *position) hashes() []tlog.Hash {
	list := make([]tlog.Hash, len(p.Pending)/tlog.HashSize)
	for i := range list {
		copy(list[i][:], p.Pending[i*tlog.HashSize:])
	}
	return list
}

// Seal gives each entry of a project that has none its place in the tree, and signs
// a checkpoint of it. Entries get their places in the order of their ids; one that
// was written late gets a later place. It may be cut off anywhere and done again, and
// of two at a time one gives up, with an Unavailable fault.
func (s *Sealer) Seal(ctx context.Context, project string) error {
	for {
		if err := s.placeAll(ctx, project); err != nil {
			return err
		}
		if done, err := s.publish(ctx, project); err != nil || done {
			return err
		}
	}
}

func (s *Sealer) positionRef(project string) *firestore.DocumentRef {
	return s.db.Doc("projects/" + project + "/sealing/tree")
}

// position reads how far the sealing is; the snapshot is nil before the first.
func (s *Sealer) position(ctx context.Context, project string) (p position, at *firestore.DocumentSnapshot, err error) {
	at, err = s.positionRef(project).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return p, nil, nil
	}
	if err != nil {
		return p, nil, fmt.Errorf("read position of the sealing: %w", err)
	}
	if err := at.DataTo(&p); err != nil {
		return p, nil, fmt.Errorf("decode position of the sealing: %w", err)
	}
	return p, at, nil
}

// placeAll gives entries their places, as many as the next checkpoint takes.
func (s *Sealer) placeAll(ctx context.Context, project string) error {
	p, _, err := s.position(ctx, project)
	if err != nil {
		return err
	}
	room := maxPending - len(p.hashes())
	if room <= 0 {
		return nil
	}
	entries, err := s.db.Collection("projects/"+project+"/"+access.Collection).Where("sealed", "==", false).
		OrderBy(firestore.DocumentID, firestore.Asc).Select("leaf").Limit(room).Documents(ctx).GetAll()
	if err != nil {
		return fmt.Errorf("find entries to seal: %w", err)
	}
	for some := range slices.Chunk(entries, batch) {
		if err := s.place(ctx, project, some); err != nil {
			return err
		}
	}
	return nil
}

// place gives these entries the next places.
func (s *Sealer) place(ctx context.Context, project string, entries []*firestore.DocumentSnapshot) error {
	p, at, err := s.position(ctx, project)
	if err != nil {
		return err
	}
	next := position{Size: p.Size + int64(len(entries)), Pending: p.Pending, Oldest: p.Oldest}
	if next.Oldest == "" || entries[0].Ref.ID < next.Oldest {
		next.Oldest = entries[0].Ref.ID
	}
	for _, e := range entries {
		leaf, _ := e.Data()["leaf"].([]byte) // whatever has been put there
		hash := tlog.RecordHash(leaf)
		next.Pending = append(next.Pending, hash[:]...)
	}
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if err := s.move(tx, project, next, at); err != nil {
			return err
		}
		for i, e := range entries {
			placed := []firestore.Update{{Path: "sealed", Value: true}, {Path: "index", Value: p.Size + int64(i)}}
			if err := tx.Update(e.Ref, placed, firestore.LastUpdateTime(e.UpdateTime)); err != nil {
				return err
			}
		}
		return nil
	})
	return overtaken(err)
}

// move writes the position, if it is still as it was read.
func (s *Sealer) move(tx *firestore.Transaction, project string, to position, from *firestore.DocumentSnapshot) error {
	if from == nil {
		return tx.Create(s.positionRef(project), to)
	}
	return tx.Update(from.Ref, []firestore.Update{{Path: "size", Value: to.Size}, {Path: "pending", Value: to.Pending},
		{Path: "oldest", Value: to.Oldest}}, firestore.LastUpdateTime(from.UpdateTime))
}

func overtaken(err error) error {
	if gcp.Overtaken(err) {
		return fault.Wrap(fault.Unavailable, err, "the access log is being sealed by another")
	}
	if err != nil {
		return fmt.Errorf("seal access entries: %w", err)
	}
	return nil
}

// publish makes the checkpoint of all that have a place; done is false if there was
// so much that more may be waiting.
func (s *Sealer) publish(ctx context.Context, project string) (done bool, err error) {
	p, at, err := s.position(ctx, project)
	if err != nil || len(p.Pending) == 0 {
		return true, err
	}
	leaves := p.hashes()
	store := Store{Bucket: s.bucket, Project: project}
	if err := store.Append(ctx, s.key, p.Size-int64(len(leaves)), leaves); err != nil {
		return false, err
	}
	err = s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		return s.move(tx, project, position{Size: p.Size}, at)
	})
	return len(leaves) < maxPending, overtaken(err)
}

// Waiting finds the projects that have entries without a place, or with one that no
// checkpoint may have yet, as where the sealing was cut off. It logs since when the
// oldest of them has waited: an alert reads it.
func (s *Sealer) Waiting(ctx context.Context) (projects []string, err error) {
	now := time.Now()
	oldest := now
	since := func(id string) {
		if at := access.TimeOf(id); at.Before(oldest) {
			oldest = at
		}
	}
	q := s.db.CollectionGroup(access.Collection).Where("sealed", "==", false).OrderBy(firestore.DocumentID, firestore.Asc).Select().Limit(1)
	for {
		found, err := q.Documents(ctx).GetAll()
		if err != nil {
			return nil, fmt.Errorf("find projects to seal: %w", err)
		}
		if len(found) == 0 {
			break
		}
		since(found[0].Ref.ID)
		entries := found[0].Ref.Parent
		projects = append(projects, entries.Parent.ID)
		q = q.StartAfter(entries.Doc("~")) // behind every entry of that project
	}
	cutOff, err := s.db.CollectionGroup("sealing").Where("oldest", ">", "").Select("oldest").Documents(ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("find projects whose sealing was cut off: %w", err)
	}
	for _, at := range cutOff {
		id, _ := at.Data()["oldest"].(string)
		since(id)
		projects = append(projects, at.Ref.Parent.Parent.ID)
	}
	slices.Sort(projects)
	projects = slices.Compact(projects) // one may be both
	if len(projects) > 0 {
		slog.InfoContext(ctx, "access log sealing", "projects", len(projects), "waiting_seconds", now.Sub(oldest).Seconds())
	}
	return projects, nil
}
