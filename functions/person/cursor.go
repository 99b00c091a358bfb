package person

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
)

// sealer makes cursors out of positions. A cursor is encrypted (AES-GCM with a key from
// the project's secret), so that it tells nothing of an event and cannot be made up, and
// names the person whose timeline it is of.
type sealer struct{ aead cipher.AEAD }

func newSealer(secret []byte) *sealer {
	derived, err := hkdf.Key(sha256.New, secret, nil, "lethe/person/cursor", 16)
	if err != nil {
		panic(err) // only for a length that is too long
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		panic(err) // only for a key of a wrong length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a cipher of another block size
	}
	return &sealer{aead}
}

func (s *sealer) seal(of person.Key, p position) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(p.time))
	plain = binary.BigEndian.AppendUint64(plain, p.tie)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, append(plain, of...), nil))
}

func (s *sealer) open(cursor string) (of person.Key, p position, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", p, err
	}
	plain, err := s.aead.Open(nil, nil, sealed, nil)
	if err != nil {
		return "", p, err
	}
	if len(plain) < 16 {
		return "", p, errors.New("a cursor of another length")
	}
	return person.Key(plain[16:]), position{event.Millis(binary.BigEndian.Uint64(plain)), binary.BigEndian.Uint64(plain[8:])}, nil
}

// openCursor gives the position of a cursor. It is valid if the timeline of the person has
// given it out, or that of an identity which has become the person's since.
func (s *server) openCursor(ctx context.Context, p subject, cursor string) (pos position, valid bool, err error) {
	of, pos, err := newSealer(p.secret).open(cursor)
	if err != nil {
		return pos, false, nil // made up
	}
	if p.Within(of) {
		return pos, true, nil
	}
	found, err := s.standing(ctx, p.project, of)
	if err != nil {
		return pos, false, err
	}
	return pos, found.Person.Key == p.Person.Key, nil
}
