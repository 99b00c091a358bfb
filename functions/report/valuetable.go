package report

import (
	"github.com/go-json-experiment/json/jsontext"
)

// Places in a valueTable that are no value's.
const (
	noValue    int32 = 0
	otherValue int32 = 1
)

// valueTable numbers the values of a property.
type valueTable struct {
	keys    groupKeys
	numbers map[string]int32 // by key
	values  []GroupValue     // by number
	size    int              // of all keys
}

func newValueTable() *valueTable {
	return &valueTable{numbers: map[string]int32{}, values: []GroupValue{newGroupValue(""), otherGroup()}}
}

// number is that of a value; what is beyond the limits is Other.
func (t *valueTable) number(raw jsontext.Value) int32 {
	key := t.keys.key(raw)
	if len(key) == 0 {
		return noValue
	}
	if n, ok := t.numbers[string(key)]; ok {
		return n
	}
	if len(t.numbers) >= maxSeries || t.size+len(key) > maxText {
		return otherValue
	}
	n := int32(len(t.values))
	t.values = append(t.values, newGroupValue(string(key)))
	t.numbers[string(key)] = n
	t.size += len(key)
	return n
}
