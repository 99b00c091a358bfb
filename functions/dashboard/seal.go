package dashboard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// A distinct_id stands in no URL of the dashboard, and so in no log and no history of a
// browser. What stands there (p=…) is the distinct_id encrypted with a key that is
// derived from the session's secret: the link is good for who has made it, until the
// session ends, and for one project.

// seal is a distinct_id as it may stand in a URL.
func (v *visit) seal(distinctID string) (string, error) {
	box, err := v.box()
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(box.Seal(nil, nil, []byte(distinctID), []byte(v.projectID()))), nil
}

// unseal reads what seal wrote, in the same session and of the same project.
func (v *visit) unseal(text string) (string, error) {
	box, err := v.box()
	if err != nil {
		return "", err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		sealed, err = box.Open(nil, nil, sealed, []byte(v.projectID()))
	}
	if err != nil {
		return "", fault.New(fault.NotFound, "The link to this person was made in another session, or for another project. Look the person up again.")
	}
	return string(sealed), nil
}

func (v *visit) box() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(v.api.secret), nil, "lethe dashboard: a person in a URL", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// projectID is the project that the visitor looks at.
func (v *visit) projectID() string {
	if v.session.Project != nil {
		return *v.session.Project
	}
	return v.api.project
}
