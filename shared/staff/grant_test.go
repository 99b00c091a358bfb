package staff_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// untold is where no customer is told.
func untold(*firestore.Transaction, *staff.Grant) error { return nil }

// Of an approval and an end at the same time the end wins: a grant that has ended is
// never live.
func TestGrantApprovedAndEndedAtOnce(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	for range 5 {
		g, err := staff.Ask(t.Context(), n.Default, staff.Grant{Project: "app", Duration: time.Hour}, staff.Member{Email: "a@example.com", Role: staff.Support}, untold)
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			_, err := staff.Approve(t.Context(), n.Default, g.ID, staff.Member{Email: "b@example.com"}, "S-b", untold)
			if err != nil && fault.Of(err) != fault.Conflict {
				t.Error(err)
			}
		})
		both.Go(func() {
			if _, err := staff.End(t.Context(), n.Default, g.ID, "S-a", untold); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
	}
	if live, err := staff.Live(t.Context(), n.Default, "app", "a@example.com"); err != nil || len(live) != 0 {
		t.Error(live, err)
	}
}

func TestGrantLimits(t *testing.T) {
	t.Parallel()
	n := local.NewTenant(t, nil)
	other := staff.Member{Email: "b@example.com", Role: staff.Security}
	ask := func() *staff.Grant {
		t.Helper()
		g, err := staff.Ask(t.Context(), n.Default, staff.Grant{Project: "app", Duration: 100 * time.Hour, Purposes: []string{"export"}}, staff.Member{Email: "a@example.com"}, untold)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	g, err := staff.Approve(t.Context(), n.Default, ask().ID, other, "S-b", untold)
	if err != nil || g.Expires.Sub(g.ApprovedAt) != staff.MaxDuration || !g.Covers("export.create") || g.Covers("exports.create") || g.Covers("") {
		t.Errorf("%+v %v", g, err)
	}
	for _, who := range []string{"a@example.com", "b@example.com"} {
		live, err := staff.Live(t.Context(), n.Default, "app", who)
		if want := who == "a@example.com"; err != nil || (len(live) == 1) != want {
			t.Error(who, live, err)
		}
	}
	// One that nobody has looked at for a day can no more be approved.
	g = ask()
	g.Created = g.Created.Add(-staff.PendingFor)
	if _, err := staff.GrantRef(n.Default, g.ID).Set(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if _, err := staff.Approve(t.Context(), n.Default, g.ID, other, "S-b", untold); fault.Of(err) != fault.Conflict || !strings.Contains(err.Error(), "expired") {
		t.Error(err)
	}
	a, b := staff.Pseudonym([]byte("1"), "a@example.com"), staff.Pseudonym([]byte("2"), "a@example.com")
	if a == b || a != staff.Pseudonym([]byte("1"), "a@example.com") || strings.Contains(a, "@") {
		t.Error(a, b)
	}
}
