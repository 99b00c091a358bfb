package admin_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/project"
)

// A privacy officer publishes a version, which the project is then told of.
func TestPublishDPA(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	body := func(version, text, url, at string) string {
		return fmt.Sprintf(`{"version":%q,"text_sha256":%q,"url":%q,"effective_at":%q}`, version, project.Hash(text), url, at)
	}
	for _, c := range []struct {
		who, body string
		want      int
	}{
		{"sue@example.com", body("2", "two", "https://example.com/dpa/2", later), 403},
		{"pat@example.com", body("2", "two", "https://example.com/dpa/2", later), 201},
		{"pat@example.com", body("2", "two", "https://example.com/dpa/2", later), 201}, // again
		{"pat@example.com", body("2", "another", "https://example.com/dpa/2", later), 409},
		{"pat@example.com", body("2 !", "two", "https://example.com/dpa/2", later), 400},
		{"pat@example.com", body("3", "two", "http://example.com/dpa/2", later), 400},
		{"pat@example.com", body("3", "two", "https://example.com/dpa/2", "0001-01-01T00:00:00Z"), 400},
		{"pat@example.com", `{"version":"3","text":"…"}`, 400},
	} {
		if rec := o.as(c.who, o.api, http.MethodPost, "/v1/dpa", c.body); rec.Code != c.want {
			t.Errorf("%s as %s: %d %s, want %d", c.body, c.who, rec.Code, rec.Body, c.want)
		}
	}
	all, err := project.DPAs(t.Context(), o.Edge) // where ingest reads it
	if err != nil || len(all) != 2 || all[1].Version != "2" || all[1].TextSHA256 != project.Hash("two") {
		t.Errorf("%+v %v", all, err)
	}
}
