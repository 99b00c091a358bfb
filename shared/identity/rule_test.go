package identity_test

import (
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// cells are the outcomes of each statement, by token, by token with proof, and by key.
// They stand here once more, so that a line of the rule that changes is seen.
var cells = map[identity.Said][3]identity.Outcome{
	identity.LinkDevice:      {identity.Taken, identity.Taken, identity.Taken},
	identity.LinkEither:      {identity.Provisional, identity.Provisional, identity.Taken},
	identity.LinkJoined:      {identity.NoEffect, identity.NoEffect, identity.Taken},
	identity.LinkUsers:       {identity.NoEffect, identity.NoEffect, identity.Taken},
	identity.LinkPlaceholder: {identity.NoEffect, identity.NoEffect, identity.Refused},
	identity.LinkDecided:     {identity.NoEffect, identity.NoEffect, identity.Taken},
	identity.ConsentWithdraw: {identity.Taken, identity.Taken, identity.Taken},
	identity.ConsentGrant:    {identity.Taken, identity.Taken, identity.Taken},
	identity.ConsentUndo:     {identity.NoEffect, identity.NoEffect, identity.Taken},
	identity.ConsentAskOwn:   {identity.Taken, identity.Taken, identity.Taken},
	identity.ConsentAskUser:  {identity.NoEffect, identity.Taken, identity.Taken},
	identity.DeleteDevice:    {identity.Taken, identity.Taken, identity.Taken},
	identity.DeleteUser:      {identity.Waits, identity.Taken, identity.Taken},
	identity.Attribute:       {identity.NoEffect, identity.NoEffect, identity.Taken},
}

func TestRule(t *testing.T) {
	t.Parallel()
	speakers := []event.Speaker{event.ByToken, event.ByProof, event.ByKey}
	for said, outcomes := range cells {
		for i, by := range speakers {
			t.Run(string(said)+" by "+by.String(), func(t *testing.T) {
				t.Parallel()
				if got := identity.Judge(said, by); got != outcomes[i] {
					t.Errorf("got %s, want %s", got, outcomes[i])
				}
			})
		}
	}
	for _, r := range identity.Rules {
		if _, ok := cells[r.Said]; !ok || r.What == "" || r.Why == "" {
			t.Errorf("got the row %+v, want one that this test has, with its reason", r)
		}
	}
	if len(identity.Rules) != len(cells) {
		t.Errorf("got %d rows, want %d", len(identity.Rules), len(cells))
	}
	for _, by := range speakers {
		if got := identity.Judge("something else", by); got != identity.Refused {
			t.Errorf("what the rule does not know: got %s by %s, want %s", got, by, identity.Refused)
		}
	}
}

func TestFormOf(t *testing.T) {
	t.Parallel()
	const uuid = "0b8a1c1e-6f0e-4d8e-9a63-0b8a1c1e6f0e"
	const groups = "18d4b1c2a3f4e5-0a1b2c3d4e5f60-1f2e3d4c-1fa400-18d4b1c2a3f4e6"
	for id, want := range map[string][3]identity.Form{ // of a project that says nothing, "uuid", "other"
		uuid:                                   {identity.Either, identity.User, identity.Device},
		groups:                                 {identity.Either, identity.Device, identity.Device},
		"$device:" + uuid:                      {identity.Device, identity.Device, identity.Device},
		"$device:1":                            {identity.Device, identity.Device, identity.Device},
		"ann":                                  {identity.User, identity.User, identity.User},
		"42":                                   {identity.User, identity.User, identity.User},
		"ann@example.com":                      {identity.User, identity.User, identity.User},
		" ":                                    {identity.Nobody, identity.Nobody, identity.Nobody},
		"[object Object]":                      {identity.Nobody, identity.Nobody, identity.Nobody},
		"NaN":                                  {identity.Nobody, identity.Nobody, identity.Nobody},
		"(null)":                               {identity.Nobody, identity.Nobody, identity.Nobody},
		"guest":                                {identity.Nobody, identity.Nobody, identity.Nobody},
		"{{user_id}}":                          {identity.Nobody, identity.Nobody, identity.Nobody},
		"$device:":                             {identity.Nobody, identity.Nobody, identity.Nobody},
		"00000000-0000-0000-0000-000000000000": {identity.Nobody, identity.Nobody, identity.Nobody},
	} {
		for i, ids := range []identity.UserIDs{identity.UserIDsUnknown, identity.UserIDsUUID, identity.UserIDsOther} {
			if got := identity.FormOf(id, ids); got != want[i] {
				t.Errorf("%q where user ids are %q: got %d, want %d", id, ids, got, want[i])
			}
		}
	}
}
