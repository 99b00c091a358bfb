package person_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	many := func(n int) map[string]consent.State {
		m := map[string]consent.State{}
		for i := range n {
			m[fmt.Sprint("p", i)] = consent.Granted
		}
		return m
	}
	long := strings.Repeat("é", 256)
	for _, c := range []struct {
		s     person.Statement
		field string // "": good
	}{
		{person.Statement{State: "granted", Purposes: many(20), Basis: "legitimate_interests", NoticeVersion: long[:510], Source: long[:510]}, ""},
		{person.Statement{State: "denied", Purposes: map[string]consent.State{strings.Repeat("é", 64): "denied"}}, ""},
		{person.Statement{State: "unset"}, ""},
		{person.Statement{}, "state"},
		{person.Statement{State: "Granted"}, "state"},
		{person.Statement{State: "granted", Basis: "because"}, "basis"},
		{person.Statement{State: "granted", Purposes: many(21)}, "purposes"},
		{person.Statement{State: "granted", Purposes: map[string]consent.State{"": "granted"}}, "purposes"},
		{person.Statement{State: "granted", Purposes: map[string]consent.State{strings.Repeat("a", 65): "granted"}}, "purposes"},
		{person.Statement{State: "granted", Purposes: map[string]consent.State{"__a__": "granted"}}, "purposes"},
		{person.Statement{State: "granted", Purposes: map[string]consent.State{"a": "unset"}}, "purposes"},
		{person.Statement{State: "granted", NoticeVersion: long}, "notice_version"},
		{person.Statement{State: "granted", Source: long}, "source"},
	} {
		got, err := c.s.Consent(noon)
		var f *fault.Error
		switch {
		case c.field == "" && (err != nil || got.State != c.s.State || !got.At.Equal(noon)):
			t.Errorf("%+v: %v", c.s, err)
		case c.field != "" && (!errors.As(err, &f) || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != c.field):
			t.Errorf("%+v: %v", c.s, err)
		}
	}
	for state, want := range map[consent.State]string{"granted": "consent", "denied": ""} {
		if c, _ := (person.Statement{State: state}).Consent(noon); c.Basis != want {
			t.Errorf("%+v", c)
		}
	}
}
