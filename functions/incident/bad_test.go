package incident_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// Staff are let in only while all that is demanded holds; what is missing is named.
func TestStaff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	signed := staff.Confidentiality{Version: "1", At: time.Now()}
	ok := staff.Member{Role: staff.Security, TrainingAt: time.Now(), Confidentiality: signed}
	for i, c := range []struct {
		change func(*staff.Member)
		want   string
	}{
		{func(*staff.Member) {}, ""},
		{func(m *staff.Member) { m.Disabled = true }, "disabled"},
		{func(m *staff.Member) { m.Role = staff.Support }, "the role is support"},
		{func(m *staff.Member) { m.Confidentiality = staff.Confidentiality{} }, "confidentiality agreement"},
		{func(m *staff.Member) { m.TrainingAt = time.Time{} }, "training in data protection is missing"},
		{func(m *staff.Member) { m.TrainingAt = time.Now().Add(-staff.TrainedFor - time.Minute) }, "older than 365 days"},
	} {
		email, m := fmt.Sprintf("member%d@example.com", i), ok
		c.change(&m)
		w.member(email, m)
		code := http.StatusForbidden
		if c.want == "" {
			code = http.StatusOK
		}
		if rec := w.do(code, "GET", "/v1/incidents", w.token(email), "", nil); !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %s", c.want, rec.Body)
		}
	}
	w.refused(http.StatusForbidden, "", "GET", "/v1/incidents", w.token("nobody@example.com"), "")
	// Customers and staff do not stand in for each other.
	reader, err := project.NewKey(t.Context(), w.Default, "app", project.Privacy)
	if err != nil {
		t.Fatal(err)
	}
	w.refused(http.StatusUnauthorized, "", "POST", "/v1/incidents", w.Key, opened(nil))
	w.refused(http.StatusForbidden, "", "GET", "/v1/incidents", reader, "")
	for _, path := range []string{"/v1/webhooks", "/v1/project/contacts"} {
		w.refused(http.StatusForbidden, "", "GET", path, w.staff, "")
		w.refused(http.StatusForbidden, "", "GET", path, reader, "")
		w.refused(http.StatusUnauthorized, "", "GET", path, "", "")
	}
}

// What is wrong is named by its field.
func TestBadIncidents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("x", 10_001)
	for field, changes := range map[string][]map[string]any{
		"title":           {{"title": nil}, {"title": " "}, {"title": long}, {"title": "a\r\nBcc: x@example.com"}},
		"description":     {{"description": nil}, {"description": long}, {"description": "a\x00"}},
		"measures":        {{"measures": nil}, {"measures": long}},
		"consequences":    {{"consequences": long}},
		"occurred_at":     {{"occurred_at": nil}, {"occurred_at": "1900-01-01T00:00:00Z"}},
		"noticed_at":      {{"noticed_at": nil}, {"noticed_at": "2026-01-01T00:00:00Z"}, {"noticed_at": "2999-01-01T00:00:00Z"}},
		"categories":      {{"categories": nil}, {"categories": []string{}}, {"categories": slices.Repeat([]string{"x"}, 21)}},
		"categories[1]":   {{"categories": []string{"x", ""}}, {"categories": []string{"x", "a\nb"}}},
		"projects":        {{"projects": nil}, {"projects": []string{}}, {"projects": slices.Repeat([]string{"app"}, 401)}},
		"projects[1]":     {{"projects": []string{"app", "none"}}, {"projects": []string{"app", "a/b"}}, {"projects": []string{"app", ""}}},
		"persons_about":   {{"persons_about": -1}},
		"records_about":   {{"records_about": 2_000_000_000_000}},
		"Idempotency-Key": nil,
		"":                {{"unknown": 1}, {"title": 1}, {"occurred_at": "yesterday"}},
	} {
		for _, change := range changes {
			w.refused(http.StatusBadRequest, field, "POST", "/v1/incidents", w.staff, opened(change))
		}
	}
	if rec := w.keyed(strings.Repeat("x", 1000), opened(nil)); rec.Code != http.StatusBadRequest {
		t.Error(rec.Body)
	}
	w.refused(http.StatusBadRequest, "text", "POST", "/v1/incidents/"+uuid.NewString()+"/updates", w.staff, `{}`)
	w.refused(http.StatusNotFound, "", "POST", "/v1/incidents/"+uuid.NewString()+"/updates", w.staff, `{"text":"x"}`)
	w.refused(http.StatusNotFound, "", "GET", "/v1/incidents/x", w.staff, "")
	for field, body := range map[string]string{"emails": `{"emails":["` + strings.Repeat(`a@example.com","`, 10) + `a@example.com"]}`,
		"emails[0]": `{"emails":["x"]}`, "emails[1]": `{"emails":["a@example.com","A <a@example.com>"]}`} {
		w.refused(http.StatusBadRequest, field, "PUT", "/v1/project/contacts", w.Key, body)
	}
	w.refused(http.StatusBadRequest, "emails", "PUT", "/v1/project/contacts", w.Key, `{}`)
}
