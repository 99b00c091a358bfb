package gcp_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for project, want := range map[string]string{"lethe-local": "", "": "GOOGLE_CLOUD_PROJECT", "UPPER": "GOOGLE_CLOUD_PROJECT", "a/b/c/d/e": "GOOGLE_CLOUD_PROJECT"} {
		env := map[string]string{}
		if project != "" {
			env["GOOGLE_CLOUD_PROJECT"] = project
		}
		var c gcp.Config
		err := gcp.LoadFrom(t.Context(), &c, envconfig.MapLookuper(env))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", project, err)
		}
	}
}

// A failure to open is not kept.
func TestLazy(t *testing.T) {
	t.Parallel()
	n := 0
	l := gcp.Lazy[int]{Open: func(context.Context) (int, error) {
		if n++; n < 3 {
			return 0, errors.New("down")
		}
		return n, nil
	}}
	for i, want := range []int{0, 0, 3, 3} {
		if got, err := l.Get(); got != want || (err == nil) != (want > 0) {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
}
