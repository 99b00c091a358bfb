package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// maxObject bounds what is read of an object.
const maxObject = 64 << 10

// Store is one project's log in the bucket.
type Store struct {
	Bucket  *storage.BucketHandle
	Project string
}

func (s *Store) object(name string) *storage.ObjectHandle {
	return s.Bucket.Object("access-log/" + s.Project + "/" + name)
}

// checkpointName lets a bucket, which lists its objects by name, list the newest
// checkpoint first: so none has to be written over to be found, and all can be locked.
func checkpointName(size int64) string { return fmt.Sprintf("checkpoints/%019d", math.MaxInt64-size) }

// Latest is the newest checkpoint and the tree that it signs, which is empty where
// nothing has been sealed yet. The key, or one before it, has signed it.
func (s *Store) Latest(ctx context.Context, k *merkle.Key) (checkpoint []byte, tree tlog.Tree, err error) {
	prefix := "access-log/" + s.Project + "/"
	list := s.Bucket.Objects(ctx, &storage.Query{Prefix: prefix + "checkpoints/", Projection: storage.ProjectionNoACL})
	list.PageInfo().MaxSize = 1
	newest, err := list.Next()
	if errors.Is(err, iterator.Done) {
		return nil, tree, nil
	}
	if err != nil {
		return nil, tree, fmt.Errorf("find the newest checkpoint of the access log: %w", err)
	}
	if checkpoint, err = s.read(ctx, strings.TrimPrefix(newest.Name, prefix)); err != nil {
		return nil, tree, err
	}
	tree, _, err = k.Open(checkpoint, s.Project)
	return checkpoint, tree, err
}

func (s *Store) read(ctx context.Context, name string) ([]byte, error) {
	r, err := s.object(name).NewReader(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s of the access log: %w", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxObject))
	if err != nil {
		return nil, fmt.Errorf("read %s of the access log: %w", name, err)
	}
	return b, nil
}

// write writes an object that is never written again: what is there already, of the
// same name, must be the same.
func (s *Store) write(ctx context.Context, name string, b []byte) error {
	w := s.object(name).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	w.ChunkSize = 0 // small enough for one request
	_, err := w.Write(b)
	err = errors.Join(err, w.Close())
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write %s of the access log: %w", name, err)
	// Who may not replace objects, and admin may not, can also be told that it is forbidden.
	if e := (*googleapi.Error)(nil); !errors.As(err, &e) || e.Code != http.StatusPreconditionFailed && e.Code != http.StatusForbidden {
		return err
	}
	there, missing := s.read(ctx, name)
	switch {
	case missing != nil:
		return errors.Join(err, missing)
	case !bytes.Equal(there, b):
		return fmt.Errorf("write %s of the access log: it is there, and is another", name)
	}
	return nil
}

// Tile reads a tile as it is stored; it proves nothing by itself.
func (s *Store) Tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	return s.read(ctx, t.Path())
}

// Reader reads hashes of a tree, each held against its root.
func (s *Store) Reader(ctx context.Context, tree tlog.Tree) tlog.HashReader {
	return tlog.TileHashReader(tree, &tiles{s, ctx, map[tlog.Tile][]byte{}})
}

// tiles implements tlog.TileReader. It lives as long as one piece of work, whose
// context it has because that interface knows none.
type tiles struct {
	store *Store
	ctx   context.Context
	seen  map[tlog.Tile][]byte
}

// Height implements tlog.TileReader.
func (t *tiles) Height() int { return merkle.Height }

// ReadTiles implements tlog.TileReader.
func (t *tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	g, ctx := errgroup.WithContext(t.ctx)
	g.SetLimit(parallel)
	for i, tile := range list {
		if b, ok := t.seen[tile]; ok {
			data[i] = b
			continue
		}
		g.Go(func() (err error) {
			data[i], err = t.store.Tile(ctx, tile)
			return err
		})
	}
	return data, g.Wait()
}

// SaveTiles implements tlog.TileReader: these were held against the root.
func (t *tiles) SaveTiles(list []tlog.Tile, data [][]byte) {
	for i, tile := range list {
		t.seen[tile] = data[i]
	}
}

// parallel is how many objects are read or written at a time.
const parallel = 8
