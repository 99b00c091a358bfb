package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// What is said of an entry.
const (
	verified   = "✓ verified"
	unsealed   = "… not sealed yet"
	notChecked = "? not checked"
	bad        = "✗ BAD"
)

// parallelProofs is how many proofs are asked for at a time.
const parallelProofs = 8

// verifier holds entries of the log against its signed checkpoint. What the API answers
// is not believed: the signature, the way to the root and the beginning of a newer tree
// are computed here.
type verifier struct {
	v       *visit
	project string
	key     note.Verifier
	tree    tlog.Tree // of the checkpoint that the page shows

	mu    sync.Mutex
	grown map[tlog.Tree]error // newer trees: whether they begin with this one
}

// verify says of each entry whether it is proven, and makes the section that tells of
// what.
func (v *visit) verify(entries []access.Line) ([]string, section) {
	marks := make([]string, len(entries))
	fill := func(mark string) {
		for i := range marks {
			marks[i] = mark
		}
	}
	s := section{Heading: "The seal"}
	if !v.may(http.MethodGet, "/v1/access-log/proof") {
		fill(notChecked)
		s.Text = []string{"Proofs are given to the customer's keys of the role admin."}
		return marks, s
	}
	var newest struct{ Checkpoint, Key string }
	err := v.api.get(v.ctx, "/v1/access-log/checkpoint", nil, &newest)
	if p := invalid(err); p != nil && p.Status == http.StatusNotFound {
		fill(unsealed)
		s.Text = []string{"Nothing is sealed yet. The log is sealed every minute into a Merkle tree with signed checkpoints."}
		return marks, s
	}
	var c *verifier
	if err == nil {
		c, err = newVerifier(v, newest.Checkpoint, newest.Key)
		if err != nil {
			fill(bad)
			s.Warning = "✗ BAD: the checkpoint is not one that the key of the log has signed for this project."
			s.Code = newest.Checkpoint
			return marks, s
		}
	}
	if err != nil {
		fill(notChecked)
		s.Warning = "The checkpoint can not be had just now; nothing on this page is checked. Reload in a moment."
		return marks, s
	}
	var g errgroup.Group
	g.SetLimit(parallelProofs)
	for i := range entries[:min(len(entries), accessPage)] {
		g.Go(func() error {
			marks[i] = c.mark(v.ctx, &entries[i])
			return nil
		})
	}
	_ = g.Wait()
	for i := accessPage; i < len(marks); i++ {
		marks[i] = notChecked
	}
	s.Facts = []fact{{"Newest checkpoint", "✓ signature is good"}, {"Entries sealed", c.tree.N}, {"Root", c.tree.Hash.String()}, {"Read at", time.Now()}}
	s.Text = []string{
		verified + ": the entry leads to the root of the checkpoint, so nobody has altered it since it was sealed. " + unsealed + ": it will be within a minute. " + bad + ": it is not what was sealed.",
		"This page takes the key from the same API as the log. Who does not want to trust it keeps the key below, once, and verifies all of the log with a program of their own:",
	}
	s.Code = "go run ./scripts/verify-access-log -url " + strings.TrimSuffix(v.server.config.PublicURL, "/") + "\n\n# the key\n" + newest.Key + "\n\n# the checkpoint\n" + strings.TrimSpace(newest.Checkpoint)
	for _, m := range marks {
		if strings.HasPrefix(m, bad) {
			s.Warning = "✗ BAD: at least one entry on this page is not what was sealed. Verify all of the log as it says below, and keep what it downloads."
		}
	}
	return marks, s
}

func newVerifier(v *visit, checkpoint, key string) (*verifier, error) {
	k, err := note.NewVerifier(key)
	if err != nil {
		return nil, err
	}
	c := &verifier{v: v, project: v.projectID(), key: k, grown: map[tlog.Tree]error{}}
	c.tree, err = merkle.Open([]byte(checkpoint), c.project, k)
	return c, err
}

// proof is the answer of GET /v1/access-log/proof.
type proof struct {
	Entry      string
	Index      int64
	Hashes     []string
	Checkpoint string
}

// late is how much later than an entry's time it must be sealed, with room.
const late = 10 * time.Minute

// mark says whether an entry leads to the root.
func (c *verifier) mark(ctx context.Context, line *access.Line) string {
	id := idOf(line)
	if line.Altered || id == "" {
		return bad
	}
	if line.Index == nil {
		if stamp, err := time.Parse("20060102T150405.000000Z", strings.SplitN(id, "-", 2)[0]); err != nil || time.Since(stamp) > late {
			return bad + ", was never sealed"
		}
		return unsealed
	}
	var p proof
	err := c.v.api.get(ctx, "/v1/access-log/proof", url.Values{"entry": {id}}, &p)
	if refused := invalid(err); refused != nil && refused.Status == http.StatusConflict {
		return unsealed
	}
	if err != nil {
		return notChecked
	}
	switch err := c.check(ctx, line, &p); {
	case errors.Is(err, errAPI):
		return notChecked
	case err != nil:
		return bad
	}
	return verified
}

// idOf is the id that an entry itself says.
func idOf(line *access.Line) string {
	e, err := entryOf(line)
	if err != nil {
		return ""
	}
	return e.ID
}

// errAPI says that an answer was not to be had, which proves nothing.
var errAPI = errors.New("no answer")

// check is nil if the entry is in the tree at its place.
func (c *verifier) check(ctx context.Context, line *access.Line, p *proof) error {
	if p.Index != *line.Index {
		return errors.New("the proof is of another place")
	}
	tree, err := merkle.Open([]byte(p.Checkpoint), c.project, c.key)
	if err != nil {
		return err
	}
	path, err := hashes(p.Hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, p.Index, tlog.RecordHash(line.Entry)); err != nil {
		return err
	}
	return c.same(ctx, tree)
}

// same is nil if a tree that was sealed meanwhile begins with the one that is shown.
func (c *verifier) same(ctx context.Context, tree tlog.Tree) error {
	if tree == c.tree {
		return nil
	}
	if tree.N <= c.tree.N {
		return errors.New("two trees of one log")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err, known := c.grown[tree]; known {
		return err
	}
	var answer struct{ Hashes []string }
	q := url.Values{"from": {strconv.FormatInt(c.tree.N, 10)}, "to": {strconv.FormatInt(tree.N, 10)}}
	if c.v.api.get(ctx, "/v1/access-log/consistency", q, &answer) != nil {
		return errAPI
	}
	way, err := hashes(answer.Hashes)
	if err == nil {
		err = tlog.CheckTree(way, tree.N, tree.Hash, c.tree.N, c.tree.Hash)
	}
	c.grown[tree] = err
	return err
}

func hashes(texts []string) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(texts))
	var errs []error
	for i, t := range texts {
		h, err := tlog.ParseHash(t)
		list[i], errs = h, append(errs, err)
	}
	return list, errors.Join(errs...)
}
