package report

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Places in a valueTable that are no value's.
const (
	nullValue  int32 = 0
	otherValue int32 = 1
)

// valueTable numbers the values of a property.
type valueTable struct {
	numbers map[string]int32
	texts   []string
	size    int // of all texts
}

func newValueTable() *valueTable {
	return &valueTable{numbers: map[string]int32{}, texts: []string{"", Other}}
}

// number is that of a value; what is beyond the limits is Other.
func (t *valueTable) number(raw jsontext.Value) int32 {
	text, null := valueText(raw)
	if null {
		return nullValue
	}
	if n, ok := t.numbers[string(text)]; ok {
		return n
	}
	if len(t.numbers) >= maxSeries || t.size+len(text) > maxText {
		return otherValue
	}
	n := int32(len(t.texts))
	t.texts = append(t.texts, string(text))
	t.numbers[t.texts[n]] = n
	t.size += len(text)
	return n
}

// text is the value of a number.
func (t *valueTable) text(n int32) string { return t.texts[n] }

// pointer is a value as an answer shows it.
func (t *valueTable) pointer(n int32) *string {
	if n == nullValue {
		return nil
	}
	return &t.texts[n]
}
