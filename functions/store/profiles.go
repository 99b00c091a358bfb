package store

import (
	"context"
	"log/slog"

	"github.com/lethe-analytics/lethe/shared/person"
)

// profiles are those that a transaction changes, by person: of one with several
// identities in a batch, one change follows on the other.
type profiles map[person.Key]*folded

// folded is a person whose profile is changed, and what it was before.
type folded struct {
	doc    *person.Doc
	under  []person.Key // the identities under which operations have come
	noRoom int          // before
	bytes  int
}

// of is the document of an identity's person, with the changes so far.
func (p profiles) of(s *person.Standing) *person.Doc {
	f := p[s.Person.Key]
	if f == nil {
		d := &s.Person.Doc
		f = &folded{doc: d, noRoom: d.NoRoom, bytes: len(d.Profile)}
		p[s.Person.Key] = f
	}
	f.under = append(f.under, s.Own.Key)
	return f.doc
}

func (p profiles) size() (n int) {
	for _, f := range p {
		n += len(f.doc.Profile)
	}
	return n
}

// tellFull tells ingest of the profiles that had no room for an operation, and of those
// that have room again. It is a hint, without which the batch is stored all the same.
func (s *server) tellFull(ctx context.Context, project string, changed profiles, refold map[person.Key]bool) {
	for key, f := range changed {
		if refold[key] {
			now, err := person.Find(person.Reader(ctx, s.db), s.db, project, key)
			if err != nil {
				slog.WarnContext(ctx, "whether a profile is full is not told", "project", project, "error", err)
				continue
			}
			f.doc = &now.Person.Doc
		}
		if f.doc.NoRoom <= f.noRoom && !f.hasRoomAgain() {
			continue
		}
		bytes := 0
		if f.doc.NoRoom > f.noRoom {
			bytes = len(f.doc.Profile)
		}
		if err := person.TellFilled(ctx, s.dbs.Edge, project, append(f.under, key), bytes); err != nil {
			slog.WarnContext(ctx, "whether a profile is full is not told", "project", project, "error", err)
		}
	}
}

// hasRoomAgain reports whether something was taken out of a profile that was full at some
// time.
func (f *folded) hasRoomAgain() bool {
	return f.noRoom > 0 && (f.doc.NoRoom == 0 || len(f.doc.Profile) < f.bytes)
}
