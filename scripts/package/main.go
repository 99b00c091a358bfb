// Package makes one zip a function's folder, as Google's Go buildpack wants it: what
// is deployed.
//
//	package [-out dist] [FOLDER…]
//
//	functions/FOLDER ─go list -deps─▶ the packages of this module that it needs
//	  + go.mod, go.sum, vendor/ (go mod vendor of just these)
//	  + function.go at the root, which imports the folder's package
//	  ─▶ out/FOLDER.zip: sorted, without times, so that equal source is an equal zip
//
// A zip changes if, and only if, something changes that its function imports, or one
// of go.mod and go.sum does.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// framework is what the buildpack's main program needs beside the function.
const framework = "github.com/GoogleCloudPlatform/functions-framework-go"

func main() {
	out := flag.String("out", "dist", "folder for the zips")
	flag.Parse()
	folders := flag.Args()
	if len(folders) == 0 {
		folders = Folders()
	}
	if err := run(".", *out, folders); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// Folders are those of all functions; one with two entry points is deployed twice
// from one zip.
func Folders() []string {
	var all []string
	for _, f := range topology.Functions {
		if !slices.Contains(all, f.Folder) {
			all = append(all, f.Folder)
		}
	}
	slices.Sort(all)
	return all
}

// run packages folders of the module whose root it is given.
func run(root, out string, folders []string) error {
	for _, f := range folders {
		if !slices.Contains(Folders(), f) {
			return fmt.Errorf("there is no function %q; there are %s", f, strings.Join(Folders(), ", "))
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(2)
	for _, f := range folders {
		g.Go(func() error {
			if err := one(root, filepath.Join(out, f+".zip"), f); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// one packages one folder.
func one(root, file, folder string) error {
	stage, err := os.MkdirTemp("", "lethe-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := copyModule(root, stage, folder); err != nil {
		return err
	}
	if _, err := goCommand(stage, "mod", "vendor"); err != nil {
		return err
	}
	return writeZip(file, stage)
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	EmbedFiles []string
	Module     *struct {
		Path, Dir string
		Main      bool
	}
}

// copyModule copies the part of the module that the folder needs, and writes the
// package at its root.
func copyModule(root, stage, folder string) error {
	out, err := goCommand(root, "list", "-deps", "-json=ImportPath,Dir,GoFiles,EmbedFiles,Module", "./functions/"+folder)
	if err != nil {
		return err
	}
	module := ""
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read what go list says: %w", err)
		}
		if p.Module == nil || !p.Module.Main {
			continue
		}
		module = p.Module.Path
		rel, err := filepath.Rel(p.Module.Dir, p.Dir)
		if err != nil {
			return err
		}
		for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			if err := copyFile(filepath.Join(p.Dir, name), filepath.Join(stage, rel, name)); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "LICENSE"} {
		if err := copyFile(filepath.Join(root, name), filepath.Join(stage, name)); err != nil {
			return err
		}
	}
	// The buildpack looks at the imports of the package at the root: with functions
	// among them it takes functions to be registered, and with funcframework vendored
	// it needs nothing from the network.
	text := fmt.Sprintf("// Package lethe registers the function of this zip.\npackage lethe\n\nimport (\n\t_ %q\n\t_ %q\n\n\t_ %q\n)\n",
		framework+"/funcframework", framework+"/functions", module+"/functions/"+folder)
	return os.WriteFile(filepath.Join(stage, "function.go"), []byte(text), 0o644)
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// goCommand runs the go command for the platform that functions run on.
func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out, nil
}

// epoch is the time of all files: the first that a zip can have.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// writeZip puts a folder into a zip, and that in place at once.
func writeZip(file, dir string) (err error) {
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
	// WalkDir goes in the order of names.
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: filepath.ToSlash(rel), Method: zip.Deflate, Modified: epoch}
		h.SetMode(0o644)
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("write zip: %w", err)
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
