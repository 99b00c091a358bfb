package project

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Limits of keys and tokens.
const (
	MaxKeys    = 100 // of a project; as many tokens
	MaxOverlap = 7 * 24 * time.Hour
	maxSecrets = 5 // of one key or token at a time
)

// idOf is the id of what a hash is stored of: enough to tell it apart, of no use to
// find it by.
func idOf(hash string) string { return hash[:16] }

// Secret is one secret of a key or token: a prefix of its hash, by which answers and
// logs name who called, and until when it works.
type Secret struct {
	Prefix  string
	Expires time.Time // zero: as long as its key
}

// prefixLength is how much of a hash is told.
const prefixLength = 12

// KeyRecord is a key as it is listed.
type KeyRecord struct {
	Key
	Secrets []Secret // that work, the newest first

	ref *firestore.DocumentRef
	old []*firestore.DocumentSnapshot // of replaced secrets
}

// CreateKey makes a key and returns its secret, which is stored nowhere.
func CreateKey(ctx context.Context, db *firestore.Client, k Key) (secret string, rec *KeyRecord, err error) {
	secret = makeKey()
	hash := Hash(secret)
	k.ID, k.Created = idOf(hash), now()
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := readKeys(tx.Documents(keysOf(db, k.Project)), k.Created)
		if err != nil {
			return err
		}
		if len(all) >= MaxKeys {
			return fault.New(fault.Conflict, "the project has %d keys, the most there can be; revoke one first", MaxKeys)
		}
		return tx.Create(db.Doc("keys/"+hash), k)
	})
	if err != nil {
		return "", nil, fmt.Errorf("create key of project %s: %w", k.Project, err)
	}
	return secret, &KeyRecord{Key: k, Secrets: []Secret{{hash[:prefixLength], k.Expires}}}, nil
}

// ListKeys lists a project's keys, the oldest first. Those that have expired are
// among them until they are revoked.
func ListKeys(ctx context.Context, db *firestore.Client, project string) ([]*KeyRecord, error) {
	all, err := readKeys(keysOf(db, project).Documents(ctx), time.Now())
	if err != nil {
		return nil, fmt.Errorf("list keys of project %s: %w", project, err)
	}
	return all, nil
}

// RotateKey gives a key a new secret and returns it. Those before work for as long as
// the overlap says, but not longer than they would have.
func RotateKey(ctx context.Context, db *firestore.Client, project, id string, overlap time.Duration) (secret string, rec *KeyRecord, err error) {
	secret = makeKey()
	hash, now := Hash(secret), now()
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := readKeys(tx.Documents(keysOf(db, project)), now)
		if err != nil {
			return err
		}
		if rec, err = findKey(all, id); err != nil {
			return err
		}
		if rec.expired(now) {
			return fault.New(fault.Conflict, "the key has expired; create another")
		}
		if overlap > 0 && len(rec.Secrets) >= maxSecrets {
			return tooManySecrets()
		}
		if err := rec.replace(tx, now, overlap); err != nil {
			return err
		}
		rec.Rotated = now
		rec.Secrets = append([]Secret{{hash[:prefixLength], rec.Expires}}, rec.Secrets...)
		return tx.Create(db.Doc("keys/"+hash), rec.Key)
	})
	if err != nil {
		return "", nil, fmt.Errorf("rotate key of project %s: %w", project, err)
	}
	return secret, rec, nil
}

func tooManySecrets() error {
	return fault.New(fault.Conflict, "%d secrets of it work at the same time, the most there can be; rotate with no overlap, or wait until one has expired", maxSecrets)
}

