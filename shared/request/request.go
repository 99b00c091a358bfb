// Package request owns data-subject requests: how one is created, worked on in
// slices that fit a function's timeout, and finished.
//
//	POST ─Create─▶ projects/{project}/requests/{id}            Request
//	               …/parts/{n}         Part: up to PartSize persons, or identities of theirs
//	               …/parts/linked-{n}  Part: whom an archive holds beside them (Cover)
//	               …/hints/{key}       Hint: who may be meant, until somebody decides
//	      ─Publish─▶ topic ─push─▶ Worker ─lease─▶ work(Slice) ─▶ position saved, next slice published
//	                                                          └─▶ done | failed
//
//	queued ──▶ running ──▶ done | failed
//	   │          └──▶ needs_confirmation ──▶ running again: confirmed
//	   └──▶ cancelled ◀────┘ refused, or cancelled
//
// A request that names persons by attributes waits if only the public token has said
// whose they are: confirm.go.
//
// A request outlives the persons that it is about: it knows them by their keys.
// Their distinct_ids stand in the parts alone, and leave them with an erasure.
package request

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// Kind is what a request asks for.
type Kind string

// The kinds.
const (
	Export        Kind = "export"        // access and portability (GDPR Art. 15, 20)
	Deletion      Kind = "deletion"      // erasure (Art. 17)
	Rectification Kind = "rectification" // Art. 16
)

// Topic carries the slices of a kind of request.
func (k Kind) Topic() string {
	switch k {
	case Export:
		return topology.TopicExports
	case Deletion:
		return topology.TopicDeletions
	}
	return topology.TopicRectifications
}

// Status is how far a request is.
type Status string

// The statuses. The last three are final.
const (
	Queued            Status = "queued"
	Running           Status = "running"
	NeedsConfirmation Status = "needs_confirmation" // who is meant is only hinted at; no worker has it
	Done              Status = "done"
	Failed            Status = "failed"
	Cancelled         Status = "cancelled"
)

// Statuses lists them all.
var Statuses = []Status{Queued, Running, NeedsConfirmation, Done, Failed, Cancelled}

// Final reports whether the status will not change any more.
func (s Status) Final() bool { return s == Done || s == Failed || s == Cancelled }

// Origin is by which interface a request came.
type Origin string

// The origins.
const (
	API      Origin = "api"
	Mixpanel Origin = "mixpanel" // GDPR API v3
	OpenDSR  Origin = "opendsr"
)

// Request is the document of a request.
type Request struct {
	ID       string    `firestore:"-"`
	Project  string    `firestore:"project"`
	Kind     Kind      `firestore:"kind"`
	Status   Status    `firestore:"status"`
	Origin   Origin    `firestore:"origin"`
	Actor    string    `firestore:"actor"` // hash of the API key that asked
	Created  time.Time `firestore:"created"`
	Started  time.Time `firestore:"started,omitempty"`
	Finished time.Time `firestore:"finished,omitempty"`
	Persons  int       `firestore:"persons"`           // distinct_ids asked for
	Parts    int       `firestore:"parts"`             // documents below it
	Params   string    `firestore:"params"`            // JSON: what is asked, less the persons; of the kind's own form
	Private  string    `firestore:"private,omitempty"` // JSON like Params, of what in them is personal to the one person: an erasure takes it away
	Reason   string    `firestore:"reason,omitempty"`  // free text of who asked: an erasure takes it away, too
	Find     string    `firestore:"find,omitempty"`    // JSON []Identity still to be turned into persons
	Extra    string    `firestore:"extra,omitempty"`   // JSON of the origin's own form
	Position string    `firestore:"position"`          // JSON: where the next slice begins; of the kind's own form
	Step     int       `firestore:"step"`              // number of the slice in hand
	Lease    time.Time `firestore:"lease,omitempty"`   // until then a worker has it
	Void     bool      `firestore:"void,omitempty"`    // of an export: a person in it was erased, no archive may be made or handed out
	Result   string    `firestore:"result,omitempty"`  // JSON of the kind's own form
	Failure  string    `firestore:"failure,omitempty"` // why it failed, for the caller
	Told     Status    `firestore:"told,omitempty"`    // the last status of which TopicCallbacks was told
	// FindCursor is the last person looked at for Find (Slice.Resolve).
	FindCursor string    `firestore:"find_cursor,omitempty"`
	Hints      int       `firestore:"hints,omitempty"`      // persons who may be meant; MaxHints of them have a Hint
	Decided    time.Time `firestore:"decided,omitempty"`    // when it was decided on the hints; cancelled with it: they were refused
	DecidedBy  string    `firestore:"decided_by,omitempty"` // hash of the API key
}

