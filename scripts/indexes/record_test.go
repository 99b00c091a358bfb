package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/emulators/local/localquery"
)

// A test's queries are noted, whatever kind they are, each once and without a value, and
// answered.
func TestRecord(t *testing.T) {
	local.NeedFirestore(t)
	file := filepath.Join(t.TempDir(), "queries")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(localquery.Variable, file)
	open := func() *firestore.Client {
		conn := local.Dial(t, os.Getenv("FIRESTORE_EMULATOR_HOST"), localquery.Record()...)
		db, err := firestore.NewClientWithDatabase(t.Context(), local.Project(t), "edge", option.WithGRPCConn(conn))
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	for range 2 {
		db := open()
		if _, err := db.Doc("a/b").Set(t.Context(), map[string]any{"x": 1}); err != nil {
			t.Fatal(err)
		}
		if docs, err := db.Collection("a").Where("x", ">", 0).Documents(t.Context()).GetAll(); err != nil || len(docs) != 1 {
			t.Error(docs, err)
		}
		counted := db.Collection("a").Where("y", "==", "a value")
		if _, err := counted.NewAggregationQuery().WithCount("n").Get(t.Context()); err != nil {
			t.Error(err)
		}
		err := db.RunTransaction(t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
			_, err := tx.Documents(db.CollectionGroup("c").Where("z", "==", 0)).GetAll()
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if _, err := db.Collection("a").OrderBy("w", firestore.Desc).Snapshots(t.Context()).Next(); err != nil {
			t.Error(err)
		}
		if _, err := db.Doc("a/none").Get(t.Context()); err == nil {
			t.Error("an error is not passed on")
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "a value") || strings.Count(string(text), "\n") != 4 {
		t.Errorf("noted: %s", text)
	}
	queries, err := localquery.Read(strings.NewReader(string(text) + string(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range queries {
		got = append(got, strings.TrimSpace(q.String()))
	}
	if want := []string{
		"edge/a where [] order by [w DESC __name__ DESC]",
		"edge/a where [] order by [x ASC __name__ ASC]",
		"edge/a where [y] order by [__name__ ASC]",
		"edge/c (all) where [z] order by [__name__ ASC]",
	}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if _, err := localquery.Read(strings.NewReader("no query\n")); err == nil {
		t.Error("a line that is none is read")
	}
}

// What cannot be noted is not made: a test would pass whose queries nobody has seen.
func TestRecordFails(t *testing.T) {
	local.NeedFirestore(t)
	t.Setenv(localquery.Variable, filepath.Join(t.TempDir(), "none"))
	conn := local.Dial(t, os.Getenv("FIRESTORE_EMULATOR_HOST"), localquery.Record()...)
	db, err := firestore.NewClientWithDatabase(t.Context(), local.Project(t), "edge", option.WithGRPCConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Collection("a").Where("x", ">", 0).Documents(t.Context()).GetAll(); err == nil || !strings.Contains(err.Error(), "note a query") {
		t.Error(err)
	}
}
