package request

import "cloud.google.com/go/firestore"

// addPersons adds persons to a request and its parts.
func addPersons(tx *firestore.Transaction, db *firestore.Client, r *Request, more *Part) error {
	if err := Append(tx, db, r, 0, more); err != nil {
		return err
	}
	r.Persons += len(more.IDs)
	return nil
}
