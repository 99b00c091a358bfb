package report

import (
	"encoding/base32"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// people numbers the persons of one report, so that sets of them are bitmaps. The
// distinct_ids of one person share a number.
type people struct {
	ordinals map[[20]byte]uint32 // by the 160 bits of a person.Key
	next     uint32
	linked   uint32 // numbers below it are of persons of several distinct_ids
	members  int    // in all sets
}

var keyEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// idOf is a key in half the bytes.
func idOf(key person.Key) (id [20]byte, err error) {
	if len(key) != 32 {
		return id, fmt.Errorf("a person's key of %d characters", len(key))
	}
	if _, err := keyEncoding.Decode(id[:], []byte(key)); err != nil {
		return id, fmt.Errorf("a person's key: %w", err)
	}
	return id, nil
}

// ordinal is the number of a person.
func (p *people) ordinal(key person.Key) (uint32, error) {
	id, err := idOf(key)
	if err != nil {
		return 0, err
	}
	n, ok := p.ordinals[id]
	if ok {
		return n, nil
	}
	n = p.next
	if err := p.set(id, n); err != nil {
		return 0, err
	}
	p.next++
	return n, nil
}

func (p *people) set(id [20]byte, n uint32) error {
	if len(p.ordinals) >= maxPersons {
		return tooMany("%d persons", maxPersons)
	}
	if p.ordinals == nil {
		p.ordinals = map[[20]byte]uint32{}
	}
	p.ordinals[id] = n
	return nil
}

// link gives a member of a cluster the number of its head. All links come before
// anything is counted.
func (p *people) link(member, head person.Key) error {
	n, err := p.ordinal(head)
	if err != nil {
		return err
	}
	id, err := idOf(member)
	if err != nil {
		return err
	}
	p.linked = p.next
	return p.set(id, n)
}

// isLinked reports whether a person has several distinct_ids, and the number if so.
func (p *people) isLinked(key person.Key) (uint32, bool, error) {
	if p.linked == 0 {
		return 0, false, nil
	}
	id, err := idOf(key)
	if err != nil {
		return 0, false, err
	}
	n, ok := p.ordinals[id]
	return n, ok && n < p.linked, nil
}

// has reports whether a person has a number.
func (p *people) has(key person.Key) bool {
	id, err := idOf(key)
	_, ok := p.ordinals[id]
	return ok && err == nil
}

// add puts a person into a set and reports whether that was new.
func (p *people) add(set *roaring.Bitmap, ordinal uint32) (bool, error) {
	if !set.CheckedAdd(ordinal) {
		return false, nil
	}
	p.members++
	if p.members > maxMembers {
		return false, tooMany("%d pairs of a person and a series", maxMembers)
	}
	return true, nil
}

// empty takes everybody out of a set.
func (p *people) empty(set *roaring.Bitmap) {
	p.members -= int(set.GetCardinality())
	set.Clear()
}

func tooMany(format string, args ...any) error {
	return fault.New(fault.Invalid, "this report would have to tell apart more than "+format+
		"; ask for fewer days, fewer values (by), or a narrower where", args...)
}
