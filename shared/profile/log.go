package profile

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
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
	Profile string    // the new profile, as JSON
	At      time.Time // receipt of its newest operation

	docs []stored // to be written; the empty ones to be deleted
}

// maxPayload is where a document of operations is cut, in bytes before compression:
// one stays under Firestore's 1 MiB also if nothing of it can be compressed. One
// operation is never cut.
const maxPayload = 512 << 10

// stored is one document of operations.
type stored struct {
	ref *firestore.DocumentRef
	ops []event.Op
}

// Plan reads, within the transaction, what it needs to apply the operations, and
// returns the change, or nil if they have been applied before.
func Plan(tx *firestore.Transaction, ref *firestore.DocumentRef, doc *person.Doc, ops []event.Op) (*Change, error) {
	Sort(ops)
	own := ref.Collection(Collection)
	c := &Change{At: ops[len(ops)-1].Received.Time(), docs: cut(own, ops)}
	if ops[0].Received.Time().After(doc.ProfileAt) && lastDelete(ops) == nil {
		p, err := Parse(doc.Profile)
		if err != nil {
			return nil, err
		}
		if p, err = Apply(p, ops); err != nil {
			return nil, err
		}
		c.Profile = p.JSON()
		return c, nil
	}
	_, err := tx.Get(c.docs[0].ref)
	if err == nil {
		return nil, nil
	}
	if status.Code(err) != codes.NotFound {
		return nil, fmt.Errorf("read operations: %w", err)
	}
	return c, c.fold(tx, own, doc, ops)
}

// fold makes the profile anew from all operations. Those before a $delete are
// removed: what has been deleted is not kept.
func (c *Change) fold(tx *firestore.Transaction, own *firestore.CollectionRef, doc *person.Doc, ops []event.Op) error {
	var logs []stored
	all := append([]event.Op(nil), ops...)
	docs := tx.Documents(own)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return fmt.Errorf("read operations: %w", err)
		}
		var d Doc
		if err := snap.DataTo(&d); err != nil {
			return fmt.Errorf("decode operations: %w", err)
		}
		old, err := unpack(d.Data)
		if err != nil {
			return err
		}
		logs = append(logs, stored{snap.Ref, old})
		all = append(all, afterFence(doc, old)...)
	}
	Sort(all)
	p, err := Apply(Profile{}, all)
	if err != nil {
		return err
	}
	c.Profile = p.JSON()
	c.At = all[len(all)-1].Received.Time()
	if doc.ProfileAt.After(c.At) {
		c.At = doc.ProfileAt
	}
	deletion := lastDelete(all)
	if deletion == nil {
		return nil
	}
	for i := range c.docs {
		c.docs[i].ops = notBefore(c.docs[i].ops, deletion)
	}
	c.docs = slices.DeleteFunc(c.docs, func(d stored) bool { return len(d.ops) == 0 })
	for _, l := range logs {
		if kept := notBefore(l.ops, deletion); len(kept) < len(l.ops) {
			c.docs = append(c.docs, stored{l.ref, kept})
		}
	}
	return nil
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

// Write adds the change to the transaction, but for the person's document.
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
			docs = append(docs, stored{own.Doc(opsID(ops[from:i])), ops[from:i]})
			size, from = 0, i
		}
		size += n
	}
	return append(docs, stored{own.Doc(opsID(ops[from:])), ops[from:]})
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
