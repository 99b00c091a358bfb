package access

import (
	"net/url"
	"slices"

	"github.com/lethe-analytics/lethe/shared/where"
)

// Limits of what an entry keeps of a query.
const (
	maxParameters = 20
	maxValues     = 10
	maxValue      = 1024
)

// plain are the parameters that say nothing of a person: schema, time, form.
var plain = []string{"from", "to", "unit", "event", "by", "measure", "limit", "format", "status", "kind", "type", "actor", "action",
	"on", "property", "tz", "from_date", "to_date", "born_event", "retention_type", "interval_count"}

// maskQuery is what an entry keeps of a query's parameters: the plain ones as they
// are, of a where its form, of all else that it was there.
func maskQuery(q url.Values) map[string][]string {
	if len(q) == 0 {
		return nil
	}
	kept := map[string][]string{}
	for name, values := range q {
		known := slices.Contains(plain, name)
		switch {
		case len(kept) == maxParameters:
			return kept
		case name == "where" || name == "born_where":
			for _, v := range values[:min(len(values), maxValues)] {
				kept[name] = append(kept[name], maskWhere(v))
			}
		case known:
			for _, v := range values[:min(len(values), maxValues)] {
				kept[name] = append(kept[name], v[:min(len(v), maxValue)])
			}
		case slices.Contains([]string{"cursor", "distinct_id", "distinct_ids", "entry"}, name):
			kept[name] = []string{"?"}
		} // a name that nobody knows may hold anything itself
	}
	return kept
}

func maskWhere(text string) string {
	e, err := where.Parse(text)
	if err != nil {
		return "not valid"
	}
	return e.Masked()
}
