package event

import (
	"cmp"
	"slices"
)

// proofName is the raw name under which an item carries the proof of its identity. It is
// taken out of the item, which is stored without it.
const proofName = `"$identity_proof"`

// noteProof keeps the proof of the item in hand, which is going to stand at a place.
func (p *parser) noteProof(at int) {
	if p.proof == "" {
		return
	}
	if p.proofs == nil {
		p.proofs = map[int]string{}
	}
	p.proofs[at] = p.proof
}

// Proof is what an event or operation carried as proof of its identity; empty: nothing.
func (r *Parsed) Proof(i int) string { return r.proofs[i] }

// Refuse makes a Failure of an event or operation that the parser had accepted. It keeps
// its place in Events or Ops.
func (r *Parsed) Refuse(i int, field, message string) {
	if r.refused[i] {
		return
	}
	if r.refused == nil {
		r.refused = map[int]bool{}
		for _, f := range r.Failures {
			r.broken = append(r.broken, f.Index)
		}
	}
	r.refused[i] = true
	f := Failure{Index: i, Field: field, Message: message}
	for _, broken := range r.broken { // they stand between the accepted ones
		if broken > f.Index {
			break
		}
		f.Index++
	}
	if i < len(r.Events) {
		f.InsertID = r.Events[i].InsertID
	}
	at, _ := slices.BinarySearchFunc(r.Failures, f, func(a, b Failure) int { return cmp.Compare(a.Index, b.Index) })
	r.Failures = slices.Insert(r.Failures, at, f)
}

// Refused reports whether Refuse was called for an event or operation.
func (r *Parsed) Refused(i int) bool { return r.refused[i] }

// Taken is how many events or operations are accepted and not refused.
func (r *Parsed) Taken() int { return len(r.Tokens) - len(r.refused) }
