package request

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// MaxIdentities bounds the identities of one request.
const MaxIdentities = 100

// findPage is how many persons are looked at before the cursor is saved.
const findPage = 300

// tooMany stands in FindCursor for a search that found too many persons. No key of
// a person looks like it.
const tooMany = "!"

// Resolve turns the identities that a request is to find into persons of its parts;
// the work on a request begins when it reports done. It looks through all persons of
// the project, as long as there is time, and goes on where it was in the next slice:
//
//	people, by id ─▶ page ─match─▶ one transaction: parts, hints, Parts, Persons, Hints, FindCursor ─▶ … ─▶ Find cleared
//
// A person is found by the distinct_id, and by attributes that a key has written. The
// public token is anybody's: attributes that only it has written are hints, for which the
// request waits once all have been looked at. Then Resolve reports done when somebody
// has decided on them.
//
// A person whose document is made behind the cursor meanwhile is not found. More
// persons than MaxPersons are a permanent fault.
func (s *Slice) Resolve(ctx context.Context, p project.Project) (done bool, err error) {
	if s.FindCursor == tooMany {
		return false, tooManyFault()
	}
	if s.Find == "" {
		return !s.waits(), nil
	}
	f := &finder{slice: s, project: p, known: map[person.Key]bool{}}
	if err := f.load(ctx); err != nil {
		return false, err
	}
	for {
		last, err := f.page(ctx)
		if err != nil {
			return false, err
		}
		if last || !s.Time() {
			return last && !s.waits(), nil
		}
	}
}

func tooManyFault() error {
	return fault.New(fault.TooLarge, "the identities match more than %d persons, the most that one request takes", MaxPersons)
}

// finder looks for the persons of a request.
type finder struct {
	slice   *Slice
	project project.Project
	match   matcher
	direct  []string            // distinct_ids that need no search
	known   map[person.Key]bool // in the parts already
}

func (f *finder) load(ctx context.Context) error {
	var wanted []Identity
	if err := json.Unmarshal([]byte(f.slice.Find), &wanted); err != nil {
		return fmt.Errorf("decode the identities of a request: %w", err)
	}
	f.match = newMatcher(wanted)
	for _, w := range wanted {
		if w.direct() {
			f.direct = append(f.direct, w.Value)
		}
	}
	for n := range f.slice.Parts {
		part, err := ReadPart(ctx, f.slice.db, f.slice.Request, n)
		if err != nil {
			return err
		}
		f.know(part.Keys)
	}
	return nil
}

func (f *finder) know(keys []person.Key) {
	for _, k := range keys {
		f.known[k] = true
	}
}

// found is what a page has come to.
type found struct {
	part  *Part
	hints []Hint
}

// page looks at the next persons and stores whom it found; last reports that there
// are no more.
func (f *finder) page(ctx context.Context) (last bool, err error) {
	got := &found{part: &Part{Project: f.project.ID}}
	for _, id := range f.direct { // those stored before are known
		f.add(got, id)
	}
	cursor := f.slice.FindCursor
	if last = len(f.match) == 0; !last {
		if cursor, last, err = f.look(ctx, got); err != nil {
			return false, err
		}
	}
	return last, f.store(ctx, got, cursor, last)
}

// add adds a person who is meant for certain.
func (f *finder) add(to *found, id string) {
	if key := person.MakeKey(f.project.Secret, id); !f.known[key] {
		f.known[key] = true
		to.part.IDs, to.part.Keys = append(to.part.IDs, id), append(to.part.Keys, key)
	}
}

// look finds the persons of a page. Profiles are large: they are read one at a time.
func (f *finder) look(ctx context.Context, got *found) (cursor string, last bool, err error) {
	cursor = f.slice.FindCursor
	q := f.slice.db.Collection("projects/"+f.project.ID+"/people").
		Select("distinct_id", "profile", "attested").OrderBy(firestore.DocumentID, firestore.Asc).Limit(findPage)
	if cursor != "" {
		q = q.StartAfter(cursor)
	}
	docs := q.Documents(ctx)
	defer docs.Stop()
	for n := 0; ; n++ {
		if n > 0 && !f.slice.Time() {
			return cursor, false, nil
		}
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return cursor, n < findPage, nil
		}
		if err != nil {
			return "", false, fmt.Errorf("look for the persons of a request: %w", err)
		}
		cursor = snap.Ref.ID
		var doc person.Doc
		if err := snap.DataTo(&doc); err != nil {
			return "", false, fmt.Errorf("decode person: %w", err)
		}
		if err := f.weigh(got, person.Key(cursor), &doc); err != nil {
			return "", false, err
		}
	}
}

// weigh adds somebody who has one of the identities, as a hint where only the public
// token has said so.
func (f *finder) weigh(got *found, key person.Key, doc *person.Doc) error {
	if doc.DistinctID == "" || f.known[key] { // erased, or found already
		return nil
	}
	attested, err := f.match.attributes(doc.Attested)
	if err != nil {
		return err
	}
	if f.match.value(CustomerID, doc.DistinctID) || len(attested) > 0 {
		f.add(got, doc.DistinctID)
		return nil
	}
	claimed, err := f.match.attributes(doc.Profile)
	if err != nil || len(claimed) == 0 {
		return err
	}
	got.hints = append(got.hints, Hint{Key: key, Matched: claimed})
	return nil
}

// store adds persons to the parts, and hints, and moves the cursor: all or nothing. It
// reads the request anew: another worker may have taken it.
func (f *finder) store(ctx context.Context, got *found, cursor string, last bool) error {
	s := f.slice
	ref := Ref(s.db, s.Project, s.ID)
	var now Request
	err := s.db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		snap, err := tx.Get(ref)
		if err != nil {
			return err
		}
		stored, err := decode(snap)
		if err != nil {
			return err
		}
		now = *stored
		if now.Step != s.Step || now.Status != s.Status || now.FindCursor != s.FindCursor || now.Find != s.Find {
			return fault.New(fault.Unavailable, "another worker has the request")
		}
		if now.Persons+len(got.part.IDs) > MaxPersons {
			now.Find, now.FindCursor = "", tooMany
			return tx.Update(ref, findUpdates(&now))
		}
		if err := addPersons(tx, s.db, &now, got.part); err != nil {
			return err
		}
		if err := addHints(tx, s.db, &now, got.hints); err != nil {
			return err
		}
		now.FindCursor = cursor
		if last { // what they are known by is of no more use
			now.Find, now.FindCursor = "", ""
		}
		return tx.Update(ref, findUpdates(&now))
	})
	if err != nil {
		return fmt.Errorf("store the persons found: %w", err)
	}
	s.Find, s.FindCursor, s.Parts, s.Persons, s.Hints = now.Find, now.FindCursor, now.Parts, now.Persons, now.Hints
	if s.FindCursor == tooMany {
		return tooManyFault()
	}
	return nil
}

func findUpdates(r *Request) []firestore.Update {
	return []firestore.Update{
		{Path: "find", Value: r.Find}, {Path: "find_cursor", Value: r.FindCursor},
		{Path: "parts", Value: r.Parts}, {Path: "persons", Value: r.Persons}, {Path: "hints", Value: r.Hints},
	}
}
