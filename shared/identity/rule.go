package identity

import "github.com/lethe-analytics/lethe/shared/event"

// Said is what somebody says of a person.
type Said string

// What may be said: the rows of Rules.
const (
	LinkDevice      Said = "link_device"
	LinkEither      Said = "link_either"
	LinkJoined      Said = "link_joined"
	LinkUsers       Said = "link_users"
	LinkPlaceholder Said = "link_placeholder"
	LinkDecided     Said = "link_decided"
	ConsentWithdraw Said = "consent_withdraw"
	ConsentGrant    Said = "consent_grant"
	ConsentUndo     Said = "consent_undo"
	ConsentAskOwn   Said = "consent_ask_device"
	ConsentAskUser  Said = "consent_ask_user"
	DeleteDevice    Said = "delete_device"
	DeleteUser      Said = "delete_user"
	Attribute       Said = "attribute"
)

// Outcome is what becomes of it.
type Outcome string

// The outcomes.
const (
	Taken       Outcome = "taken"
	Provisional Outcome = "provisional" // reports follow it; requests, consent and profile do not
	NoEffect    Outcome = "no effect"   // the event is kept, the statement is counted and shown with the person
	Refused     Outcome = "refused"     // answered with an error
	Waits       Outcome = "waits"       // for a key to confirm it
)

// Rule says what becomes of a statement, by who makes it, and why.
type Rule struct {
	Said              Said
	What              string
	Token, Proof, Key Outcome
	Why               string
}

// Rules is all of the rule. README and the API's description show it.
var Rules = []Rule{
	{LinkDevice, "an anonymous identity that is joined to nobody is a user's", Taken, Taken, Taken,
		"an SDK says so at each login; the id is unguessable"},
	{LinkEither, "the same of an id that may be a user's as well (a UUID, while the project has not said what its user ids look like)",
		Provisional, Provisional, Taken, "if it is another user's, nobody's rights may follow from it"},
	{LinkJoined, "an anonymous identity that is another user's already is a user's", NoEffect, NoEffect, Taken,
		"when a second user logs in on a device, its past stays the first one's"},
	{LinkUsers, "two users are one", NoEffect, NoEffect, Taken,
		"one would get the other's archive, and the other's erasure"},
	{LinkPlaceholder, "a placeholder is a user's", NoEffect, NoEffect, Refused,
		"everybody who ever had it would be one person"},
	{LinkDecided, "an identity of which a key has said whose it is, is a user's", NoEffect, NoEffect, Taken,
		"what a key says stands above all that a token says"},
	{ConsentWithdraw, "the person says no", Taken, Taken, Taken,
		"to withdraw is as easy as to give (GDPR Art. 7(3)); a key can undo it"},
	{ConsentGrant, "the person says yes, or takes back what a token has said", Taken, Taken, Taken,
		"consent is given where it is asked for, in the app"},
	{ConsentUndo, "the person says yes, after a key or an erasure has said no", NoEffect, NoEffect, Taken,
		"the customer has answered for it; the public token is anybody's"},
	{ConsentAskOwn, "what has an anonymous identity said of its consent?", Taken, Taken, Taken,
		"who knows the id is the device"},
	{ConsentAskUser, "what has a user said of the consent?", NoEffect, Taken, Taken,
		"anybody can guess a user id, and whether somebody has said no is personal; a token is told the project's default"},
	{DeleteDevice, "the profile of an anonymous identity is to be deleted", Taken, Taken, Taken,
		"who knows the id is the device"},
	{DeleteUser, "a user's profile is to be deleted", Waits, Taken, Taken,
		"what destroys a user's data needs a secret"},
	{Attribute, "an attribute (an e-mail address, say) is the user's", NoEffect, NoEffect, Taken,
		"it is kept with the profile, but requests are not answered by it unless a key confirms"},
}

var rules = func() map[Said]Rule {
	all := map[Said]Rule{}
	for _, r := range Rules {
		all[r.Said] = r
	}
	return all
}()

// Judge is what becomes of a statement. What the rule does not know is refused.
func Judge(said Said, by event.Speaker) Outcome {
	r, ok := rules[said]
	switch {
	case !ok:
		return Refused
	case by == event.ByKey:
		return r.Key
	case by == event.ByProof:
		return r.Proof
	}
	return r.Token
}
