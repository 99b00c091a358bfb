package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zip"
)

// segmentSize is where a segment ends, in compressed bytes: what is held in memory.
const segmentSize = 4 << 20

// file is one file of the archive, as the directory and the manifest need it.
type file struct {
	Name       string `json:"name"`
	Bytes      uint64 `json:"bytes"`
	SHA256     string `json:"sha256"`
	Events     int    `json:"events,omitempty"`
	CRC        uint32 `json:"crc"`
	Compressed uint64 `json:"compressed"`
}

// header is the file's header in a ZIP made at that time.
func (f *file) header(at time.Time) *zip.FileHeader {
	h := &zip.FileHeader{
		Name: f.Name, Method: zip.Deflate, ReaderVersion: 20, CRC32: f.CRC,
		CompressedSize64: f.Compressed, UncompressedSize64: f.Bytes,
	}
	date, clock := at.Day()+int(at.Month())<<5+(at.Year()-1980)<<9, at.Second()/2+at.Minute()<<5+at.Hour()<<11
	//lint:ignore SA1019 CreateRaw writes these dates, of MS-DOS, and no others
	h.ModifiedDate, h.ModifiedTime = uint16(date), uint16(clock)
	h.SetMode(0o644)
	return h
}

// segment is a piece of the ZIP in the making: the entries of some files, one after
// the other, without a directory.
type segment struct {
	at    time.Time
	buf   bytes.Buffer
	zip   *zip.Writer
	files []file

	// The file that is being written:
	now     *file
	deflate *flate.Writer
	packed  bytes.Buffer
	sum     hash.Hash
}

func newSegment(at time.Time) *segment {
	s := &segment{at: at, sum: sha256.New()}
	s.zip = zip.NewWriter(&s.buf)
	s.deflate, _ = flate.NewWriter(&s.packed, flate.DefaultCompression) // the level is valid
	return s
}

// size is how much there is, but for what the compressor has not given out.
func (s *segment) size() int { return s.buf.Len() + s.packed.Len() }

// create begins a file.
func (s *segment) create(name string) {
	s.now = &file{Name: name}
	s.packed.Reset()
	s.deflate.Reset(&s.packed)
	s.sum.Reset()
}

// Write adds to the file that create began; it implements io.Writer.
func (s *segment) Write(p []byte) (int, error) {
	s.now.Bytes += uint64(len(p))
	s.now.CRC = crc32.Update(s.now.CRC, crc32.IEEETable, p)
	s.sum.Write(p)
	return s.deflate.Write(p)
}

// end ends the file.
func (s *segment) end() error {
	if err := s.deflate.Close(); err != nil {
		return fmt.Errorf("compress a file of an archive: %w", err)
	}
	s.now.Compressed = uint64(s.packed.Len())
	s.now.SHA256 = hex.EncodeToString(s.sum.Sum(nil))
	w, err := s.zip.CreateRaw(s.now.header(s.at))
	if err == nil {
		_, err = w.Write(s.packed.Bytes())
	}
	if err == nil {
		err = s.zip.Flush()
	}
	if err != nil {
		return fmt.Errorf("write a file of an archive: %w", err)
	}
	s.files = append(s.files, *s.now)
	s.now = nil
	s.packed.Reset()
	return nil
}

// add writes a whole file.
func (s *segment) add(name string, text []byte) error {
	s.create(name)
	if _, err := s.Write(text); err != nil {
		return fmt.Errorf("write a file of an archive: %w", err)
	}
	return s.end()
}

// tail is what follows all files: the directory of the ZIP. The library writes one
// only behind files that it has written, so it writes them once more, as zeros and
// to nowhere.
func tail(at time.Time, files []file) ([]byte, error) {
	out := &gate{}
	z := zip.NewWriter(out)
	for i := range files {
		w, err := z.CreateRaw(files[i].header(at))
		if err == nil {
			_, err = io.CopyN(w, zeros{}, int64(files[i].Compressed))
		}
		if err != nil {
			return nil, fmt.Errorf("write the directory of an archive: %w", err)
		}
	}
	if err := z.Flush(); err != nil {
		return nil, fmt.Errorf("write the directory of an archive: %w", err)
	}
	out.open = true
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write the directory of an archive: %w", err)
	}
	return out.Bytes(), nil
}

// gate lets nothing through until it is open.
type gate struct {
	bytes.Buffer
	open bool
}

// Write implements io.Writer.
func (g *gate) Write(p []byte) (int, error) {
	if !g.open {
		return len(p), nil
	}
	return g.Buffer.Write(p)
}

// zeros is a source of zeros.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
