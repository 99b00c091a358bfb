package report

import (
	"encoding/base32"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

// people numbers the persons of one report, so that sets of them are bitmaps.
type people struct {
	ordinals map[[20]byte]uint32 // by the 160 bits of a person.Key
	members  int                 // in all sets
}

var keyEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// ordinal is the number of a person.
func (p *people) ordinal(key person.Key) (uint32, error) {
	var id [20]byte
	if len(key) != 32 {
		return 0, fmt.Errorf("a person's key of %d characters", len(key))
	}
	if _, err := keyEncoding.Decode(id[:], []byte(key)); err != nil {
		return 0, fmt.Errorf("a person's key: %w", err)
	}
	n, ok := p.ordinals[id]
	if ok {
		return n, nil
	}
	if len(p.ordinals) >= maxPersons {
		return 0, tooMany("%d persons", maxPersons)
	}
	if p.ordinals == nil {
		p.ordinals = map[[20]byte]uint32{}
	}
	n = uint32(len(p.ordinals))
	p.ordinals[id] = n
	return n, nil
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
