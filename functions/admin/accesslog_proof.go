package admin

import (
	"context"
	"errors"
	"math"
	"net/http"

	"cloud.google.com/go/storage"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
	"github.com/lethe-analytics/lethe/shared/access/seal"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Checkpoint is the newest signed checkpoint of the log. The text is in the form of
// https://c2sp.org/tlog-checkpoint, the key in that of
// golang.org/x/mod/sumdb/note.
type Checkpoint struct {
	Checkpoint string `json:"checkpoint"`
	Key        string `json:"key"` // verifies it; keep the first that you are told
}

// Proof proves that an entry is in the tree of a checkpoint
// (https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1).
type Proof struct {
	Entry      string   `json:"entry"`
	Index      int64    `json:"index"`
	Size       int64    `json:"size"` // of the tree
	Hashes     []string `json:"hashes"`
	Checkpoint string   `json:"checkpoint"`
}

// Consistency proves that the tree of an older checkpoint is the beginning of a
// newer one's (https://www.rfc-editor.org/rfc/rfc6962#section-2.1.2).
type Consistency struct {
	From   int64    `json:"from"`
	To     int64    `json:"to"`
	Hashes []string `json:"hashes"`
}

func (s *server) store(c *access.Call) *seal.Store {
	return &seal.Store{Bucket: s.Bucket, Project: c.Project}
}

// latest is the newest checkpoint of the caller's project.
func (s *server) latest(ctx context.Context, c *access.Call) (string, tlog.Tree, error) {
	text, tree, err := s.store(c).Latest(ctx, s.Key)
	if err == nil && text == nil {
		err = fault.New(fault.NotFound, "nothing has been sealed yet: there is a checkpoint within a minute of the first entry")
	}
	return string(text), tree, err
}

// newest is latest's checkpoint with the key that has signed it.
func (s *server) newest(ctx context.Context, c *access.Call) (*Checkpoint, error) {
	text, _, err := s.latest(ctx, c)
	if err != nil {
		return nil, err
	}
	public, err := s.Key.PublicOf([]byte(text), c.Project)
	if err != nil {
		return nil, err
	}
	return &Checkpoint{Checkpoint: text, Key: public}, nil
}

// checkpoint answers GET /v1/access-log/checkpoint.
func (s *server) checkpoint(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	newest, err := s.newest(ctx, c)
	if err != nil {
		return err
	}
	web.WriteJSON(w, *newest)
	return nil
}

// proof answers GET /v1/access-log/proof.
func (s *server) proof(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	id, _ := q.One("entry")
	q.Required("entry")
	if err := q.Err(); err != nil {
		return err
	}
	rec, err := access.Get(ctx, s.DB, c.Project, id)
	if err != nil {
		return err
	}
	text, tree, err := s.latest(ctx, c)
	if err != nil {
		return err
	}
	if !rec.Sealed || rec.Index < 0 || rec.Index >= tree.N {
		return fault.New(fault.Conflict, "the entry is not sealed yet; it will be within a minute")
	}
	hashes, err := tlog.ProveRecord(tree.N, rec.Index, s.store(c).Reader(ctx, tree))
	if err != nil {
		return err
	}
	web.WriteJSON(w, Proof{Entry: id, Index: rec.Index, Size: tree.N, Hashes: texts(hashes), Checkpoint: text})
	return nil
}

// consistency answers GET /v1/access-log/consistency.
func (s *server) consistency(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	from, to := int64(q.Int("from", 0, 1, math.MaxInt)), int64(q.Int("to", 0, 1, math.MaxInt))
	q.Required("from", "to")
	if from > to {
		q.Fail("from", "must not be greater than to")
	}
	if err := q.Err(); err != nil {
		return err
	}
	_, tree, err := s.latest(ctx, c)
	if err != nil {
		return err
	}
	if to > tree.N {
		return fault.InField("to", "is more than the %d entries that are sealed", tree.N)
	}
	hashes, err := tlog.ProveTree(to, from, s.store(c).Reader(ctx, tree))
	if err != nil {
		return err
	}
	web.WriteJSON(w, Consistency{From: from, To: to, Hashes: texts(hashes)})
	return nil
}

// tile answers GET /v1/access-log/tile/{path...}, as https://c2sp.org/tlog-tiles has
// it, with the height of the tiles first.
func (s *server) tile(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	t, err := tlog.ParseTilePath("tile/" + r.PathValue("path"))
	if err != nil || t.H != merkle.Height || t.L < 0 {
		return fault.New(fault.NotFound, "there is no such tile")
	}
	data, err := s.store(c).Tile(ctx, t)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return fault.New(fault.NotFound, "there is no such tile")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err = w.Write(data)
	return err
}

// texts are hashes in base64.
func texts(hashes []tlog.Hash) []string {
	list := make([]string, len(hashes))
	for i, h := range hashes {
		list[i] = h.String()
	}
	return list
}
