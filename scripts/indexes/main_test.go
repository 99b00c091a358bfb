package main

import (
	"os/exec"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/proto"

	"github.com/lethe-analytics/lethe/emulators/local/localquery"
)

const indexes = `
resource "google_firestore_index" "two" {
  for_each   = toset(["kind", "kind,status"])
  database   = google_firestore_database.databases["(default)"].name
  collection = "requests"
  dynamic "fields" {
    for_each = split(",", each.key)
    content {
      field_path = fields.value
      order      = "ASCENDING"
    }
  }
  fields {
    field_path = "created"
    order      = "DESCENDING"
  }
}
resource "google_firestore_index" "merged" {
  for_each   = toset(["actor", "persons"])
  database   = google_firestore_database.databases["(default)"].name
  collection = "access"
  fields {
    field_path   = each.key
    order        = each.key == "persons" ? null : "ASCENDING"
    array_config = each.key == "persons" ? "CONTAINS" : null
  }
  fields {
    field_path = "id"
    order      = "DESCENDING"
  }
}
resource "google_firestore_field" "due" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "notices"
  field      = "due"
  index_config {
    indexes {
      order       = "ASCENDING"
      query_scope = "COLLECTION_GROUP"
    }
  }
}
resource "google_firestore_field" "exempt" {
  database   = google_firestore_database.databases["(default)"].name
  collection = "people"
  field      = "profile"
  index_config {}
}
`

// Queries that have their indexes, and such as do not, as the client sends them.
func TestRules(t *testing.T) {
	t.Parallel()
	config, err := parseConfig([]byte(indexes), "test.tf")
	if err != nil {
		t.Fatal(err)
	}
	client, err := firestore.NewClient(t.Context(), "t-rules", option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	col, group, name := client.Collection, client.CollectionGroup, firestore.DocumentID
	for about, c := range map[string]struct {
		q  firestore.Query
		ok bool
	}{
		"all":                        {col("requests").Query, true},
		"by name":                    {col("requests").OrderBy(name, firestore.Asc), true},
		"by name, downwards":         {col("requests").OrderBy(name, firestore.Desc), false},
		"one field":                  {col("requests").Where("kind", "==", "x"), true},
		"one field, ordered by it":   {col("requests").OrderBy("created", firestore.Desc), true},
		"range":                      {col("requests").Where("created", ">", 1), true},
		"range and name":             {col("requests").Where("created", ">", 1).OrderBy("created", firestore.Asc).OrderBy(name, firestore.Asc), true},
		"name in the other order":    {col("requests").OrderBy("created", firestore.Asc).OrderBy(name, firestore.Desc), false},
		"two fields held equal":      {col("requests").Where("kind", "==", 1).Where("other", "==", 1), true},
		"composite":                  {col("requests").Where("kind", "==", 1).OrderBy("created", firestore.Desc), true},
		"composite of three":         {col("requests").Where("status", "==", 1).Where("kind", "==", 1).OrderBy("created", firestore.Desc), true},
		"other direction":            {col("requests").Where("kind", "==", 1).OrderBy("created", firestore.Asc), false},
		"composite and range":        {col("requests").Where("kind", "==", 1).Where("created", ">", 1).OrderBy("created", firestore.Desc), true},
		"range, by default upwards":  {col("requests").Where("kind", "==", 1).Where("created", ">", 1), false},
		"one more field":             {col("requests").Where("kind", "==", 1).Where("other", "==", 1).OrderBy("created", firestore.Desc), false},
		"other collection":           {col("others").Where("kind", "==", 1).OrderBy("created", firestore.Desc), false},
		"two orders":                 {col("requests").OrderBy("kind", firestore.Asc).OrderBy("created", firestore.Desc), true},
		"two orders, other":          {col("requests").OrderBy("status", firestore.Asc).OrderBy("created", firestore.Desc), false},
		"merged":                     {col("access").Where("actor", "==", 1).Where("persons", "array-contains", 1).OrderBy("id", firestore.Desc), true},
		"array":                      {col("access").Where("persons", "array-contains", 1), true},
		"group":                      {group("notices").Where("due", "<=", 1).OrderBy("due", firestore.Asc), true},
		"group, other direction":     {group("notices").OrderBy("due", firestore.Desc), false},
		"of the group alone":         {col("notices").OrderBy("due", firestore.Asc), false},
		"group without its own":      {group("requests").Where("kind", "==", 1), false},
		"group of a composite":       {group("requests").Where("kind", "==", 1).OrderBy("created", firestore.Desc), false},
		"exempt":                     {col("people").Where("profile", "==", 1), false},
		"in an exempt map":           {col("people").Where("profile.age", ">", 1), false},
		"in a map that is not":       {col("people").Where("hold.since", ">", 1), true},
		"range of two fields":        {col("people").Where("a", ">", 1).Where("b", ">", 1), false},
		"is null":                    {col("people").Where("a", "==", nil), true},
		"a query not taken for less": {col("people").WhereEntity(firestore.OrFilter{Filters: []firestore.EntityFilter{firestore.PropertyFilter{Path: "a", Operator: "==", Value: 1}, firestore.PropertyFilter{Path: "b", Operator: "==", Value: 1}}}), false},
	} {
		q := structured(t, c.q)
		if why := config.check(q); (why == "") != c.ok {
			t.Errorf("%s: %s: %q", about, q, why)
		}
	}
	for _, x := range config.unused() {
		t.Errorf("nothing uses %s", x)
	}
}

// structured is a query as it is sent.
func structured(t *testing.T, q firestore.Query) query {
	t.Helper()
	b, err := q.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	var r firestorepb.RunQueryRequest
	if err := proto.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return localquery.New(r.Parent, r.GetStructuredQuery())
}

// What the command makes of its own command line and of the other's end.
func TestRun(t *testing.T) {
	for about, c := range map[string]struct {
		args []string
		want string
	}{
		"nothing":       {nil, "name a command"},
		"no file":       {[]string{"-config", "none.tf", "true"}, "none.tf"},
		"command fails": {[]string{"-config", "../../terraform/firestore.tf", "false"}, "exit status 1"},
		"unused":        {[]string{"-config", "../../terraform/firestore.tf", "-all", "true"}, "does not have"},
		"all well":      {[]string{"-config", "../../terraform/firestore.tf", "true"}, ""},
		"no index":      {[]string{"-config", "../../terraform/firestore.tf", "sh", "-c", `echo '{"Database":"edge","Collection":"c","Group":true,"Equal":["z"],"Order":["__name__ ASC"]}' >> $LETHE_QUERIES`}, "does not have"},
	} {
		if _, err := exec.LookPath("true"); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err := run(t.Context(), c.args, &out)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", about, err)
		}
		if about == "no index" && out.String() != "indexes: edge/c (all) where [z] order by [__name__ ASC] : no index has z with that order\nindexes: 1 queries, 1 wrong\n" {
			t.Error(out.String())
		}
	}
}
