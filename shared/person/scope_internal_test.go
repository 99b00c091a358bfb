package person

import "testing"

// A request that names a user covers the person; one that names a device that is joined
// to a user covers the device, unless the person was asked for.
func TestCoversPerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		own, person Key
		identified  string
		plain       bool
	}{
		{"alone", "a", "a", "", true},
		{"a user alone", "a", "a", "$identify", true},
		{"a device of a user", "a", "b", "", false},
		{"a user merged into another", "a", "b", "$merge", true},
	} {
		s := &Standing{Own: Member{Key: c.own, Doc: Doc{Identified: c.identified}}, Person: Member{Key: c.person}}
		if got, asked := s.CoversPerson(false), s.CoversPerson(true); got != c.plain || !asked {
			t.Errorf("%s: covers the person: got %v and, asked for, %v; want %v and true", c.name, got, asked, c.plain)
		}
	}
}
