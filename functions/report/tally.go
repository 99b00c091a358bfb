package report

import (
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/lethe-analytics/lethe/shared/person"
)

// tally is what is counted of one series.
type tally struct {
	total  int64
	counts []int64 // by bucket

	numbers *numbers // of a measure of numbers

	// Of distinct persons:
	seen     []uint64          // buckets, as bits from the one where the day begins, in which the person at hand was seen
	touched  bool              // there is one
	everyone *roaring.Bitmap   // counted in total
	current  []*roaring.Bitmap // counted in the buckets from number now on
	now      int
}

// distinct counts the persons of many tallies. Days come in order and each brings
// a distinct_id once, so a bucket that lies within a UTC day needs no memory of
// who was in it, and another only until the days have passed it. Of persons of
// several distinct_ids each bucket needs it, while its day lasts.
type distinct struct {
	people   people
	touched  []*tally // by the person at hand
	oneDay   bool     // the report is of one UTC day: only who is linked can come twice
	crossing bool     // buckets are not within a UTC day
}

// see notes that the person at hand was seen, in the i-th bucket of the day.
func (d *distinct) see(t *tally, i int) {
	if !t.touched {
		t.touched = true
		d.touched = append(d.touched, t)
	}
	for len(t.seen) <= i/64 {
		t.seen = append(t.seen, 0)
	}
	t.seen[i/64] |= 1 << (i % 64)
}

// leave counts the person at hand; base is the bucket in which the day begins.
func (d *distinct) leave(key person.Key, base int) error {
	if len(d.touched) == 0 {
		return nil
	}
	ordinal, linked, err := d.people.isLinked(key)
	if err == nil && !linked && !d.oneDay {
		ordinal, err = d.people.ordinal(key)
	}
	if err != nil {
		return err
	}
	for _, t := range d.touched {
		if err := d.count(t, ordinal, linked, base); err != nil {
			return err
		}
		t.touched = false
		clear(t.seen)
	}
	d.touched = d.touched[:0]
	return nil
}

func (d *distinct) count(t *tally, ordinal uint32, linked bool, base int) error {
	if d.oneDay && !linked {
		t.total++
	} else {
		if t.everyone == nil {
			t.everyone = roaring.New()
		}
		isNew, err := d.people.add(t.everyone, ordinal)
		if err != nil {
			return err
		}
		if isNew {
			t.total++
		}
	}
	for word, set := range t.seen {
		for ; set != 0; set &= set - 1 {
			i := word*64 + bits.TrailingZeros64(set)
			if linked || d.crossing && !d.oneDay {
				if seen, err := d.seenInBucket(t, ordinal, base, i); err != nil {
					return err
				} else if seen {
					continue
				}
			}
			t.counts[base+i]++
		}
	}
	return nil
}

// seenInBucket reports whether a person was counted in the i-th bucket from base
// before, and remembers that it is now. Buckets before base do not come again.
func (d *distinct) seenInBucket(t *tally, ordinal uint32, base, i int) (bool, error) {
	if passed := min(base-t.now, len(t.current)); passed > 0 {
		gone := t.current[:passed]
		for _, set := range gone {
			d.people.empty(set)
		}
		t.current = append(t.current[passed:], gone...)
	}
	t.now = base
	for len(t.current) <= i {
		t.current = append(t.current, roaring.New())
	}
	isNew, err := d.people.add(t.current[i], ordinal)
	return !isNew, err
}
