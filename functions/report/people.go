package report

import (
	"encoding/base32"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// identityID is a person.Key in half the bytes: the 160 bits that it is made of.
type identityID [20]byte

// people numbers the persons of one report, so that sets of them are bitmaps. The
// identities of one person share a number.
type people struct {
	ordinals map[identityID]uint32
	next     uint32
	linked   uint32 // numbers below it are of persons of several identities
	members  int    // in all sets
}

var keyEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

func idOf(key person.Key) (id identityID, err error) {
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

func (p *people) set(id identityID, n uint32) error {
	if len(p.ordinals) >= maxPersons {
		return tooMany("%d persons", maxPersons)
	}
	if p.ordinals == nil {
		p.ordinals = map[identityID]uint32{}
	}
	p.ordinals[id] = n
	return nil
}

// unite gives all identities that links lead to one end the number of that end: from a
// device to a user, and from a user to another. Links that lead in a circle have one
// number too. All links come before anything is counted.
func (p *people) unite(links map[identityID]identityID) error {
	var path []identityID
	for id := range links {
		path = path[:0]
		n, known := p.ordinals[id]
		for !known && !slices.Contains(path, id) {
			path = append(path, id)
			to, linked := links[id]
			if !linked {
				break
			}
			id = to
			n, known = p.ordinals[id]
		}
		if !known {
			n = p.next
			p.next++
		}
		for _, member := range path {
			if err := p.set(member, n); err != nil {
				return err
			}
		}
	}
	p.linked = p.next
	return nil
}

// isLinked reports whether a person has several identities, and the number if so.
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
