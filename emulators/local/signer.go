package local

// This file is for tests, of any package.

import (
	"path/filepath"
	"testing"

	"github.com/lethe-analytics/lethe/shared/receipt"
)

// ReceiptSigner signs receipts with a key of its own.
func ReceiptSigner(t testing.TB) *receipt.Signer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receipt-key.pem")
	if err := MakeReceiptKey(file); err != nil {
		t.Fatal(err)
	}
	signer, err := receipt.OpenFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}
