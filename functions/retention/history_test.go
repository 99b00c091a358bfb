package retention_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/project"
	rules "github.com/lethe-analytics/lethe/shared/retention"
)

// TestHistory: what retention was made stays on record, by whom and when; what changed
// nothing does not.
func TestHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, nil)
	short := []rules.Rule{{Property: "$email", Days: 5}}
	w.call("PUT", "/v1/retention", `{"retention_days":30,"rules":[{"property":"$email","days":5}]}`, 202, nil)
	w.set(start.Add(time.Hour))
	w.call("PUT", "/v1/retention", `{"retention_days":30,"rules":[{"property":"$email","days":5}]}`, 202, nil) // the same
	w.call("PUT", "/v1/retention/hold", `{"reason":"a case"}`, 200, nil)
	w.call("DELETE", "/v1/retention/hold", "", 200, nil)
	w.call("DELETE", "/v1/retention/pending", "", 200, nil)
	w.call("PUT", "/v1/retention", `{"retention_days":30}`, 202, nil)
	effective := start.Add(25 * time.Hour)
	w.set(effective)
	w.call("PUT", "/v1/retention", `{"retention_days":30}`, 200, nil) // what is in effect by now
	w.call("PUT", "/v1/retention", `{"retention_days":null}`, 200, nil)
	by := project.Hash(w.Key)
	const all = project.DefaultRetentionDays
	want := []rules.Change{
		{Days: rules.Unlimited, By: by, At: effective},
		{Days: all, Pending: &rules.Pending{Days: 30, EffectiveAt: effective, By: by}, By: by, At: start.Add(time.Hour)},
		{Days: all, By: by, At: start.Add(time.Hour)},
		{Days: all, Pending: &rules.Pending{Days: 30, Rules: short, EffectiveAt: start.Add(rules.Wait), By: by}, By: by, At: start},
	}
	got, err := rules.History(t.Context(), w.Default, "app", 10)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range got {
		if i > 0 && got[i].Number >= got[i-1].Number {
			t.Errorf("%d after %d", got[i].Number, got[i-1].Number)
		}
		if got, want := told(got[i]), told(want[i]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// told is a change in words, without its number.
func told(c rules.Change) string {
	text := fmt.Sprint(c.Days, c.Rules, c.By, c.At.UTC())
	if p := c.Pending; p != nil {
		text += fmt.Sprint(" then ", p.Days, p.Rules, p.By, p.EffectiveAt.UTC())
	}
	return text
}
