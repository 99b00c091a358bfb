package profile

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// Collection is the name of the operations' collection below a person.
const Collection = "ops"

// Doc holds the operations that one message brought, or a part of them if they are too
// large together, so that what comes late can be put in its place and what comes twice
// is known.
type Doc struct {
	Received time.Time `firestore:"received"` // of the newest operation
	Data     []byte    `firestore:"data"`     // event.Pack
}

// Change is what a batch of operations does to a person's profile.
type Change struct {
	Fields map[string]any // of the person's document; none if Refold
	// Refold says that the operations are not the newest: the profile is to be folded anew
	// once they are stored, also if they were stored before.
	Refold bool

	docs []stored // to be written; the empty ones to be deleted
}

// maxPayload is where a document of operations is cut, in bytes before compression:
// one stays under Firestore's 1 MiB also if nothing of it can be compressed. One
// operation is never cut.
const maxPayload = 512 << 10

// stored is one document of operations.
type stored struct {
	ref  *firestore.DocumentRef
	ops  []event.Op
	read firestore.Precondition // as it was read; nil: it was not
}

// Plan says what operations of an identity change, given its person's document. Within
// the transaction it reads what tells whether they have been stored before.
func Plan(tx *firestore.Transaction, identity *firestore.DocumentRef, of *person.Doc, ops []event.Op) (*Change, error) {
	Sort(ops)
	c := &Change{docs: cut(identity.Collection(Collection), ops)}
	if ops[0].Received.Time().After(of.ProfileAt) && lastDelete(ops) == nil {
		var err error
		c.Fields, err = fields(of, ops)
		return c, err
	}
	c.Refold = true
	_, err := tx.Get(c.docs[0].ref)
	switch {
	case err == nil:
		c.docs = nil
	case status.Code(err) != codes.NotFound:
		return nil, fmt.Errorf("read operations: %w", err)
	}
	return c, nil
}

// afterFence leaves out what an erasure has not got to yet.
func afterFence(doc *person.Doc, ops []event.Op) []event.Op {
	return slices.DeleteFunc(slices.Clone(ops), func(o event.Op) bool { return !doc.AfterFence(o.Received.Time()) })
}

func lastDelete(sorted []event.Op) *event.Op {
	for i := range slices.Backward(sorted) {
		if sorted[i].Name == "$delete" {
			return &sorted[i]
		}
	}
	return nil
}

func notBefore(ops []event.Op, limit *event.Op) []event.Op {
	var kept []event.Op
	for _, o := range ops {
		if compare(o, *limit) >= 0 {
			kept = append(kept, o)
		}
	}
	return kept
}

// Write adds the operations to the transaction.
func (c *Change) Write(tx *firestore.Transaction) error {
	if c == nil {
		return nil
	}
	return rewrite(tx, c.docs)
}

// cut divides operations into documents, in the same way whenever they come.
func cut(own *firestore.CollectionRef, ops []event.Op) (docs []stored) {
	size, from := 0, 0
	for i := range ops {
		n := len(ops[i].Value)
		if i > from && size+n > maxPayload {
			docs = append(docs, stored{ref: own.Doc(opsID(ops[from:i])), ops: ops[from:i]})
			size, from = 0, i
		}
		size += n
	}
	return append(docs, stored{ref: own.Doc(opsID(ops[from:])), ops: ops[from:]})
}

func pack(ops []event.Op) []byte {
	var payload []byte
	for i := range ops {
		payload = event.AppendOp(payload, &ops[i])
	}
	return event.Pack(payload)
}

func unpack(data []byte) ([]event.Op, error) {
	var ops []event.Op
	err := event.Unpack(data, nil, func(o *event.Op) error {
		ops = append(ops, *o)
		return nil
	})
	return ops, err
}

// opsID names a batch of operations by which they are.
func opsID(ops []event.Op) string {
	h := sha256.New()
	for i := range ops {
		fmt.Fprintf(h, "%s %d\n", ops[i].Request, ops[i].Seq)
	}
	return base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:20])
}
