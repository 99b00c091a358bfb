package event

// Speaker is by what right something was sent. It decides what a statement about a
// person may change (package identity).
type Speaker uint8

// The speakers, by rising right.
const (
	ByToken Speaker = iota // the public SDK token: anybody
	ByProof                // the token, and the app's server vouches for the distinct_id
	ByKey                  // a secret: an API key, or a service account
)

// String is the name that is stored and shown.
func (s Speaker) String() string {
	switch s {
	case ByProof:
		return "proof"
	case ByKey:
		return "key"
	}
	return "token"
}

// ParseSpeaker reads what String wrote; what it does not know is a token's.
func ParseSpeaker(name string) Speaker {
	switch name {
	case "proof":
		return ByProof
	case "key":
		return ByKey
	}
	return ByToken
}
