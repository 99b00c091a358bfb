package where

import (
	"bytes"
	"math"
	"strconv"
)

// A number is a 64-bit float. Where the float cannot tell it from its neighbours, the
// text as which it was written stands beside it. Rounding keeps the order of numbers, so
// that texts need to be compared only where the floats are equal: digit by digit,
// without writing an exponent out.

const (
	floatDigits = 15      // of so many significant digits each number has a float of its own
	leastFloat  = 1e-290  // smaller floats have fewer digits
	wholeFloats = 1 << 53 // up to here each integer is a float
	maxExponent = 1e18    // an exponent beyond it is taken for it
)

// The most zeros with which a text fills up places that no digit stands at.
const (
	shownZeros  = 20
	stringZeros = 400 // of string(): enough for every float
)

// ofText makes a number of a text that must not change. What is no number, or beyond
// float64, is undefined.
func ofText(text []byte) value {
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return value{}
	}
	v := ofNumber(f)
	if v.kind == number && needsText(text, f) && !bytes.ContainsAny(text, "xX") { // strconv reads hexadecimal too
		v.bytes = text
	}
	return v
}

// needsText reports whether a float may not tell the number of a text from others.
func needsText(text []byte, f float64) bool {
	return len(text) > floatDigits || -leastFloat < f && f < leastFloat && len(text) > 1
}

// ofInt makes a number of an integer.
func ofInt(n int64) value {
	v := ofNumber(float64(n))
	if math.Abs(v.num) >= wholeFloats {
		v.bytes = strconv.AppendInt(nil, n, 10)
	}
	return v
}

// integer is a number as an integer of 64 bits, if it is one.
func (v value) integer() (n int64, ok bool) {
	n, err := strconv.ParseInt(string(v.appendNumber(nil, shownZeros)), 10, 64)
	return n, err == nil
}

// isZero reports whether a number is 0.
func (v value) isZero() bool {
	return v.num == 0 && (v.bytes == nil || newDecimal(v.bytes).isZero())
}

// isWhole reports whether a number is known to have no fraction.
func (v value) isWhole() bool { return v.bytes != nil && newDecimal(v.bytes).isWhole() }

// negated is a number with the other sign.
func (v value) negated() value {
	w := ofNumber(-v.num)
	switch {
	case v.bytes == nil:
	case v.bytes[0] == '-':
		w.bytes = v.bytes[1:]
	default:
		w.bytes = append([]byte{'-'}, bytes.TrimPrefix(v.bytes, []byte{'+'})...)
	}
	return w
}

// compareDecimal orders two numbers that are one float.
func (v value) compareDecimal(w value) int {
	var a, b [32]byte
	return v.decimal(a[:0]).compare(w.decimal(b[:0]))
}

// decimal takes a number apart. The text of a float is the shortest that reads as it;
// it is written into the buffer.
func (v value) decimal(buf []byte) decimal {
	if v.bytes != nil {
		return newDecimal(v.bytes)
	}
	return newDecimal(strconv.AppendFloat(buf, v.num, 'e', -1, 64))
}

// appendNumber writes a number, equal ones alike: with an exponent if it would take more
// than so many zeros to do without.
func (v value) appendNumber(b []byte, zeros int64) []byte {
	var buf [32]byte
	return v.decimal(buf[:0]).append(b, zeros)
}

// calculate is the result of a calculation, if both operands are numbers: where a float
// may be none of the integers in question, by another function if they have 64 bits.
func calculate(x, y value, result float64, byIntegers func(a, b int64) (n int64, ok bool)) value {
	if x.kind != number || y.kind != number {
		return value{}
	}
	if byIntegers != nil && (math.Abs(x.num) >= wholeFloats || math.Abs(y.num) >= wholeFloats || math.Abs(result) >= wholeFloats) {
		a, isA := x.integer()
		b, isB := y.integer()
		if isA && isB {
			if n, ok := byIntegers(a, b); ok {
				return ofInt(n)
			}
		}
	}
	return ofNumber(result)
}

func addIntegers(a, b int64) (n int64, ok bool) {
	n = a + b
	return n, (n > a) == (b > 0)
}

func subtractIntegers(a, b int64) (n int64, ok bool) {
	n = a - b
	return n, (n < a) == (b > 0)
}

func multiplyIntegers(a, b int64) (n int64, ok bool) {
	n = a * b
	return n, a == 0 || n/a == b && (a != -1 || b != math.MinInt64)
}

func integerRemainder(a, b int64) (n int64, ok bool) {
	if b == 0 {
		return 0, false
	}
	return a % b, true
}
