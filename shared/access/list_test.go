package access_test

import (
	"fmt"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
)

// A list comes to its end whatever has been put in the place of an id.
func TestListEnds(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]any{"number": 7, "null": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := local.NewTenant(t, nil)
			const count = 500 // as are read at a time
			bulk := n.Default.BulkWriter(t.Context())
			for i := range count {
				entry := fmt.Sprintf("20260101T000000.%06dZ-0123456789abcdef", i)
				doc := map[string]any{"id": entry}
				if i == 0 { // the last
					doc["id"] = id
				}
				if _, err := bulk.Create(access.Ref(n.Default, n.Project.ID, entry), doc); err != nil {
					t.Fatal(err)
				}
			}
			bulk.End()
			got := 0
			for rec, err := range access.List(t.Context(), n.Default, n.Project.ID, access.Filter{}) {
				if got++; err != nil || !rec.Altered || got > count {
					t.Fatal(got, err)
				}
			}
			if got != count {
				t.Error(got)
			}
		})
	}
}
