package main

import (
	"os"
	"strings"
	"testing"
)

// README.md and the API's description have the lists as they are.
func TestFilesAreCurrent(t *testing.T) {
	t.Parallel()
	for file, has := range map[string]int{"README.md": 2, "shared/openapi/openapi.yaml": 1} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../../" + file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := update(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != want {
				t.Errorf("%s is not current: run go run ./scripts/endpoints -w %s", file, file)
			}
			if got := strings.Count(want, "written by go run ./scripts/endpoints -w "+file); got != has {
				t.Errorf("got %d lists, want %d", got, has)
			}
		})
	}
	for _, text := range []string{"no markers", parts[0].begin + "no end"} {
		if _, err := update(text); err == nil {
			t.Errorf("got no error for %q, want one", text)
		}
	}
}
