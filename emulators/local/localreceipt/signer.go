// Package localreceipt owns the signer of receipts that tests have: apart from package
// local, so that only the tests that sign receipts link the client of Cloud KMS.
package localreceipt

import (
	"path/filepath"
	"testing"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// Open makes a signer with a key of its own.
func Open(t testing.TB) *receipt.Signer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receipt-key.pem")
	if err := local.MakeReceiptKey(file); err != nil {
		t.Fatal(err)
	}
	signer, err := receipt.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
