package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Record is an entry as it is read back.
type Record struct {
	ID     string
	Leaf   []byte
	Sealed bool
	Index  int64
	// Altered: the document is not as Log.Write makes it.
	Altered bool
}

// Line is how a record is told, in an answer's list and in NDJSON: the entry's bytes
// are those that were sealed.
type Line struct {
	Index   *int64          `json:"index,omitempty"` // its place in the tree, once it is sealed
	Altered bool            `json:"altered,omitempty"`
	Entry   json.RawMessage `json:"entry"`
}

// Append writes the record as one JSON object, with the leaf to the letter.
func (r *Record) Append(b []byte) []byte {
	b = append(b, '{')
	if r.Sealed {
		b = append(strconv.AppendInt(append(b, `"index":`...), r.Index, 10), ',')
	}
	if r.Altered {
		b = append(b, `"altered":true,`...)
	}
	leaf := r.Leaf
	if !json.Valid(leaf) || bytes.ContainsAny(leaf, "\r\n") { // no leaf of ours
		leaf = []byte("null")
	}
	return append(append(append(b, `"entry":`...), leaf...), '}')
}

// Entry is what the leaf says; empty if that is nothing.
func (r *Record) Entry() (e Entry) {
	if json.Unmarshal(r.Leaf, &e) != nil {
		return Entry{}
	}
	return e
}

// Filter chooses entries. Zero fields take all.
type Filter struct {
	From, To time.Time // days, both inclusive
	Actor    string
	Action   string
	Person   person.Key
	Cursor   string // the id of the last entry of the page before
}

// CheckCursor says whether a cursor may be one.
func CheckCursor(cursor string) error {
	if !validID.MatchString(cursor) {
		return fault.InField("cursor", "is not one that this list gave out")
	}
	return nil
}

// readPage is how many entries are read at a time.
const readPage = 500

// List reads a project's entries, the newest first, a page at a time, so that a
// list of any length is read in bounded memory.
func List(ctx context.Context, db *firestore.Client, project string, f Filter) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		var cursor any
		if f.Cursor != "" {
			cursor = f.Cursor
		}
		for {
			docs, err := f.query(db, project, cursor).Limit(readPage).Documents(ctx).GetAll()
			if err != nil {
				yield(nil, fmt.Errorf("list access entries: %w", err))
				return
			}
			for _, d := range docs {
				if !yield(newRecord(d, project), nil) {
					return
				}
			}
			if len(docs) < readPage {
				return
			}
			// Whatever has been put there: to begin anew instead would never end.
			if cursor = docs[len(docs)-1].Data()["id"]; cursor == nil {
				return
			}
		}
	}
}

func (f *Filter) query(db *firestore.Client, project string, cursor any) firestore.Query {
	q := db.Collection("projects/"+project+"/"+Collection).OrderBy("id", firestore.Desc)
	if f.Actor != "" {
		q = q.Where("actor", "==", f.Actor)
	}
	if f.Action != "" {
		q = q.Where("action", "==", f.Action)
	}
	if f.Person != "" {
		q = q.Where("persons", "array-contains", string(f.Person))
	}
	if !f.From.IsZero() { // an id begins with its time
		q = q.Where("id", ">=", f.From.UTC().Format(idDay))
	}
	if !f.To.IsZero() {
		q = q.Where("id", "<", f.To.UTC().Format(idDay)+"U") // after every T
	}
	if cursor != nil {
		q = q.StartAfter(cursor)
	}
	return q
}

// Get reads one entry, or a NotFound fault.
func Get(ctx context.Context, db *firestore.Client, project, id string) (*Record, error) {
	if !validID.MatchString(id) {
		return nil, noEntry()
	}
	snap, err := Ref(db, project, id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, noEntry()
	}
	if err != nil {
		return nil, fmt.Errorf("read access entry: %w", err)
	}
	return newRecord(snap, project), nil
}

func noEntry() error { return fault.New(fault.NotFound, "the access log has no such entry") }

// newRecord reads a document, whatever has been done to it.
func newRecord(snap *firestore.DocumentSnapshot, project string) *Record {
	r := &Record{ID: snap.Ref.ID}
	var d Doc
	if err := snap.DataTo(&d); err != nil {
		r.Altered = true
		return r
	}
	r.Leaf, r.Sealed, r.Index = d.Leaf, d.Sealed, d.Index
	e := r.Entry()
	want := newDoc(&e, nil)
	r.Altered = e.ID != r.ID || d.ID != r.ID || e.Project != project || d.Actor != want.Actor || d.Action != want.Action ||
		!slices.Equal(d.Persons, want.Persons)
	return r
}
