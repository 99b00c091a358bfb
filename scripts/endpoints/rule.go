package main

import (
	"fmt"
	"strings"

	"github.com/lethe-analytics/lethe/shared/identity"
)

// ruleTable is the rule in Markdown.
func ruleTable() string {
	var b strings.Builder
	b.WriteString("| what is said | by SDK token | by token, with proof of the identity | by key or service account | why |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range identity.Rules {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.What, r.Token, r.Proof, r.Key, r.Why)
	}
	return b.String()
}

// ruleTag is the tag of the API's description that tells the rule.
func ruleTag() string {
	var b strings.Builder
	b.WriteString("- name: Identity\n  description: |\n    Who may say what of a person. *provisional*: reports follow it, and no right does. " +
		"*no effect*: the event is kept, the\n    statement is counted and shown with the person. *waits*: for a key to confirm it.\n\n")
	for _, r := range identity.Rules {
		by := fmt.Sprintf("by token *%s*, with proof of the identity *%s*, by key *%s*", r.Token, r.Proof, r.Key)
		if r.Token == r.Proof && r.Proof == r.Key {
			by = fmt.Sprintf("*%s*, by whomever", r.Key)
		}
		fmt.Fprintf(&b, "    - **%s**: %s; %s.\n", r.What, by, r.Why)
	}
	return b.String()
}
