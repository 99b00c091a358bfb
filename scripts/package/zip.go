package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// epoch is the time of all files: the first that a zip can have.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// writeZip puts files into a zip, in the order of their names, and that in place at once:
// the texts that it is given, or those below the folder where a text is nil.
func writeZip(file, dir string, content map[string][]byte, d *deflated) (err error) {
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close(), os.Remove(out.Name()))
		}
	}()
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return &deflater{out: w, all: d}, nil })
	for _, name := range slices.Sorted(maps.Keys(content)) {
		text := content[name]
		if text == nil {
			if text, err = os.ReadFile(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o644)
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("write zip: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := out.Chmod(0o644); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), file)
}

// deflated are the files of all zips of a run, compressed: most are in each of them, and
// to compress them would be most of the work.
type deflated struct {
	mu    sync.Mutex
	files map[[sha256.Size]byte]func() ([]byte, error)
}

// of compresses a text, unless that has been done; who asks meanwhile waits.
func (d *deflated) of(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	d.mu.Lock()
	once, is := d.files[sum]
	if !is {
		once = sync.OnceValues(func() ([]byte, error) { return deflate(text) })
		if d.files == nil {
			d.files = map[[sha256.Size]byte]func() ([]byte, error){}
		}
		d.files[sum] = once
	}
	d.mu.Unlock()
	return once()
}

// compressors are used again: to make one costs more than to compress a file of source.
var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, 5) // as archive/zip does
	if err != nil {
		panic(err) // of no level
	}
	return w
}}

func deflate(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	w.Reset(&out)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// deflater compresses one file of a zip, once it has the whole of it.
type deflater struct {
	text bytes.Buffer
	out  io.Writer
	all  *deflated
}

// Write implements io.Writer.
func (d *deflater) Write(p []byte) (int, error) { return d.text.Write(p) }

// Close implements io.Closer: only now something is written.
func (d *deflater) Close() error {
	text, err := d.all.of(d.text.Bytes())
	if err != nil {
		return err
	}
	_, err = d.out.Write(text)
	return err
}
