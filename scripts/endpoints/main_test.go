package main

import (
	"os"
	"testing"
)

// README.md has the table as it is.
func TestReadmeIsCurrent(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := update(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want {
		t.Error("the table in README.md is not current: run go run ./scripts/endpoints -w README.md")
	}
	if _, err := update("no markers"); err == nil {
		t.Error("updated a text without markers")
	}
}
