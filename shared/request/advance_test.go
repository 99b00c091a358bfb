package request_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// entries are so many of a part, numbered from a first one on.
func entries(first, n int) *request.Part {
	p := &request.Part{}
	for i := range n {
		p.IDs, p.Keys = append(p.IDs, ""), append(p.Keys, person.Key(fmt.Sprint("k", first+i)))
		p.Subjects = append(p.Subjects, request.Subject{Person: "p", Fence: time.Unix(int64(first+i), 0).UTC()})
	}
	return p
}

// Entries are appended behind the persons who were asked for, in full parts, together
// with the position: each once, whoever else works on the request.
func TestAppend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.create(request.New{IDs: []string{"a", "b"}})
	w.publish(r)
	const n = 280
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		stale := *s.Request
		behind := *s
		behind.Request = &stale
		at := 0
		for _, more := range []int{30, 0, 100, 150} {
			at += more
			err := s.Advance(ctx, map[string]int{"at": at}, func(tx *firestore.Transaction, r *request.Request) error {
				return request.Append(tx, w.Default, r, 1, entries(at-more, more))
			})
			if err != nil {
				return request.Outcome{}, err
			}
		}
		err := behind.Advance(ctx, "behind", func(tx *firestore.Transaction, r *request.Request) error {
			return request.Append(tx, w.Default, r, 1, entries(at, 1))
		})
		if fault.Of(err) != fault.Unavailable {
			t.Errorf("a worker who is behind appends: got %v, want %v", err, fault.Unavailable)
		}
		broken := errors.New("broken")
		if err := s.Advance(ctx, "broken", func(*firestore.Transaction, *request.Request) error { return broken }); !errors.Is(err, broken) {
			t.Errorf("got %v, want %v", err, broken)
		}
		if s.Parts != 4 || s.Position != `{"at":280}` {
			t.Errorf("got %d parts, at %s", s.Parts, s.Position)
		}
		return request.Outcome{Done: true}, nil
	})
	w.until(r, request.Done)
	got := w.get(r)
	if got.Parts != 4 || got.Position != `{"at":280}` || got.Persons != 2 {
		t.Errorf("got %d parts, at %s", got.Parts, got.Position)
	}
	seen := 0
	for i := range got.Parts {
		part, err := request.ReadPart(t.Context(), w.Default, got, i)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if len(part.Keys) != 2 || len(part.Subjects) != 0 {
				t.Errorf("those who were asked for: %+v", part)
			}
			continue
		}
		if want := min(request.PartSize, n-seen); len(part.Keys) != want || len(part.IDs) != want || len(part.Subjects) != want || part.Project != w.Project.ID {
			t.Errorf("part %d has %d entries, want %d", i, len(part.Keys), want)
		}
		for j := range part.Keys {
			if want := entries(seen, 1); part.Keys[j] != want.Keys[0] || part.Subjects[j] != want.Subjects[0] {
				t.Errorf("entry %d is %s, %+v", seen, part.Keys[j], part.Subjects[j])
			}
			seen++
		}
	}
	if seen != n {
		t.Errorf("got %d entries, want %d", seen, n)
	}
}
