package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// entry is what is kept of one line.
type entry struct {
	id      string
	hash    tlog.Hash
	at      time.Time
	altered bool
}

// entries are what the log is said to be.
type entries struct {
	placed   map[int64][]entry
	last     int64   // the highest place
	unplaced []entry // not sealed, the newest first
	newest   time.Time
	count    int
}

// maxLine bounds an entry; the longest of ours have some 100 KB.
const maxLine = 2 << 20

// readEntries reads the file of the entries.
func readEntries(dir directory) (*entries, error) {
	f, err := os.Open(dir.path(entriesFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := &entries{placed: map[int64][]entry{}, last: -1}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var line access.Line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("entry %d of the file: %w", all.count+1, err)
		}
		e := entry{hash: tlog.RecordHash(line.Entry), altered: line.Altered, id: fmt.Sprintf("(unreadable, line %d)", all.count+1)}
		var said access.Entry
		if json.Unmarshal(line.Entry, &said) == nil && said.ID != "" {
			e.id, e.at = said.ID, said.Time
		}
		all.count++
		if line.Index == nil {
			all.unplaced = append(all.unplaced, e)
			continue
		}
		all.placed[*line.Index] = append(all.placed[*line.Index], e)
		all.last = max(all.last, *line.Index)
		if e.at.After(all.newest) {
			all.newest = e.at
		}
	}
	return all, lines.Err()
}

// late is how much older than the newest sealed entry one may be that is not sealed.
const late = 10 * time.Minute

// check holds the entries of a directory against the signed tree.
func check(dir directory, key string, out io.Writer) (whole bool, err error) {
	v, err := dir.verifier(key)
	if err != nil {
		return false, err
	}
	tree, err := dir.open(checkpointFile, v)
	if err != nil {
		fmt.Fprintln(out, "BAD: the checkpoint is not one that the key has signed:", err)
		return false, nil
	}
	reader := tlog.TileHashReader(tree, localTiles{dir})
	sealed, err := leaves(tree.N, reader)
	if err != nil {
		fmt.Fprintln(out, "BAD: the hashes of the tree do not lead to the signed root:", err)
		return false, nil
	}
	if bad := previous(dir, v, tree, reader); bad != "" {
		fmt.Fprintln(out, "BAD:", bad)
		return false, nil
	}
	all, err := readEntries(dir)
	if err != nil {
		return false, err
	}
	problems := compare(all, sealed)
	for i, p := range problems {
		if i == 20 {
			fmt.Fprintf(out, "… and %d more\n", len(problems)-i)
			break
		}
		fmt.Fprintln(out, "BAD:", p)
	}
	for _, e := range all.unplaced {
		fmt.Fprintln(out, "not sealed yet:", e.id)
	}
	if len(problems) == 0 {
		fmt.Fprintf(out, "OK: %d entries, %d of them sealed in a tree with the root %s\n", all.count, tree.N, tree.Hash)
	}
	return len(problems) == 0, nil
}

// previous holds the tree against the checkpoint of an earlier download, if there is
// one. Where the key has been changed since, that is of the one which is kept.
func previous(dir directory, v note.Verifier, tree tlog.Tree, reader tlog.HashReader) (bad string) {
	old, err := dir.open(previousFile, v)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		if kept, failed := dir.verifier(""); failed == nil {
			old, err = dir.open(previousFile, kept)
		}
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return ""
	case err != nil:
		return "the previous checkpoint: " + err.Error()
	case old.N > tree.N:
		return fmt.Sprintf("the log had %d sealed entries before and has %d: its end was cut off", old.N, tree.N)
	}
	root, err := tlog.TreeHash(old.N, reader)
	if err != nil {
		return err.Error()
	}
	if root != old.Hash {
		return fmt.Sprintf("the first %d entries are not those of the previous checkpoint: the log was written anew", old.N)
	}
	return ""
}

// leaves reads the hashes of all leaves.
func leaves(size int64, reader tlog.HashReader) ([]tlog.Hash, error) {
	const step = 4096
	var all []tlog.Hash
	for from := int64(0); from < size; from += step {
		var indexes []int64
		for n := from; n < min(from+step, size); n++ {
			indexes = append(indexes, tlog.StoredHashIndex(0, n))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return nil, err
		}
		all = append(all, hashes...)
	}
	return all, nil
}

// localTiles implements tlog.TileReader.
type localTiles struct{ dir directory }

// Height implements tlog.TileReader.
func (localTiles) Height() int { return merkle.Height }

// ReadTiles implements tlog.TileReader.
func (l localTiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	for i, t := range list {
		var err error
		if data[i], err = l.dir.read(t.Path()); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// SaveTiles implements tlog.TileReader: they are saved already.
func (localTiles) SaveTiles([]tlog.Tile, [][]byte) {}
