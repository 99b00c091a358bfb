package seal

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// Append adds the hashes of the leaves from an index on to the tree, and signs and
// stores its new checkpoint. It may be done again, from any point at which it was cut
// off: leaves that the newest checkpoint has already are passed over, and the same
// leaves make the same tiles. So two at a time do no harm: they are given beginnings of
// the same list.
func (s *Store) Append(ctx context.Context, k *merkle.Key, from int64, leaves []tlog.Hash) error {
	_, old, err := s.Latest(ctx, k)
	if err != nil {
		return err
	}
	size := from + int64(len(leaves))
	if from > old.N {
		return fmt.Errorf("the newest checkpoint of the access log has %d entries, and it goes on with the %dth: a checkpoint is gone", old.N, from)
	}
	if done := min(size, old.N) - from; done > 0 {
		if err := s.same(ctx, old, from, leaves[:done]); err != nil {
			return err
		}
	}
	if size <= old.N {
		return nil
	}
	g := &grown{hashes: map[int64]tlog.Hash{}}
	if old.N > 0 {
		g.old = s.Reader(ctx, old)
	}
	for n := old.N; n < size; n++ {
		if err := g.add(n, leaves[n-from]); err != nil {
			return err
		}
	}
	tree := tlog.Tree{N: size}
	if tree.Hash, err = tlog.TreeHash(size, g); err != nil {
		return fmt.Errorf("compute the root of the access log: %w", err)
	}
	if err := s.writeTiles(ctx, g, old.N, size); err != nil {
		return err
	}
	text, err := k.Sign(s.Project, tree)
	if err != nil {
		return err
	}
	return s.write(ctx, checkpointName(size), text)
}

// same makes sure that the tree has these leaves from an index on. It has others where
// the list of them was lost or is an older one, as of a backup: what is sealed next would
// then be passed over for good, though it is nowhere.
func (s *Store) same(ctx context.Context, tree tlog.Tree, from int64, leaves []tlog.Hash) error {
	indexes := make([]int64, len(leaves))
	for i := range leaves {
		indexes[i] = tlog.StoredHashIndex(0, from+int64(i))
	}
	there, err := s.Reader(ctx, tree).ReadHashes(indexes)
	if err != nil {
		return fmt.Errorf("read what is sealed of the access log: %w", err)
	}
	for i, h := range there {
		if h != leaves[i] {
			return fmt.Errorf("the access log has another entry at place %d than is to be sealed there", from+int64(i))
		}
	}
	return nil
}

func (s *Store) writeTiles(ctx context.Context, hashes tlog.HashReader, from, to int64) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, t := range tlog.NewTiles(merkle.Height, from, to) {
		data, err := tlog.ReadTileData(t, hashes)
		if err != nil {
			return fmt.Errorf("make a tile of the access log: %w", err)
		}
		g.Go(func() error {
			return s.write(ctx, t.Path(), data)
		})
	}
	return g.Wait()
}

// grown reads the hashes of a tree while it grows: those added, and those of the
// old tree, each of which is read once.
type grown struct {
	old    tlog.HashReader // nil if that was empty
	hashes map[int64]tlog.Hash
}

// add adds the hash of a leaf.
func (g *grown) add(n int64, leaf tlog.Hash) error {
	stored, err := tlog.StoredHashesForRecordHash(n, leaf, g)
	if err != nil {
		return fmt.Errorf("add to the tree of the access log: %w", err)
	}
	first := tlog.StoredHashIndex(0, n)
	for i, h := range stored {
		g.hashes[first+int64(i)] = h
	}
	return nil
}

// ReadHashes implements tlog.HashReader.
func (g *grown) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing []int64
	for _, i := range indexes {
		if _, ok := g.hashes[i]; !ok {
			missing = append(missing, i)
		}
	}
	if len(missing) > 0 {
		if g.old == nil {
			return nil, fmt.Errorf("a hash is missing in a new tree")
		}
		read, err := g.old.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		for i, h := range read {
			g.hashes[missing[i]] = h
		}
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = g.hashes[index]
	}
	return hashes, nil
}
