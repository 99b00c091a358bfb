package person

import (
	"context"
	"fmt"

	"cloud.google.com/go/firestore"
)

// ReadProvisional reads the first identities of which nobody who may has said yet that
// they are the other's, and counts all of them.
func ReadProvisional(ctx context.Context, db *firestore.Client, project string, to Key, limit int) (page []Member, all int, err error) {
	q := people(db, project).Where("link.to", "==", string(to)).Where("link.provisional", "==", true)
	snaps, err := q.OrderBy(firestore.DocumentID, firestore.Asc).Limit(limit).Documents(ctx).GetAll()
	if err != nil {
		return nil, 0, fmt.Errorf("read provisional links: %w", err)
	}
	page = make([]Member, len(snaps))
	for i, s := range snaps {
		if page[i], err = newMember(s); err != nil {
			return nil, 0, err
		}
	}
	if all = len(page); all == limit {
		all, err = countQuery(ctx, q)
	}
	return page, all, err
}
