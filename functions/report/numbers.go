package report

import (
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Measures of a numeric property, as the parameter names them.
const (
	sumOf     = "sum"
	averageOf = "average"
	leastOf   = "min"
	mostOf    = "max"
	medianOf  = "median"
	p90Of     = "p90"
)

var numeric = []string{sumOf, averageOf, leastOf, mostOf, medianOf, p90Of}

// numbers is what is kept of the numbers of one series: one by bucket, and of a
// quantile, which is exact, all of them.
type numbers struct {
	folded []float64 // by bucket: the sum, the least or the most so far
	lists  [][]float64
}

func newNumbers(measure string, n int) *numbers {
	if measure == medianOf || measure == p90Of {
		return &numbers{lists: make([][]float64, n)}
	}
	return &numbers{folded: make([]float64, n)}
}

// numberOf is a property's value if it is a number.
func numberOf(raw jsontext.Value) (x float64, ok bool) {
	if raw.Kind() != '0' {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	return x, err == nil
}

// number counts a number in a bucket.
func (c *counter) number(t *tally, i int, x float64) error {
	if t.numbers.lists != nil {
		if c.kept++; c.kept > maxNumbers {
			return tooMany("%d numbers for a %s", maxNumbers, c.measure)
		}
		t.numbers.lists[i] = append(t.numbers.lists[i], x)
	} else {
		at := &t.numbers.folded[i]
		*at = fold(c.measure, *at, x, t.counts[i] == 0)
	}
	t.counts[i]++
	t.total++
	return nil
}

// fold joins two numbers; the first has none before it.
func fold(measure string, a, b float64, first bool) float64 {
	switch {
	case first:
		return b
	case measure == leastOf:
		return min(a, b)
	case measure == mostOf:
		return max(a, b)
	}
	return a + b
}

// result is the measure of one bucket, nil if it has no number.
func (t *tally) result(measure string, i int) *float64 {
	if t.numbers.lists != nil {
		return quantile(measure, slices.Clone(t.numbers.lists[i]))
	}
	return mean(measure, t.numbers.folded[i], t.counts[i])
}

// overall is the measure of all buckets.
func (t *tally) overall(measure string) *float64 {
	if t.numbers.lists != nil {
		return quantile(measure, slices.Concat(t.numbers.lists...))
	}
	x, first := 0.0, true
	for i, n := range t.counts {
		if n > 0 {
			x, first = fold(measure, x, t.numbers.folded[i], first), false
		}
	}
	return mean(measure, x, t.total)
}

func mean(measure string, x float64, n int64) *float64 {
	if measure == averageOf {
		x /= float64(n)
	}
	if n == 0 || math.IsInf(x, 0) || math.IsNaN(x) { // JSON has no infinity
		return nil
	}
	return &x
}

// quantile is the median or the 90th percentile, between two numbers in proportion
// (type 7 of Hyndman and Fan, as spreadsheets have it). It sorts the list.
func quantile(measure string, list []float64) *float64 {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	at := 0.5 * float64(len(list)-1)
	if measure == p90Of {
		at = 0.9 * float64(len(list)-1)
	}
	below := int(at)
	x := list[below]
	if part := at - float64(below); part > 0 {
		x = x*(1-part) + list[below+1]*part
	}
	return &x
}
