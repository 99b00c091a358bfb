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

	// Of distinct persons:
	hours    uint32          // buckets, from the one where the day begins, in which the person at hand was seen
	everyone *roaring.Bitmap // counted in total
	current  *roaring.Bitmap // counted in the bucket of number now
	now      int
}

// distinct counts the persons of many tallies. Days come in order and each brings
// a person once, so a bucket that is no longer than a day needs no memory of who
// was in it, and a longer one only while it lasts.
type distinct struct {
	people  people
	touched []*tally // by the person at hand
	oneDay  bool     // the report is of one day: nobody can come twice
	long    bool     // buckets are longer than a day
}

// see notes that the person at hand was seen, in the i-th bucket of the day.
func (d *distinct) see(t *tally, i int) {
	if t.hours == 0 {
		d.touched = append(d.touched, t)
	}
	t.hours |= 1 << i
}

// leave counts the person at hand; base is the bucket in which the day begins.
func (d *distinct) leave(key person.Key, base int) error {
	if len(d.touched) == 0 {
		return nil
	}
	var ordinal uint32
	if !d.oneDay {
		var err error
		if ordinal, err = d.people.ordinal(key); err != nil {
			return err
		}
	}
	for _, t := range d.touched {
		if err := d.count(t, ordinal, base); err != nil {
			return err
		}
		t.hours = 0
	}
	d.touched = d.touched[:0]
	return nil
}

func (d *distinct) count(t *tally, ordinal uint32, base int) error {
	if d.oneDay {
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
		if d.long {
			if seen, err := d.seenInBucket(t, ordinal, base); seen || err != nil {
				return err
			}
		}
	}
	for h := t.hours; h != 0; h &= h - 1 {
		t.counts[base+bits.TrailingZeros32(h)]++
	}
	return nil
}

// seenInBucket reports whether a person was counted in a bucket before, and
// remembers that it is now.
func (d *distinct) seenInBucket(t *tally, ordinal uint32, bucket int) (bool, error) {
	if t.current == nil {
		t.current = roaring.New()
	}
	if t.now != bucket {
		d.people.empty(t.current)
		t.now = bucket
	}
	isNew, err := d.people.add(t.current, ordinal)
	return !isNew, err
}
