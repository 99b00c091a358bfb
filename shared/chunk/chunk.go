// Package chunk is the event store: many events of one person and one UTC day in
// one compressed document.
//
//	projects/{project}/people/{person}/chunks/{id}   Doc
//	collection group chunks, index (project, day)    ProjectDays
//
// One event a document would cost 20 times the writes and storage, and meet
// Firestore's limit on sequential index values (500 writes a second:
// https://cloud.google.com/firestore/docs/best-practices#hotspots).
//
// A chunk's id is derived from its events, not from when or how they came: what
// is delivered or sent twice overwrites itself. What a retry cut differently
// stands in two chunks and is told apart on reading (PersonDay.Events).
package chunk

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Collection is the name of the collection and of its group.
const Collection = "chunks"

// maxPayload is where a chunk is cut, in bytes before compression: with the
// largest event (event.MaxBytes) on top, even one that does not compress, a
// document stays under Firestore's 1 MiB. One event is never cut.
const maxPayload = 512 << 10

// Doc is a chunk's document. Only project and day are indexed (terraform/firestore.tf).
type Doc struct {
	Project  string    `firestore:"project"`
	Day      string    `firestore:"day"`      // 2006-01-02, UTC
	Received time.Time `firestore:"received"` // of the newest event
	Oldest   time.Time `firestore:"oldest"`   // receipt of the oldest event
	Count    int       `firestore:"count"`
	Data     []byte    `firestore:"data"` // event.Pack
}

// Chunk is a document with its id.
type Chunk struct {
	ID string
	Doc
}

// Ref is where a chunk stands.
func Ref(db *firestore.Client, project string, key person.Key, id string) *firestore.DocumentRef {
	return person.Ref(db, project, key).Collection(Collection).Doc(id)
}

// Build makes the chunks of one person's events, a day after the other. Of events
// with one key the latest received is kept, the later in the list where they
// came together.
func Build(project string, events []event.Event) []Chunk {
	events = latest(events)
	slices.SortStableFunc(events, func(a, b event.Event) int { return cmp.Compare(dayNumber(a.Time), dayNumber(b.Time)) })
	var chunks []Chunk
	var b builder
	for i := range events {
		e := &events[i]
		if i > 0 && dayNumber(e.Time) != dayNumber(events[i-1].Time) || b.count > 0 && len(b.payload)+len(e.Properties) > maxPayload {
			chunks = append(chunks, b.chunk(project, events[i-1].Time.Day()))
			b = builder{}
		}
		b.add(e)
	}
	if b.count > 0 {
		chunks = append(chunks, b.chunk(project, events[len(events)-1].Time.Day()))
	}
	return chunks
}

// dayNumber counts UTC days; no event is older than 1970 (event.Earliest).
func dayNumber(t event.Millis) int64 { return int64(t) / (24 * 60 * 60 * 1000) }

// latest drops all but the latest event of each key.
func latest(events []event.Event) []event.Event {
	if len(events) < 2 {
		return events
	}
	at := make(map[event.Key]int, len(events))
	kept := make([]event.Event, 0, len(events))
	for i := range events {
		k := events[i].Key()
		if j, seen := at[k]; !seen {
			at[k] = len(kept)
			kept = append(kept, events[i])
		} else if events[i].Received >= kept[j].Received {
			kept[j] = events[i]
		}
	}
	return kept
}

// builder gathers the events of one chunk.
type builder struct {
	payload  []byte
	sum      hash.Hash
	count    int
	received event.Millis // the newest
	oldest   event.Millis
}

func (b *builder) add(e *event.Event) {
	if b.sum == nil {
		b.sum = sha256.New()
	}
	// Everything but the receipt makes the id: a retry has another receipt and
	// overwrites; a correction, with the same key but other properties, does not,
	// so that an old message delivered late cannot undo it.
	b.payload = event.AppendEvent(b.payload, e)
	b.text(e.Name)
	b.text(e.DistinctID)
	b.text(e.InsertID)
	b.text(e.Properties)
	b.number(uint64(e.Time))
	if b.count == 0 || e.Received < b.oldest {
		b.oldest = e.Received
	}
	b.count++
	b.received = max(b.received, e.Received)
}

func (b *builder) text(s string) {
	b.number(uint64(len(s)))
	b.sum.Write([]byte(s))
}

func (b *builder) number(n uint64) {
	var buf [8]byte
	b.sum.Write(binary.BigEndian.AppendUint64(buf[:0], n))
}

var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

func (b *builder) chunk(project, day string) Chunk {
	return Chunk{
		ID: idEncoding.EncodeToString(b.sum.Sum(nil)[:20]),
		Doc: Doc{Project: project, Day: day, Received: b.received.Time(), Oldest: b.oldest.Time(), Count: b.count,
			Data: event.Pack(b.payload)},
	}
}
