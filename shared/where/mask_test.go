package where_test

import (
	"testing"

	"github.com/lethe-analytics/lethe/shared/where"
)

// No literal is left, and the form of the question is.
func TestMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`properties["mail"] == "ann@x.io"`:                          `properties["mail"] == ?`,
		`"ann" in properties["name"] and not properties["n"] > -5`:  `? in properties["name"] and not properties["n"] > -?`,
		`properties["a"] in ["ann", 1, null]`:                       `properties["a"] in ?`,
		`properties["a"] in [1, 2, 3, 4, 5, 6, 7, 8, 9]`:            `properties["a"] in ?`,
		`(properties["a"] + 1) * 2 == number("3") or defined(true)`: `(properties["a"] + ?) * ? == number(?) or defined(?)`,
	} {
		e, err := where.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		before := e.String()
		if got := e.Masked(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if e.String() != before {
			t.Error("masking changed the expression")
		}
	}
}
