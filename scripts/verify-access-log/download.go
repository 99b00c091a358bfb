package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lethe-analytics/lethe/shared/access/merkle"
)

// directory is where a log has been downloaded to.
type directory string

func (d directory) path(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

func (d directory) read(name string) ([]byte, error) { return os.ReadFile(d.path(name)) }

func (d directory) write(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(d.path(name)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(d.path(name), b, 0o600)
}

const (
	keyFile        = "key"
	checkpointFile = "checkpoint"
	previousFile   = "previous-checkpoint"
	entriesFile    = "entries.ndjson"
)

// open verifies the checkpoint in a file.
func (d directory) open(name string, v note.Verifier) (tlog.Tree, error) {
	text, err := d.read(name)
	if err != nil {
		return tlog.Tree{}, err
	}
	return merkle.Open(text, merkle.ProjectOf(text), v)
}

// verifier is the key given, or the one that is kept.
func (d directory) verifier(given string) (note.Verifier, error) {
	if given == "" {
		kept, err := d.read(keyFile)
		if err != nil {
			return nil, err
		}
		given = string(kept)
	}
	v, err := note.NewVerifier(strings.TrimSpace(given))
	if err != nil {
		return nil, fmt.Errorf("the verifier key: %w", err)
	}
	return v, nil
}

const (
	maxAnswer = 1 << 20 // of all but the entries
	rounds    = 40      // of waiting for a checkpoint
)

// errNotSigned is of a checkpoint that the key has not signed.
var errNotSigned = errors.New("the checkpoint is not signed")

type download struct {
	options
	dir directory
	out io.Writer
}

// all downloads the log. Entries are sealed while it reads them: it reads again until
// a checkpoint has all that say they are sealed.
func (d *download) all(ctx context.Context) error {
	if kept, err := d.dir.read(checkpointFile); err == nil {
		if err := d.dir.write(previousFile, kept); err != nil {
			return err
		}
	}
	for round := 1; ; round++ {
		size, err := d.checkpoint(ctx)
		if errors.Is(err, errNotSigned) {
			return nil // which check will tell
		}
		if err != nil {
			return err
		}
		if err := d.entries(ctx); err != nil {
			return err
		}
		log, err := readEntries(d.dir)
		if err != nil {
			return err
		}
		if log.last < size || round == rounds {
			return d.tiles(ctx, size)
		}
		select {
		case <-time.After(d.pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkpoint downloads the newest checkpoint, and the key if none is known.
func (d *download) checkpoint(ctx context.Context) (size int64, err error) {
	var answer struct{ Checkpoint, Key string }
	b, err := d.get(ctx, "/v1/access-log/checkpoint")
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	if kept, err := d.dir.read(keyFile); d.key == "" && errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(d.out, "the verifier key is taken from the server, as none was given: %s\n", answer.Key)
		err = d.dir.write(keyFile, []byte(answer.Key))
		if err != nil {
			return 0, err
		}
	} else if known := firstOf(d.key, string(kept)); known != answer.Key {
		fmt.Fprintf(d.out, "the server tells another verifier key (%s); the one known before is used\n", answer.Key)
	}
	if err := d.dir.write(checkpointFile, []byte(answer.Checkpoint)); err != nil {
		return 0, err
	}
	v, err := d.dir.verifier(d.key)
	if err != nil {
		return 0, err
	}
	tree, err := d.dir.open(checkpointFile, v)
	if err != nil {
		return 0, errNotSigned
	}
	return tree.N, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return strings.TrimSpace(b)
}

// tiles downloads the tiles of a tree; full ones that are there do not change.
func (d *download) tiles(ctx context.Context, size int64) error {
	for _, t := range tlog.NewTiles(merkle.Height, 0, size) {
		if _, err := os.Stat(d.dir.path(t.Path())); err == nil {
			continue
		}
		b, err := d.get(ctx, "/v1/access-log/"+t.Path())
		if err != nil {
			return err
		}
		if err := d.dir.write(t.Path(), b); err != nil {
			return err
		}
	}
	return nil
}

func (d *download) get(ctx context.Context, path string) ([]byte, error) {
	body, err := d.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxAnswer))
}

// open asks for a path.
func (d *download) open(ctx context.Context, path string) (io.ReadCloser, error) {
	base, err := url.Parse(d.url)
	if err != nil || base.Host == "" {
		return nil, errors.New("-url is not a URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(d.url, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+d.apiKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // to be shown
		return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, bytes.TrimSpace(b))
	}
	return resp.Body, nil
}
