package local

// This file is for tests, of any package.

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// sharedLogging is the fake Cloud Logging of all tests of this process.
var sharedLogging = sync.OnceValues(func() (*Logging, error) {
	l, err := StartLogging()
	if err != nil {
		return nil, err
	}
	return l, os.Setenv("LOGGING_EMULATOR_HOST", l.Host)
})

// NeedLogging makes sure that there is a Cloud Logging, which all tests of this
// process share. They keep apart by Project.
func NeedLogging(t testing.TB) *Logging {
	t.Helper()
	l, err := sharedLogging()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Guard opens the access log of the tenant's Google project, and its guard.
func (n *Tenant) Guard(t testing.TB) *access.Guard {
	t.Helper()
	return access.NewGuard(n.Default, n.OpenLog(t))
}

// OpenLog opens the access log of the tenant's Google project.
func (n *Tenant) OpenLog(t testing.TB) *access.Log {
	t.Helper()
	n.Config.LoggingHost = NeedLogging(t).Host
	l, err := access.OpenLog(context.Background(), n.Config, n.Default)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Access lists what is in the tenant's access log: the newest first.
func (n *Tenant) Access(t testing.TB) (entries []access.Entry) {
	t.Helper()
	for rec, err := range access.List(t.Context(), n.Default, n.Project.ID, access.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, rec.Entry())
	}
	return entries
}

// LogKey makes a key for the checkpoints of an access log.
func LogKey(t testing.TB) *merkle.Key {
	t.Helper()
	text, err := merkle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := merkle.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
