// Package merkle signs and verifies checkpoints of a project's transparency log, a
// Merkle tree (RFC 6962), in the form of https://c2sp.org/tlog-checkpoint: origin, size
// and root. Package seal makes the tree.
package merkle

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Height of the tiles: 256 hashes, 8 KB.
const Height = 8

// KeyName is the name of the key in a checkpoint's signature.
const KeyName = "lethe-access-log"

// Key signs checkpoints.
type Key struct {
	signer   note.Signer
	Verifier note.Verifier
	Public   string // the verifier key, in the text form of package note
	earlier  []*Key // that signed before it; they only verify
}

// After says which keys signed before this one, in the text form of verifier keys: what
// they signed last is what this one goes on from.
func (k *Key) After(publics []string) error {
	for _, public := range publics {
		v, err := note.NewVerifier(public)
		if err != nil {
			return fmt.Errorf("an earlier key of the access log: %w", err)
		}
		k.earlier = append(k.earlier, &Key{Verifier: v, Public: public})
	}
	return nil
}

// Open verifies a checkpoint of this key or of an earlier one, and says which.
func (k *Key) Open(checkpoint []byte, project string) (tree tlog.Tree, by *Key, err error) {
	for _, by := range append([]*Key{k}, k.earlier...) {
		tree, failed := Open(checkpoint, project, by.Verifier)
		if failed == nil {
			return tree, by, nil
		}
		err = cmp.Or(err, failed) // of this one
	}
	return tree, nil, err
}

// PublicOf is the key that verifies a checkpoint of Latest: until something is sealed
// with a new one, the one before.
func (k *Key) PublicOf(checkpoint []byte, project string) (string, error) {
	_, by, err := k.Open(checkpoint, project)
	if err != nil {
		return "", err
	}
	return by.Public, nil
}

// NewKey makes a key, in the text form of package note.
func NewKey() (string, error) {
	secret, _, err := note.GenerateKey(rand.Reader, KeyName)
	return secret, err
}

// OpenKey reads a key that NewKey has made from a file.
func OpenKey(file string) (*Key, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the key of the access log: %w", err)
	}
	return ParseKey(strings.TrimSpace(string(b)))
}

// ParseKey reads a key. No error quotes it.
func ParseKey(secret string) (*Key, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, fmt.Errorf("the key of the access log: %w", err)
	}
	// PRIVATE+KEY+name+hash+base64 of: algorithm, 1 byte; seed. The base64 may hold a +.
	parts := strings.SplitN(secret, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("the key of the access log is not an Ed25519 key")
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	k := &Key{signer: signer}
	if k.Public, err = note.NewEd25519VerifierKey(signer.Name(), public); err != nil {
		return nil, fmt.Errorf("the key of the access log: %w", err)
	}
	if k.Verifier, err = note.NewVerifier(k.Public); err != nil {
		return nil, fmt.Errorf("the key of the access log: %w", err)
	}
	return k, nil
}

// origin names the log of a project in its checkpoints.
func origin(project string) string { return "lethe/access-log/" + project }

// Sign makes the checkpoint of a tree.
func (k *Key) Sign(project string, t tlog.Tree) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", origin(project), t.N, t.Hash)
	signed, err := note.Sign(&note.Note{Text: text}, k.signer)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return signed, nil
}

// Open verifies a checkpoint: that the key has signed it, and for this project.
func Open(checkpoint []byte, project string, v note.Verifier) (tlog.Tree, error) {
	n, err := note.Open(checkpoint, note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("open checkpoint: %w", err)
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != origin(project) {
		return tlog.Tree{}, fmt.Errorf("open checkpoint: it is of another log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return tlog.Tree{}, fmt.Errorf("open checkpoint: its size is not a number")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("open checkpoint: its root is not a hash")
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// ProjectOf is the project whose log a checkpoint says it is of; it proves nothing
// before Open has verified it.
func ProjectOf(checkpoint []byte) string {
	line, _, _ := strings.Cut(string(checkpoint), "\n")
	return strings.TrimPrefix(line, origin(""))
}
