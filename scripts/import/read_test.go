package main

import (
	"bufio"
	"fmt"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/identity"
)

// A request has no more of what says who is who than the server takes of one.
func TestBatchesOfClaims(t *testing.T) {
	t.Parallel()
	var export strings.Builder
	for i := range 250 {
		fmt.Fprintf(&export, `{"event":"$identify","properties":{"time":1709596800,"distinct_id":"p%d"}}`+"\n", i)
		fmt.Fprintf(&export, `{"event":"Old","properties":{"time":1709596800,"distinct_id":"p%d"}}`+"\n", i)
	}
	j := &job{options: options{batch: 2000}, lines: &lines{in: bufio.NewReader(strings.NewReader(export.String()))}}
	records, claims := 0, 0
	for range 3 {
		b, err := j.next()
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(string(b.body), "$identify")
		if n > identity.MaxClaims {
			t.Errorf("got %d claims in one request, want at most %d", n, identity.MaxClaims)
		}
		records, claims = records+len(b.records), claims+n
	}
	if records != 500 || claims != 250 {
		t.Errorf("got %d records and %d claims in 3 requests, want 500 and 250", records, claims)
	}
}
