package retention_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/retention"
)

// meanwhile is a body in whose midst something else is done.
type meanwhile struct {
	*strings.Reader
	do func()
}

// Read implements io.Reader.
func (m *meanwhile) Read(b []byte) (int, error) {
	if m.do != nil {
		m.do()
		m.do = nil
	}
	return m.Reader.Read(b)
}

// Rules that somebody has set meanwhile stay where a change does not name any.
func TestRulesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	body := &meanwhile{strings.NewReader(`{"retention_days":null}`), func() {
		w.call("PUT", "/v1/retention", `{"retention_days":null,"rules":[{"event":"Seen","days":30}]}`, http.StatusAccepted, nil)
		w.set(w.now.Load().Add(25 * time.Hour)) // it has taken effect
	}}
	r := httptest.NewRequestWithContext(t.Context(), "PUT", "/v1/retention", body)
	r.Header.Set("Authorization", "Bearer "+w.key)
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK || !bytes.Contains(rec.Body.Bytes(), []byte("Seen")) {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	var a retention.Answer
	w.call("GET", "/v1/retention", "", http.StatusOK, &a)
	if len(a.Rules) != 1 || a.RetentionDays != nil {
		t.Errorf("%+v", a)
	}
}
