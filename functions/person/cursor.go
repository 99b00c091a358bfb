package person

import (
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

// sealer makes cursors out of positions. A cursor is encrypted and bound to the
// person (AES-GCM with a key from the project's secret), so that it tells nothing
// of an event and cannot be made up.
type sealer struct {
	aead   cipher.AEAD
	person []byte
}

func newSealer(secret []byte, key person.Key) *sealer {
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
	return &sealer{aead: aead, person: []byte(key)}
}

func (s *sealer) seal(p position) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(p.time))
	plain = binary.BigEndian.AppendUint64(plain, p.tie)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, s.person))
}

func (s *sealer) open(cursor string) (position, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return position{}, err
	}
	plain, err := s.aead.Open(nil, nil, sealed, s.person)
	if err != nil {
		return position{}, err
	}
	if len(plain) != 16 {
		return position{}, errors.New("a cursor of another length")
	}
	return position{event.Millis(binary.BigEndian.Uint64(plain)), binary.BigEndian.Uint64(plain[8:])}, nil
}
