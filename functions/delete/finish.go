package erase

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
)

// finish looks through the dead letters once more; if neither they nor the groups
// had anything left, it makes the receipt, else all begins anew behind the same
// fences.
func (j *job) finish(ctx context.Context) (done bool, err error) {
	n, swept, err := j.sweep(ctx)
	if err != nil || !swept {
		return false, err
	}
	j.found(ctx, n.Found)
	if j.pos.Left {
		j.pos.Stores.DeadLetters.Found += n.Found
		j.pos.Stores.DeadLetters.Deleted += n.Deleted
		j.pos.Stores.DeadLetters.Changed += n.Changed
		j.pos.Left = false
		return false, j.enter(ctx, stageErase)
	}
	j.pos.Stores.Unreadable = n.Unreadable
	r, err := j.receipt(ctx)
	if err != nil {
		return false, err
	}
	jws, err := receipt.Sign(r, j.signer)
	if err != nil {
		return false, err
	}
	return true, storeReceipt(ctx, j.Default, j.slice.Request, jws)
}

// receipt gathers what is to be signed.
func (j *job) receipt(ctx context.Context) (*receipt.Receipt, error) {
	now := time.Now().UTC().Truncate(time.Second)
	r := &receipt.Receipt{
		Issuer: j.config.PublicURL, IssuedAt: now.Unix(), Request: j.slice.ID, Project: j.project.ID, Kind: j.params.kind(),
		Properties: j.params.Properties, Events: j.params.Events, Suppressed: j.params.Suppress,
		RequestedAt: j.slice.Created.UTC(), FinishedAt: now, BackupsExpireAt: now.AddDate(0, 0, j.config.BackupDays),
		Subjects: []receipt.Subject{}, Stores: j.pos.Stores,
	}
	profiles, seen := 0, map[person.Key]bool{}
	listed := map[person.Key]int{} // the subject with which the identities of a person stand
	for n := range j.slice.Parts {
		part, err := request.ReadPart(ctx, j.Default, j.slice.Request, n)
		if err != nil {
			return nil, err
		}
		for i, s := range part.Subjects {
			if s.Known {
				profiles++
			}
			key, fence, link := part.Keys[i], s.Fence.UTC(), receipt.NewLink(s.Link)
			if seen[key] { // a person whom two of those named are of
				continue
			}
			seen[key] = true
			if n >= j.pos.Asked {
				subject := &r.Subjects[listed[s.Person]]
				subject.Identities = append(subject.Identities, receipt.Identity{Identity: key, Fence: fence, Link: link})
				continue
			}
			subject := receipt.Subject{Identity: key, Person: s.Person, Scope: receipt.ScopeIdentity, Fence: fence, Link: link, Identities: []receipt.Identity{}}
			if s.Whole {
				subject.Scope = receipt.ScopePerson
				if _, known := listed[s.Person]; !known {
					listed[s.Person] = len(r.Subjects)
				}
			}
			r.Subjects = append(r.Subjects, subject)
		}
	}
	if j.params.whole() {
		j.pos.Stores.Profiles = receipt.Count{Found: profiles, Deleted: profiles}
		r.Stores = j.pos.Stores
	}
	return r, nil
}

// receipts is the collection, below a request, of its receipt: cut into documents,
// since one of many identities is over Firestore's limit.
const (
	receipts     = "receipts"
	receiptPiece = 900_000 // bytes
)

type piece struct {
	Text string `firestore:"text"` // not indexed (terraform/firestore.tf)
}

// storeReceipt stores a receipt, and nothing of one that a worker had begun to store
// when it was killed.
func storeReceipt(ctx context.Context, db *firestore.Client, r *request.Request, jws string) error {
	pieces := request.Ref(db, r.Project, r.ID).Collection(receipts)
	before, err := pieces.Select().Documents(ctx).GetAll()
	if err != nil {
		return fmt.Errorf("look for a receipt: %w", err)
	}
	for _, d := range before {
		if _, err := d.Ref.Delete(ctx); err != nil {
			return fmt.Errorf("delete part of a receipt: %w", err)
		}
	}
	for n := 0; len(jws) > 0; n++ {
		size := min(len(jws), receiptPiece)
		if _, err := pieces.Doc(fmt.Sprintf("%04d", n)).Set(ctx, piece{jws[:size]}); err != nil {
			return fmt.Errorf("store a receipt: %w", err)
		}
		jws = jws[size:]
	}
	return nil
}

func readReceipt(ctx context.Context, db *firestore.Client, r *request.Request) (string, error) {
	docs, err := request.Ref(db, r.Project, r.ID).Collection(receipts).OrderBy(firestore.DocumentID, firestore.Asc).Documents(ctx).GetAll()
	if err != nil {
		return "", fmt.Errorf("read a receipt: %w", err)
	}
	var jws strings.Builder
	for _, d := range docs {
		var p piece
		if err := d.DataTo(&p); err != nil {
			return "", fmt.Errorf("decode a receipt: %w", err)
		}
		jws.WriteString(p.Text)
	}
	if jws.Len() == 0 {
		return "", fmt.Errorf("a receipt is missing")
	}
	return jws.String(), nil
}
