package person

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Place is where a walk over the identities of a person stands: the keys from below the
// person down to an identity, each after a slash. It stays of use while identities come
// and go. The empty one is before the first.
type Place string

// personsOwn is the place of the person's own identity.
const personsOwn Place = "/"

// maxWalkDepth bounds the links that a walk follows in a row: provisional ones may lead
// further than those that make a person.
const maxWalkDepth = 2 * MaxDepth

func placeOf(path []Key) Place {
	var b strings.Builder
	for _, k := range path {
		b.WriteString("/" + string(k))
	}
	return Place(b.String())
}

// keys are those from below the person to the identity.
func (p Place) keys() (path []Key) {
	for text := range strings.SplitSeq(string(p), "/") {
		if text != "" {
			path = append(path, Key(text))
		}
	}
	return path
}

// Valid reports whether a place is one that a walk may have given.
func (p Place) Valid() bool {
	path := p.keys()
	if len(path) == 0 {
		return p == "" || p == personsOwn
	}
	return len(path) <= maxWalkDepth && p == placeOf(path) && !slices.ContainsFunc(path, func(k Key) bool { return !k.Valid() })
}

// Valid reports whether a text has the form of a key.
func (k Key) Valid() bool {
	_, err := keyEncoding.DecodeString(string(k))
	return err == nil && len(k) == keyLength
}

// Step is an identity on a walk.
type Step struct {
	Member
	At Place
}

// walkFields are what is read of each document on a walk. The rest may be large: amendments
// alone of a thousand identities have 64 MB.
var walkFields = []string{"distinct_id", "first_seen", "erased_at", "link", "identified", "joined", "operates", "spoke", "restriction"}

// walkPage is how many identities are read at a time, unless Walk.Page says otherwise.
const walkPage = 5000

// Walk is a way over the identities of a person: the person's own first, each before those
// that are linked to it, which come in the order of their keys. Of each document it reads
// what links and profile need (walkFields), and Fields.
type Walk struct {
	Of     Member
	After  Place              // begins behind it
	Follow func(*Member) bool // whether to go to an identity by its link
	Page   int                // identities that are read at a time; 0: walkPage
	Fields []string
}

// FollowFirm is for a Walk over those that are the person's for all rights.
func FollowFirm(m *Member) bool { return !m.Doc.Link.Provisional }

// Steps goes the way. Documents are read in pages, each at once: whoever takes the steps
// may take any time.
func (w Walk) Steps(ctx context.Context, db *firestore.Client, project string) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		if w.After == "" && !yield(Step{w.Of, personsOwn}, nil) || !w.Of.Doc.Joined {
			return
		}
		if w.Page == 0 {
			w.Page = walkPage
		}
		walker := walker{w, ctx, db, project, yield}
		walker.goBelow(w.Of.Key, nil, w.After.keys())
	}
}

type walker struct {
	Walk
	ctx     context.Context
	db      *firestore.Client
	project string
	yield   func(Step, error) bool
}

// goBelow visits what is linked to an identity, behind a path from there on; false: the
// walk has ended.
func (w *walker) goBelow(parent Key, path, behind []Key) bool {
	if len(path) >= maxWalkDepth {
		return w.fail(fault.New(fault.Internal, "an identity is more than %d links away from its person", maxWalkDepth))
	}
	var after Key
	if len(behind) > 0 {
		after = behind[0]
		if !w.resume(parent, path, behind) {
			return false
		}
	}
	for {
		page, err := w.readPage(parent, after)
		if err != nil {
			return w.fail(err)
		}
		for _, m := range page {
			if !w.mayVisit(&m, path) {
				continue
			}
			own := append(slices.Clone(path), m.Key)
			if !w.yield(Step{m, placeOf(own)}, nil) || m.Doc.Joined && !w.goBelow(m.Key, own, nil) {
				return false
			}
		}
		if len(page) < w.Page {
			return true
		}
		after = page[len(page)-1].Key
	}
}

// readPage reads the next identities that are linked to one.
func (w *walker) readPage(parent, after Key) ([]Member, error) {
	q := people(w.db, w.project).Where("link.to", "==", string(parent)).OrderBy(firestore.DocumentID, firestore.Asc).Limit(w.Page)
	if after != "" {
		q = q.StartAfter(string(after))
	}
	snaps, err := q.Select(slices.Concat(walkFields, w.Fields)...).Documents(w.ctx).GetAll()
	if err != nil {
		return nil, fmt.Errorf("read the identities of a person: %w", err)
	}
	page := make([]Member, len(snaps))
	for i, s := range snaps {
		if page[i], err = newMember(s); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// resume visits what is left below an identity that was visited before, if it is still
// linked there.
func (w *walker) resume(parent Key, path, behind []Key) bool {
	found, err := readMembers(Reader(w.ctx, w.db), w.db, w.project, behind[:1])
	if err != nil {
		return w.fail(err)
	}
	m := &found[0]
	if l := m.Doc.Link; l == nil || l.To != parent || !m.Doc.Joined || !w.mayVisit(m, path) {
		return true
	}
	return w.goBelow(m.Key, append(slices.Clone(path), m.Key), behind[1:])
}

// mayVisit reports whether a walk goes to an identity. A provisional link may lead from a
// person to one of its own identities: those are not visited again.
func (w *walker) mayVisit(m *Member, path []Key) bool {
	return m.Key != w.Of.Key && !slices.Contains(path, m.Key) && w.Follow(m)
}

func (w *walker) fail(err error) bool {
	w.yield(Step{}, err)
	return false
}
