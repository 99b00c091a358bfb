package where

import (
	"bytes"
	"cmp"
	"strconv"
)

// decimal is a number as its digits, which begin and end with one that is not 0. The
// first one stands for itself times 10 to the power. 0 has no digits.
type decimal struct {
	negative     bool
	digits, more []byte // one after the other
	power        int64
}

// newDecimal takes a text apart: a number of JSON, or one with a + or without a digit
// beside its point.
func newDecimal(text []byte) decimal {
	var d decimal
	if text[0] == '-' || text[0] == '+' {
		d.negative = text[0] == '-'
		text = text[1:]
	}
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		d.power = exponent(text[i+1:])
		text = text[:i]
	}
	whole, fraction, _ := bytes.Cut(text, []byte{'.'})
	whole, fraction = bytes.TrimLeft(whole, "0"), bytes.TrimRight(fraction, "0")
	switch {
	case len(whole) > 0 && len(fraction) > 0:
		d.digits, d.more = whole, fraction
		d.power += int64(len(whole)) - 1
	case len(whole) > 0:
		d.digits = bytes.TrimRight(whole, "0")
		d.power += int64(len(whole)) - 1
	case len(fraction) > 0:
		d.digits = bytes.TrimLeft(fraction, "0")
		d.power -= int64(len(fraction)-len(d.digits)) + 1
	default:
		return decimal{}
	}
	return d
}

// exponent reads the digits after an e.
func exponent(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	switch {
	case text[0] == '-' && (err != nil || n < -maxExponent):
		return -maxExponent
	case err != nil || n > maxExponent:
		return maxExponent
	}
	return n
}

func (d decimal) isZero() bool { return len(d.digits) == 0 }

// isWhole reports whether the last digit stands before the point.
func (d decimal) isWhole() bool { return d.power >= int64(len(d.digits)+len(d.more))-1 }

func (d decimal) sign() int {
	switch {
	case d.isZero():
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func (d decimal) compare(e decimal) int {
	s := d.sign()
	if c := cmp.Compare(s, e.sign()); c != 0 {
		return c
	}
	if c := cmp.Compare(d.power, e.power); c != 0 {
		return s * c
	}
	return s * compareJoined(d.digits, d.more, e.digits, e.more)
}

// compareJoined orders two texts of two parts each.
func compareJoined(a, more, b, moreOfB []byte) int {
	if len(a) > len(b) {
		return -compareJoined(b, moreOfB, a, more)
	}
	if c := bytes.Compare(a, b[:len(a)]); c != 0 {
		return c
	}
	rest := b[len(a):]
	n := min(len(rest), len(more))
	if c := bytes.Compare(more[:n], rest); c != 0 {
		return c
	}
	return bytes.Compare(more[n:], moreOfB)
}

// append writes the number, with an exponent if it would take more than so many zeros to
// do without.
func (d decimal) append(b []byte, zeros int64) []byte {
	if d.isZero() {
		return append(b, '0')
	}
	if d.negative {
		b = append(b, '-')
	}
	n := int64(len(d.digits) + len(d.more))
	start := len(b)
	switch {
	case d.power >= n-1 && d.power-(n-1) <= zeros:
		b = append(append(b, d.digits...), d.more...)
		return append(b, bytes.Repeat([]byte{'0'}, int(d.power-(n-1)))...)
	case d.power < 0 && -d.power-1 <= zeros:
		b = append(b, "0."...)
		b = append(b, bytes.Repeat([]byte{'0'}, int(-d.power-1))...)
		return append(append(b, d.digits...), d.more...)
	case d.power >= 0 && d.power < n-1:
		b = append(append(b, d.digits...), d.more...)
		return pointAt(b, start+int(d.power)+1)
	}
	b = append(append(b, d.digits...), d.more...)
	if n > 1 {
		b = pointAt(b, start+1)
	}
	return strconv.AppendInt(append(b, 'e'), d.power, 10)
}

// pointAt puts a point into a text.
func pointAt(b []byte, i int) []byte {
	b = append(b, 0)
	copy(b[i+1:], b[i:])
	b[i] = '.'
	return b
}
