package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// dataDir is where data lies that outlives this program, or a temporary
// directory that ends with it:
//
//	DIR/lock             held while a run uses the directory
//	DIR/firestore/       both databases, as of the last orderly stop
//	DIR/messages.jsonl   messages not worked on and dead letters, likewise
//	DIR/objects/         the bucket, always current
//	DIR/signing-key.pem  key of signed URLs
//	DIR/receipt-key.pem  key of receipts
//	DIR/opendsr-*.pem    key and certificate of OpenDSR
//	DIR/access-log-key   key of the access log's checkpoints
//	DIR/demo.json        token and key of the demo project
type dataDir struct {
	path string
	keep bool
	lock *os.File
}

// openData prepares the directory; without one, the temporary one is used.
func openData(dir, temp string) (*dataDir, error) {
	if dir == "" {
		return &dataDir{path: temp}, nil
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("-data %s: %w", dir, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("-data %s is in use by another run of this program", dir), lock.Close())
	}
	return &dataDir{path: path, keep: true, lock: lock}, nil
}

func (d *dataDir) close() {
	if d.lock != nil {
		_ = d.lock.Close() // which unlocks
	}
}

func (d *dataDir) storage() string      { return d.path }
func (d *dataDir) messages() string     { return filepath.Join(d.path, "messages.jsonl") }
func (d *dataDir) firestoreDir() string { return filepath.Join(d.path, "firestore") }

// firestore is what to load, if anything has been saved.
func (d *dataDir) firestore() string {
	if dir := d.firestoreDir(); local.Saved(dir) {
		return dir
	}
	return ""
}
