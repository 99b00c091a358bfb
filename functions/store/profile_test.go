package store_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// op is an operation of a key: it may delete a user's profile as well.
func op(request string, seq int, received event.Millis, name, value string) event.Op {
	return event.Op{DistinctID: "ann", Name: name, Value: value, Received: received, Request: request, Seq: seq, Speaker: event.ByKey}
}

// Operations come late, twice and in any order, in any number of messages: the
// profile is always that of the order in which they were received.
func TestProfileInOrderOfReceipt(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	for round := range 6 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := newSystem(t)
			var all []event.Op
			var messages [][]event.Op
			for r := range 12 {
				var m []event.Op
				received := t0 + event.Millis(r/2) // pairs of requests share a millisecond
				for seq := range 1 + rnd.IntN(3) {
					name, value := randomOp(rnd)
					m = append(m, op(fmt.Sprintf("r%02d", r), seq, received, name, value))
				}
				all = append(all, m...)
				messages = append(messages, m)
			}
			want, err := profile.Apply(profile.Profile{}, all)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, messages[rnd.IntN(12)], messages[rnd.IntN(12)], messages[rnd.IntN(12)])
			rnd.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
			for _, m := range messages {
				s.deliver(opBatch(m...))
			}
			if got := s.doc("ann").Profile; got != want.JSON() {
				t.Errorf("seed %d: got %s, want %s", seed, got, want.JSON())
			}
		})
	}
}

func randomOp(rnd *rand.Rand) (name, value string) {
	prop := string(rune('a' + rnd.IntN(3)))
	n := rnd.IntN(4)
	switch rnd.IntN(12) {
	case 0, 1:
		return "$set", fmt.Sprintf(`{%q:%d}`, prop, n)
	case 2, 3:
		return "$set_once", fmt.Sprintf(`{%q:[%d]}`, prop, n)
	case 4, 5:
		return "$add", fmt.Sprintf(`{%q:%d}`, prop, n+1)
	case 6, 7:
		return "$append", fmt.Sprintf(`{"l":%d}`, n)
	case 8:
		return "$union", fmt.Sprintf(`{"l":[%d,%d]}`, n, n+1)
	case 9:
		return "$remove", fmt.Sprintf(`{"l":%d}`, n)
	case 10:
		return "$unset", fmt.Sprintf(`[%q]`, prop)
	}
	return "$delete", "true"
}

// What a $delete took away is not kept among the operations either, and does not
// come back with a message that arrives after it.
func TestProfileDelete(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.deliver(opBatch(op("r1", 0, t0, "$set", `{"email":"secret"}`)))
	late := op("r2", 0, t0+1, "$set", `{"phone":"secret"}`)
	s.deliver(opBatch(op("r3", 0, t0+2, "$delete", "true"), op("r3", 1, t0+2, "$set", `{"plan":"free"}`)))
	s.deliver(opBatch(late))
	s.deliver(opBatch(late, op("r4", 0, t0+3, "$set", `{"x":1}`)))
	if got := s.doc("ann").Profile; got != `{"plan":"free","x":1}` {
		t.Errorf("profile %s", got)
	}
	docs, err := s.ref("ann").Collection(profile.Collection).Documents(ctx).GetAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		var doc profile.Doc
		if err := d.DataTo(&doc); err != nil {
			t.Fatal(err)
		}
		_ = event.Unpack(doc.Data, nil, func(o *event.Op) error {
			if strings.Contains(o.Value, "secret") {
				t.Errorf("kept after a $delete: %s %s", o.Name, o.Value)
			}
			return nil
		})
	}
}

// Operations that are too large together for one document, because nothing of them
// can be compressed, are stored, and counted once, whatever the number of deliveries.
func TestLargeOperations(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	source := rand.NewChaCha8([32]byte{})
	large := func(seq int) event.Op { // over what a profile may hold
		b := make([]byte, 700_000)
		_, _ = source.Read(b) // never fails
		return op("r1", seq, t0, "$set", fmt.Sprintf(`{"x":%q}`, base64.StdEncoding.EncodeToString(b)))
	}
	message := opBatch(op("r1", 0, t0, "$add", `{"n":1}`), large(1), large(2), op("r1", 3, t0, "$add", `{"n":1}`))
	for range 2 {
		s.deliver(message)
		if got := s.doc("ann").Profile; got != `{"n":2}` {
			t.Errorf("profile %.100s", got)
		}
	}
	s.deliver(opBatch(op("r2", 0, t0+1, "$delete", "true")))
	s.deliver(message)
	if got := s.doc("ann").Profile; got != `{}` {
		t.Errorf("profile after a $delete: %.100s", got)
	}
	docs, err := s.ref("ann").Collection(profile.Collection).Documents(ctx).GetAll()
	if err != nil || len(docs) != 1 {
		t.Errorf("%d documents of operations are kept, want that of the $delete: %v", len(docs), err)
	}
}

// A batch that touches many large profiles is stored, in as many transactions as that
// takes: each profile is written whole, however little changes.
func TestLargeProfiles(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var ops []event.Op
	for i := range 12 {
		id := fmt.Sprint("p", i)
		before := map[string]any{"distinct_id": id, "profile": fmt.Sprintf(`{"x":%q}`, strings.Repeat("x", profile.MaxBytes-100))}
		if _, err := s.ref(id).Set(ctx, before); err != nil {
			t.Fatal(err)
		}
		o := op("r1", i, t0, "$set", `{"plan":"pro"}`)
		o.DistinctID = id
		ops = append(ops, o)
	}
	s.deliver(opBatch(ops...))
	for _, o := range ops {
		if got := s.doc(o.DistinctID).Profile; !strings.HasPrefix(got, `{"plan":"pro","x":`) {
			t.Errorf("%s: %.50s", o.DistinctID, got)
		}
	}
}