// waits reports whether the work cannot go on before it is decided on the hints.
func (r *Request) waits() bool { return r.Find == "" && r.Hints > 0 && r.Decided.IsZero() }

// Begun is since when the request is ours to answer: since it was made, or somebody has
// decided who is meant.
func (r *Request) Begun() time.Time {
	if r.Decided.After(r.Created) {
		return r.Decided
	}
	return r.Created
}

// PartSize is the number of persons in a part: with the longest distinct_ids a
// part's document stays under 150 kB.
const PartSize = 100

// Part is some of a request's persons, or of the identities that a deletion has found to
// be theirs: those come in parts behind them.
type Part struct {
	Project string       `firestore:"project"` // for the collection group's index
	IDs     []string     `firestore:"ids"`     // distinct_ids, beside Keys; empty once erased, and of identities that nobody has named
	Keys    []person.Key `firestore:"keys"`    // indexed: finds the requests of an identity
	// Subjects, of a deletion, are the identities whose fence has been set, beside Keys.
	Subjects []Subject `firestore:"subjects,omitempty"`
}

// Subject is an identity that a deletion covers.
type Subject struct {
	Fence  time.Time    `firestore:"fence"`            // all received at or before it goes
	Person person.Key   `firestore:"person"`           // whose the identity was: where its links led
	Whole  bool         `firestore:"whole,omitempty"`  // whoever was linked to it is covered, too
	Link   *person.Link `firestore:"link,omitempty"`   // who has said whose it is; nil: nobody
	Joined bool         `firestore:"joined,omitempty"` // there may have been identities that were linked to it
	Known  bool         `firestore:"known,omitempty"`  // its distinct_id was
	// Settled is since when, by Firestore's clock, nobody reads any more what goes: an
	// archive that was asked for by then may hold it. Zero: not yet.
	Settled time.Time `firestore:"settled,omitempty"`
}

// now is the present in the precision that Firestore keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Collections of requests and of their parts.
const (
	Collection      = "requests"
	PartsCollection = "parts"
)

// Ref is a request's document.
func Ref(db *firestore.Client, project, id string) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/" + Collection + "/" + id)
}

// PartRef is the document of a request's nth part, from 0.
func PartRef(db *firestore.Client, project, id string, n int) *firestore.DocumentRef {
	return Ref(db, project, id).Collection(PartsCollection).Doc(fmt.Sprintf("%04d", n))
}

// Get reads a request of a kind, or a NotFound fault: of another project's nothing
// is told. An empty kind takes any.
func Get(ctx context.Context, db *firestore.Client, project, id string, kind Kind) (*Request, error) {
	if !ValidID(id) {
		return nil, notFound(nil)
	}
	snap, err := Ref(db, project, id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, notFound(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	r, err := decode(snap)
	if err != nil {
		return nil, err
	}
	if r.Kind != cmp.Or(kind, r.Kind) {
		return nil, notFound(nil)
	}
	return r, nil
}

func notFound(cause error) error {
	return fault.Wrap(fault.NotFound, cause, "the project has no such request")
}

func decode(snap *firestore.DocumentSnapshot) (*Request, error) {
	r := &Request{ID: snap.Ref.ID}
	if err := snap.DataTo(r); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	return r, nil
}

// ReadPart reads a request's nth part.
func ReadPart(ctx context.Context, db *firestore.Client, r *Request, n int) (*Part, error) {
	snap, err := PartRef(db, r.Project, r.ID, n).Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read part %d of a request: %w", n, err)
	}
	var p Part
	if err := snap.DataTo(&p); err != nil {
		return nil, fmt.Errorf("decode part of a request: %w", err)
	}
	return &p, nil
}
