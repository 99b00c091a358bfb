package export

import (
	"context"
	"strings"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// batch is some of the identities of the person at hand.
type batch struct {
	number int
	all    []*person.Standing
}

// readBatch reads the identities at the position; of none there is no batch more.
func (j *job) readBatch(ctx context.Context) ([]*person.Standing, error) {
	who := j.pos.Subject
	if j.batch != nil && j.batch.number == who.Batch {
		return j.batch.all, nil
	}
	if !j.hasBatch() {
		return nil, nil
	}
	keys := []person.Key{who.Root}
	if note := who.First + who.Batch - 1; who.Batch > 0 {
		if note == j.pos.Notes {
			if err := j.noteFound(ctx); err != nil {
				return nil, err
			}
		}
		var err error
		if keys, err = request.ReadCover(ctx, j.db, j.slice.Request, note); err != nil {
			return nil, err
		}
	}
	all, err := person.FindAll(person.Reader(ctx, j.db), j.db, j.project.ID, keys)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		j.ids.add(who, s)
	}
	j.batch = &batch{who.Batch, all}
	return all, nil
}

// hasBatch reports whether there are identities at the position.
func (j *job) hasBatch() bool {
	who := j.pos.Subject
	return who.Batch == 0 || who.First+who.Batch-1 < j.pos.Notes || len(j.unnoted) > 0
}

// noteFound notes the identities that have been found.
func (j *job) noteFound(ctx context.Context) error {
	if len(j.unnoted) == 0 {
		return nil
	}
	keys := j.unnoted
	j.unnoted = nil
	return j.note(ctx, keys...)
}

// eachIdentity goes through the identities from the position on. It passes by those that
// were parted from the person since they were listed. Done is false where the function
// is not done with one, or the segment or the time ends before the list.
func (j *job) eachIdentity(ctx context.Context, fn func(context.Context, *person.Standing) (done bool, err error)) (done bool, err error) {
	who := j.pos.Subject
	for {
		all, err := j.readBatch(ctx)
		if err != nil || len(all) == 0 {
			return err == nil, err
		}
		for who.Index < len(all) {
			if s := all[who.Index]; s.Within(who.Root) {
				if done, err := fn(ctx, s); err != nil || !done {
					return false, err
				}
			}
			who.leaveIdentity()
		}
		who.leaveBatch()
		if j.hasBatch() && j.isFull() {
			return false, nil
		}
	}
}

// knownMost is how many distinct_ids are kept in memory.
const knownMost = 20_000

// knownIDs are the distinct_ids of identities, by key; empty: of another person, or not
// known.
type knownIDs struct {
	of  person.Key // the person at hand
	ids *simplelru.LRU[person.Key, string]
}

func newKnownIDs() *knownIDs {
	ids, _ := simplelru.NewLRU[person.Key, string](knownMost, nil) // the size is valid
	return &knownIDs{ids: ids}
}

// add takes in an identity, and returns its distinct_id if it is the person's.
func (k *knownIDs) add(who *subject, s *person.Standing) string {
	if k.of != who.Root {
		k.of = who.Root
		k.ids.Purge()
	}
	id := ""
	if s.Within(who.Root) && (who.Whole || s.Own.Key == who.Root) {
		id = s.Own.Doc.DistinctID
	}
	k.ids.Add(s.Own.Key, id)
	return id
}

// idOf is the distinct_id of an identity, if it is one of the person at hand.
func (j *job) idOf(ctx context.Context, key person.Key) (string, error) {
	who := j.pos.Subject
	if j.ids.of == who.Root {
		if id, ok := j.ids.ids.Get(key); ok {
			return id, nil
		}
	}
	s, err := person.Find(person.Reader(ctx, j.db), j.db, j.project.ID, key)
	if err != nil {
		return "", err
	}
	return j.ids.add(who, s), nil
}

// reveal gives properties of an event with the distinct_ids of the person's identities.
// What stands for anybody else stays a key.
func (j *job) reveal(ctx context.Context, name, properties string) (string, error) {
	var failed error
	text, err := identity.Reveal(name, properties, func(key string) (string, bool) {
		if key == "" || strings.ContainsRune(key, '/') || failed != nil { // no key that Lethe has made
			return "", false
		}
		id, err := j.idOf(ctx, person.Key(key))
		if err != nil {
			failed = err
		}
		return id, id != ""
	})
	if err == nil {
		err = failed
	}
	return text, err
}
