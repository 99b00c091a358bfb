package main

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

// TestBuilt compares what is served with a fresh build of the source.
func TestBuilt(t *testing.T) {
	t.Parallel()
	for name, format := range formats {
		want, err := build(".", format)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s is built to; run go generate ./functions/ingest", name, source)
		}
		if regexp.MustCompile(`\beval\(|new Function|\.innerHTML`).Match(got) {
			t.Errorf("%s runs text as code", name)
		}
	}
}

// TestTypes compares the functions that the types name with those of the source.
func TestTypes(t *testing.T) {
	t.Parallel()
	names := func(file, pattern string) map[string]bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		return found
	}
	typed, made := names("sdk.d.ts", `(?m)^export function (\w+)`), names(source, `(?m)^export (?:async )?(?:function|const) (\w+)`)
	if len(made) == 0 {
		t.Fatal("no exports found")
	}
	for name := range made {
		if !typed[name] {
			t.Errorf("%s has no type", name)
		}
	}
	for name := range typed {
		if !made[name] {
			t.Errorf("%s is not there", name)
		}
	}
}
