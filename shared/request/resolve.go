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
//	people, by id ─▶ page ─match─▶ one transaction: parts, Parts, Persons, FindCursor ─▶ … ─▶ Find cleared
//
// A person whose document is made behind the cursor meanwhile is not found. More
// persons than MaxPersons are a permanent fault.
func (s *Slice) Resolve(ctx context.Context, p project.Project) (done bool, err error) {
	if s.FindCursor == tooMany {
		return false, tooManyFault()
	}
	if s.Find == "" {
		return true, nil
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
			return last, nil
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

// page looks at the next persons and stores whom it found; last reports that there
// are no more.
func (f *finder) page(ctx context.Context) (last bool, err error) {
	found := &Part{Project: f.project.ID}
	add := func(id string) {
		if key := person.MakeKey(f.project.Secret, id); !f.known[key] {
			f.known[key] = true
			found.IDs, found.Keys = append(found.IDs, id), append(found.Keys, key)
		}
	}
	for _, id := range f.direct { // those stored before are known
		add(id)
	}
	cursor := f.slice.FindCursor
	if last = len(f.match) == 0; !last {
		if cursor, last, err = f.look(ctx, add); err != nil {
			return false, err
		}
	}
	return last, f.store(ctx, found, cursor, last)
}

// look hands out the distinct_ids of the matching persons of a page. Profiles are
// large: they are read one at a time.
func (f *finder) look(ctx context.Context, add func(id string)) (cursor string, last bool, err error) {
	cursor = f.slice.FindCursor
	q := f.slice.db.Collection("projects/"+f.project.ID+"/people").
		Select("distinct_id", "profile").OrderBy(firestore.DocumentID, firestore.Asc).Limit(findPage)
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
		if doc.DistinctID == "" { // erased
			continue
		}
		is, err := f.match.person(doc.DistinctID, doc.Profile)
		if err != nil {
			return "", false, err
		}
		if is {
			add(doc.DistinctID)
		}
	}
}

// store adds persons to the parts and moves the cursor, both or neither. It reads
// the request anew: another worker may have taken it.
func (f *finder) store(ctx context.Context, found *Part, cursor string, last bool) error {
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
		if now.Persons+len(found.IDs) > MaxPersons {
			now.Find, now.FindCursor = "", tooMany
			return tx.Update(ref, findUpdates(&now))
		}
		parts, err := fill(tx, s.db, &now, found)
		if err != nil {
			return err
		}
		for n, part := range parts {
			if err := tx.Set(PartRef(s.db, s.Project, s.ID, n), part); err != nil {
				return err
			}
			now.Parts = max(now.Parts, n+1)
		}
		now.Persons += len(found.IDs)
		now.FindCursor = cursor
		if last { // what they are known by is of no more use
			now.Find, now.FindCursor = "", ""
		}
		return tx.Update(ref, findUpdates(&now))
	})
	if err != nil {
		return fmt.Errorf("store the persons found: %w", err)
	}
	s.Find, s.FindCursor, s.Parts, s.Persons = now.Find, now.FindCursor, now.Parts, now.Persons
	if s.FindCursor == tooMany {
		return tooManyFault()
	}
	return nil
}

func findUpdates(r *Request) []firestore.Update {
	return []firestore.Update{
		{Path: "find", Value: r.Find}, {Path: "find_cursor", Value: r.FindCursor},
		{Path: "parts", Value: r.Parts}, {Path: "persons", Value: r.Persons},
	}
}

// fill puts persons into the last part while it has room, then into new ones. A part
// that an erasure took distinct_ids from is left alone: IDs and Keys no longer pair.
func fill(tx *firestore.Transaction, db *firestore.Client, r *Request, found *Part) (map[int]*Part, error) {
	parts := map[int]*Part{}
	if len(found.IDs) == 0 {
		return parts, nil
	}
	n, part := r.Parts, &Part{Project: r.Project}
	if n > 0 {
		snap, err := tx.Get(PartRef(db, r.Project, r.ID, n-1))
		if err != nil {
			return nil, err
		}
		var before Part
		if err := snap.DataTo(&before); err != nil {
			return nil, fmt.Errorf("decode part of a request: %w", err)
		}
		if len(before.IDs) == len(before.Keys) && len(before.IDs) < PartSize {
			n, part = n-1, &before
		}
	}
	for i := range found.IDs {
		if len(part.IDs) == PartSize {
			n, part = n+1, &Part{Project: r.Project}
		}
		part.IDs, part.Keys = append(part.IDs, found.IDs[i]), append(part.Keys, found.Keys[i])
		parts[n] = part
	}
	return parts, nil
}
