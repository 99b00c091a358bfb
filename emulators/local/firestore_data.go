package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// A saved emulator is one export a database, imported again one by one:
//
//	DIR/{google project}/{database}/{database}.overall_export_metadata
//
// The flag --import-data would not do: it gives all databases' documents to every
// database, out of sight of queries, and the next export has each of them twice.
const exportSuffix = ".overall_export_metadata"

// Save writes both databases of the given Google projects to a directory, which
// FirestoreOptions.Load reads. What it held before is replaced at the end, in
// one step. Writers should be at rest: databases are written one after another.
func (f *Firestore) Save(ctx context.Context, dir string, projects ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.save(ctx, dir, projects)
}

func (f *Firestore) save(ctx context.Context, dir string, projects []string) error {
	next := dir + ".next"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	for _, project := range projects {
		into := filepath.Join(next, project)
		if err := os.MkdirAll(into, 0o700); err != nil {
			return err
		}
		for _, db := range []string{topology.DefaultDatabase, topology.EdgeDatabase} {
			if err := f.post(ctx, project, "export", map[string]string{
				"database":         fmt.Sprintf("projects/%s/databases/%s", project, db),
				"export_directory": into,
				"export_name":      db,
			}); err != nil {
				return fmt.Errorf("save firestore database %s of %s: %w", db, project, err)
			}
		}
	}
	return replaceDir(dir, next)
}

// load imports what save wrote.
func (f *Firestore) load(ctx context.Context, dir string) error {
	files, err := exports(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Dir(file)
		project, db := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		if err := f.post(ctx, project, "import", map[string]string{
			"database":         fmt.Sprintf("projects/%s/databases/%s", project, db),
			"export_directory": file,
		}); err != nil {
			return fmt.Errorf("load firestore database %s of %s from %s: %w", db, project, dir, err)
		}
	}
	return nil
}

func exports(dir string) ([]string, error) {
	return filepath.Glob(filepath.Join(dir, "*", "*", "*"+exportSuffix))
}

// Saved reports whether a directory holds something to load.
func Saved(dir string) bool {
	files, err := exports(dir)
	return err == nil && len(files) > 0
}

// post calls the emulator's own API.
func (f *Firestore) post(ctx context.Context, project, verb string, args map[string]string) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s/emulator/v1/projects/%s:%s", f.addr, project, verb)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json") // without it the emulator answers 404
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return err
}

// replaceDir puts next in the place of dir.
func replaceDir(dir, next string) error {
	old := dir + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return errors.Join(os.Rename(next, dir), os.RemoveAll(old))
}
