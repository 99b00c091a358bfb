package export

import (
	"context"
	"fmt"
	"time"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// subject is the person at hand. Nothing in it grows with the number of the person's
// identities: they are listed in notes of the request.
type subject struct {
	Root  person.Key `json:"root"`            // the first identity of the list
	Whole bool       `json:"whole,omitempty"` // the person is covered; else the one identity, which is another's
	First int        `json:"first"`           // note with which the others begin

	// Of all identities:
	Identities int       `json:"identities,omitempty"`
	FirstSeen  time.Time `json:"first_seen,omitzero"`
	ErasedAt   time.Time `json:"erased_at,omitzero"`

	Stage int `json:"stage"` // of stages
	place
}

// place is how far a stage is.
type place struct {
	Batch  int         `json:"batch"`            // of the list: the root, then the notes
	Index  int         `json:"index"`            // in the batch: the identity at hand
	Cursor string      `json:"cursor,omitempty"` // of the identity: what was read last
	Day    string      `json:"day,omitempty"`    // of its events: where to go on
	At     chunk.Place `json:"at,omitzero"`      // on that day
	File   int         `json:"file,omitempty"`   // files of the stage
}

// leaveIdentity moves on to the next identity of the batch.
func (p *place) leaveIdentity() {
	*p = place{Batch: p.Batch, Index: p.Index + 1, File: p.File}
}

// leaveBatch moves on to the next batch.
func (p *place) leaveBatch() {
	*p = place{Batch: p.Batch + 1, File: p.File}
}

// stages write a person's files, one after the other. Each goes through the list of
// identities, which the first one makes. A stage that is not done ends with the segment
// or the time, and goes on where it was.
var stages = []func(*job, context.Context) (done bool, err error){
	(*job).writeIdentities, (*job).writeProfile, (*job).writeConsents, (*job).writeRequests, (*job).writeEvents,
}

// person goes on with the person at hand, until its end, that of the segment or that
// of the time.
func (j *job) person(ctx context.Context) error {
	key, id, err := j.readNamed(ctx)
	if err != nil {
		return err
	}
	if id == "" { // erased since, which voids the archive
		return voided()
	}
	if j.pos.Subject == nil {
		if err := j.beginSubject(ctx, key); err != nil {
			return err
		}
	}
	for who := j.pos.Subject; who.Stage < len(stages); {
		done, err := stages[who.Stage](j, ctx)
		if err != nil || !done {
			return err
		}
		who.Stage, who.place = who.Stage+1, place{}
	}
	j.pos.Person, j.pos.Subject, j.batch = j.pos.Person+1, nil, nil
	if j.pos.Next++; j.pos.Next == len(j.part.Keys) {
		j.pos.Part, j.pos.Next = j.pos.Part+1, 0
	}
	return nil
}

// readNamed finds in the parts who is asked for.
func (j *job) readNamed(ctx context.Context) (key person.Key, id string, err error) {
	if j.partN != j.pos.Part {
		if j.part, err = request.ReadPart(ctx, j.db, j.slice.Request, j.pos.Part); err != nil {
			return "", "", err
		}
		j.partN = j.pos.Part
	}
	return j.part.Keys[j.pos.Next], j.part.IDs[j.pos.Next], nil
}

// beginSubject finds out what a named identity stands for.
func (j *job) beginSubject(ctx context.Context, named person.Key) error {
	s, err := person.Find(person.Reader(ctx, j.db), j.db, j.project.ID, named)
	if err != nil {
		return err
	}
	who := &subject{Root: named}
	if s.CoversPerson(j.params.Scope == ScopePerson) {
		who.Root, who.Whole = s.Person.Key, true
	}
	if who.Root != named {
		if err := j.note(ctx, who.Root); err != nil {
			return err
		}
	}
	who.First = j.pos.Notes
	j.pos.Subject = who
	return nil
}

// note notes in the request who is in its archive, before they are read: when one of
// them is erased, the archive is found by it, though the erasure has parted it from the
// person.
func (j *job) note(ctx context.Context, keys ...person.Key) error {
	if err := request.Cover(ctx, j.db, j.slice.Request, j.pos.Notes, keys...); err != nil {
		return err
	}
	j.pos.Notes++
	return nil
}

// folder of the person at hand. It is a number: a distinct_id can hold anything.
func (j *job) folder() string {
	kind := "person"
	if !j.pos.Subject.Whole {
		kind = loneFolder
	}
	return fmt.Sprintf("%s-%04d/", kind, j.pos.Person+1)
}

// loneFolder begins the folder of an identity that is exported without its person.
const loneFolder = "identity"