// replace ends the secrets of a key, at once or after the overlap. Those that have
// ended before are cleared away.
func (k *KeyRecord) replace(tx *firestore.Transaction, now time.Time, overlap time.Duration) error {
	until := now.Add(overlap)
	working := k.Secrets
	k.Secrets = nil
	end := func(ref *firestore.DocumentRef, expires time.Time) error {
		expires = earlier(expires, until)
		if !now.Before(expires) {
			return tx.Delete(ref)
		}
		i := slices.IndexFunc(working, func(s Secret) bool { return s.Prefix == ref.ID[:prefixLength] })
		k.Secrets = append(k.Secrets, Secret{working[i].Prefix, expires})
		return tx.Update(ref, []firestore.Update{{Path: "expires", Value: expires}, {Path: "replaced", Value: true}})
	}
	if err := end(k.ref, k.Expires); err != nil {
		return err
	}
	for _, snap := range k.old {
		var old Key
		if err := snap.DataTo(&old); err != nil {
			return fmt.Errorf("decode key: %w", err)
		}
		if err := end(snap.Ref, old.Expires); err != nil {
			return err
		}
	}
	return nil
}

// earlier is when what expires, or never does where it is zero, ends at the latest.
func earlier(expires, until time.Time) time.Time {
	if expires.IsZero() || until.Before(expires) {
		return until
	}
	return expires
}

// RevokeKey ends a key at once. The last key that lets an admin in stays.
func RevokeKey(ctx context.Context, db *firestore.Client, project, id string) error {
	now := time.Now()
	err := db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		all, err := readKeys(tx.Documents(keysOf(db, project)), now)
		if err != nil {
			return err
		}
		k, err := findKey(all, id)
		if err != nil {
			return err
		}
		admin := func(k *KeyRecord) bool { return k.Role == Admin && !k.expired(now) }
		if admin(k) && !slices.ContainsFunc(all, func(other *KeyRecord) bool { return other.ID != k.ID && admin(other) }) {
			return fault.New(fault.Conflict, "this is the project's last key with role admin; create another first")
		}
		for _, snap := range k.old {
			if err := tx.Delete(snap.Ref); err != nil {
				return err
			}
		}
		return tx.Delete(k.ref)
	})
	if err != nil {
		return fmt.Errorf("revoke key of project %s: %w", project, err)
	}
	return nil
}

func keysOf(db *firestore.Client, project string) firestore.Query {
	return db.Collection("keys").Where("project", "==", project)
}

func findKey(all []*KeyRecord, id string) (*KeyRecord, error) {
	i := slices.IndexFunc(all, func(k *KeyRecord) bool { return k.ID == id })
	if i < 0 {
		return nil, fault.New(fault.NotFound, "there is no such key")
	}
	return all[i], nil
}

// readKeys puts the secrets of each key together.
func readKeys(docs *firestore.DocumentIterator, now time.Time) ([]*KeyRecord, error) {
	snaps, err := docs.GetAll()
	if err != nil {
		return nil, err
	}
	var keys []*KeyRecord
	old := map[string][]*firestore.DocumentSnapshot{}
	secrets := map[string][]Secret{}
	for _, snap := range snaps {
		k := &KeyRecord{ref: snap.Ref}
		if err := snap.DataTo(&k.Key); err != nil {
			return nil, fmt.Errorf("decode key: %w", err)
		}
		k.ID = cmp.Or(k.ID, idOf(snap.Ref.ID))
		if k.Replaced {
			old[k.ID] = append(old[k.ID], snap)
		} else {
			keys = append(keys, k)
		}
		if !k.expired(now) {
			secrets[k.ID] = append(secrets[k.ID], Secret{snap.Ref.ID[:prefixLength], k.Expires})
		}
	}
	for _, k := range keys {
		k.old, k.Secrets = old[k.ID], secrets[k.ID]
		newest := k.ref.ID[:prefixLength]
		slices.SortFunc(k.Secrets, func(a, b Secret) int {
			switch newest {
			case a.Prefix:
				return -1
			case b.Prefix:
				return 1
			}
			return b.Expires.Compare(a.Expires)
		})
	}
	slices.SortFunc(keys, func(a, b *KeyRecord) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return keys, nil
}
