// Package consent decides whether a person's events may be taken.
//
//	person: granted | denied ───────────────────────────▶ the person's word is law
//	person: unset ──▶ project's default (by region, GPC, DNT) ──▶ granted | denied
//
// Ingest knows the request (region, headers) and therefore decides what unset
// means for it; store knows the person and therefore has the last word.
package consent

import (
	"net/http"
	"strings"
)

// State is what a person has said, or a project's default for who has said nothing.
type State string

// The states (GDPR Art. 4(11) and 7: consent is given by a statement; it can be
// withdrawn at any time).
const (
	Unset   State = "unset"
	Granted State = "granted"
	Denied  State = "denied"
)

// Bases are the lawful bases of GDPR Art. 6(1), a to f.
var Bases = []string{"consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"}

// RegionHeader carries the client's country (ISO 3166-1 alpha-2, upper case). The
// load balancer sets it, and overwrites what a client sends; where there is none, ingest
// drops it.
const RegionHeader = "X-Client-Region"

// Defaults are a project's rules for persons whose consent is unset.
type Defaults struct {
	Default State            `firestore:"default" json:"default"` // Granted (opt-out) or Denied (opt-in)
	Regions map[string]State `firestore:"regions" json:"regions"` // by country, before Default
	GPC     bool             `firestore:"gpc" json:"gpc"`         // Sec-GPC: 1 counts as denied
	DNT     bool             `firestore:"dnt" json:"dnt"`         // DNT: 1 counts as denied
}

// ForRequest is the state that unset stands for in this request. Global Privacy
// Control: https://www.w3.org/TR/gpc/.
func (d Defaults) ForRequest(h http.Header) State {
	if d.GPC && h.Get("Sec-GPC") == "1" || d.DNT && h.Get("DNT") == "1" {
		return Denied
	}
	if s, ok := d.Regions[strings.ToUpper(h.Get(RegionHeader))]; ok {
		return s
	}
	if d.Default == Denied {
		return Denied
	}
	return Granted
}

// Allows reports whether an event may be kept: the person's own word if there
// is one, else what unset stood for when the event came in.
func Allows(person State, unsetMeans State) bool {
	switch person {
	case Granted:
		return true
	case Denied:
		return false
	}
	return unsetMeans != Denied
}
