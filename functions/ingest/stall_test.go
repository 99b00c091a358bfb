package ingest_test

import (
	"io"
	"strings"
)

// stalling is a body that begins and never goes on until it is released.
func stalling(begin string) (body io.Reader, release func()) {
	r, w := io.Pipe()
	return io.MultiReader(strings.NewReader(begin), r), func() { _ = w.Close() }
}
