package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// matrix is a live system with every kind of caller.
type matrix struct {
	live    *live
	db      gcp.Databases
	callers []caller
	ids     map[string]string // of the demo project, by the path after /v1/
}

var yearAgo = time.Now().Add(-staff.TrainedFor)

// closed is a project that forbids staff access.
const closed = "closed"

func newMatrix(t *testing.T) *matrix {
	t.Helper()
	m := &matrix{live: startGuest(t), ids: map[string]string{}}
	emulator := &local.Firestore{Host: m.live.env["FIRESTORE_EMULATOR_HOST"]}
	m.db.Default = emulator.Open(t, m.live.env["GOOGLE_CLOUD_PROJECT"], topology.DefaultDatabase)
	m.db.Edge = emulator.Open(t, m.live.env["GOOGLE_CLOUD_PROJECT"], topology.EdgeDatabase)
	for _, p := range []project.Project{{ID: "other"}, {ID: closed, ForbidStaff: true}} {
		if _, err := project.Create(t.Context(), m.db, p); err != nil {
			t.Fatal(err)
		}
	}
	m.addKeys(t)
	m.addStaff(t)
	m.addSessions(t)
	m.create(t, "exports", `{"distinct_ids":["a"]}`)
	m.create(t, "deletions", `{"distinct_ids":["a"]}`)
	m.create(t, "rectifications", `{"distinct_id":"a","profile":{"$set":{"a":1}},"reason":"r"}`)
	return m
}

func (m *matrix) addKeys(t *testing.T) {
	t.Helper()
	key := func(projectID string, role project.Role) string {
		t.Helper()
		k, err := project.NewKey(t.Context(), m.db.Default, projectID, role)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if err := project.AddKey(t.Context(), m.db.Default, "expired", project.Key{Project: demoProject, Role: project.Admin, Expires: time.Now().Add(-time.Second)}); err != nil {
		t.Fatal(err)
	}
	m.callers = append(m.callers, caller{name: "nobody"}, caller{name: "an SDK token", secret: m.live.env["LETHE_TOKEN"], token: true},
		caller{name: "an expired key", secret: "expired"}, caller{name: "another project's admin", secret: key("other", project.Admin), role: project.Admin, theirs: true})
	for _, role := range []project.Role{project.Reader, project.Privacy, project.Admin} {
		m.callers = append(m.callers, caller{name: "key " + string(role), secret: key(demoProject, role), role: role})
	}
}

// addStaff adds each role in each state.
func (m *matrix) addStaff(t *testing.T) {
	t.Helper()
	signed, now := staff.Confidentiality{Version: "1", At: yearAgo}, time.Now()
	for _, role := range staff.Roles {
		whole := staff.Member{Role: role, Confidentiality: signed, TrainingAt: now}
		states := []struct {
			name   string
			change func(*staff.Member)
			about  string
			grant  bool
		}{
			{"no grant", func(*staff.Member) {}, demoProject, false},
			{"grant", func(*staff.Member) {}, demoProject, true},
			{"grant elsewhere", func(*staff.Member) {}, "other", false},
			{"no confidentiality", func(m *staff.Member) { m.Confidentiality = staff.Confidentiality{} }, demoProject, true},
			{"old training", func(m *staff.Member) { m.TrainingAt = yearAgo.Add(-time.Hour) }, demoProject, true},
			{"disabled", func(m *staff.Member) { m.Disabled = true }, demoProject, true},
			{"forbidden", func(*staff.Member) {}, closed, true},
		}
		for _, s := range states {
			member := whole
			s.change(&member)
			member.Email = strings.ReplaceAll(string(role)+"-"+s.name, " ", "-") + "@example.com"
			if _, err := staff.Ref(m.db.Default, member.Email).Set(t.Context(), member); err != nil {
				t.Fatal(err)
			}
			for _, where := range []string{demoProject, closed} {
				if s.name == "no grant" || where == closed && s.about != closed {
					continue
				}
				g := staff.Grant{Project: where, Member: member.Email, Role: role, Purposes: access.Purposes(role), Status: staff.Approved, Created: now, Expires: now.Add(time.Hour)}
				if _, err := m.db.Default.Collection("grants").NewDoc().Create(t.Context(), g); err != nil {
					t.Fatal(err)
				}
			}
			m.callers = append(m.callers, caller{name: string(role) + " (" + s.name + ")", secret: m.idToken(t, member.Email), member: &member,
				about: s.about, grant: s.grant, forbid: s.about == closed})
		}
	}
	m.callers = append(m.callers, caller{name: "the root", secret: m.idToken(t, rootStaff), about: demoProject,
		member: &staff.Member{Role: staff.PrivacyOfficer, Root: true}})
}

// addSessions adds a session of each live key of the demo project, and of each member
// who can make one: what it may is what they may.
func (m *matrix) addSessions(t *testing.T) {
	t.Helper()
	for _, c := range m.callers {
		signsIn := strings.HasPrefix(c.name, "key ")
		for _, state := range []string{"(grant)", "(no grant)", "(forbidden)"} {
			signsIn = signsIn || c.member != nil && strings.HasSuffix(c.name, state)
		}
		if !signsIn {
			continue
		}
		var err error
		c.maker, c.name = c.secret, "session of "+c.name
		if c.secret, err = m.session(t.Context(), c.maker); err != nil {
			t.Fatal(c.name, err)
		}
		m.callers = append(m.callers, c)
	}
	m.callers = append(m.callers, caller{name: "an unknown session", secret: "lethe_session_" + strings.Repeat("0", 64)})
}

// session makes a session of a key or an ID token.
func (m *matrix) session(ctx context.Context, maker string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.live.env["LETHE_URL"]+"/v1/sessions", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+maker)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var made struct{ Session string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("make a session: %s, %w", resp.Status, err)
	}
	return made.Session, nil
}

// idToken gets one from the local issuer.
func (m *matrix) idToken(t *testing.T, email string) string {
	t.Helper()
	resp, err := http.Get(m.live.env["LETHE_STAFF_ISSUER"] + "/token?email=" + url.QueryEscape(email))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	token, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return strings.TrimSpace(string(token))
}
