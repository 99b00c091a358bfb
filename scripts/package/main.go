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
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

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
	needed, err := needs(root, folders)
	if err != nil {
		return err
	}
	var d deflated
	var g errgroup.Group
	g.SetLimit(2)
	for _, f := range folders {
		g.Go(func() error {
			if err := one(root, filepath.Join(out, f+".zip"), f, needed[f], &d); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// one packages one folder, of these packages of the module.
func one(root, file, folder string, packages []pkg, d *deflated) error {
	stage, err := os.MkdirTemp("", "lethe-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := copyModule(root, stage, folder, packages); err != nil {
		return err
	}
	if _, err := goCommand(stage, "mod", "vendor"); err != nil {
		return err
	}
	return writeZip(file, stage, d)
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	EmbedFiles []string
	Deps       []string // all, of other modules too
	Module     *struct {
		Path, Dir string
		Main      bool
	}
}

// needs tells of each folder which packages of the module it needs: its own, and those
// that this imports. One go list asks for all folders, since most packages are shared.
func needs(root string, folders []string) (map[string][]pkg, error) {
	args := []string{"list", "-deps", "-json=ImportPath,Dir,GoFiles,EmbedFiles,Deps,Module"}
	for _, f := range folders {
		args = append(args, "./functions/"+f)
	}
	out, err := goCommand(root, args...)
	if err != nil {
		return nil, err
	}
	ours := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		if p.Module != nil && p.Module.Main {
			ours[p.ImportPath] = p
		}
	}
	needed := map[string][]pkg{}
	for _, p := range ours {
		folder, is := strings.CutPrefix(p.ImportPath, p.Module.Path+"/functions/")
		if !is || !slices.Contains(folders, folder) {
			continue
		}
		for _, path := range append(p.Deps, p.ImportPath) {
			if dep, is := ours[path]; is {
				needed[folder] = append(needed[folder], dep)
			}
		}
	}
	for _, f := range folders {
		if len(needed[f]) == 0 {
			return nil, fmt.Errorf("go list does not tell of functions/%s", f)
		}
	}
	return needed, nil
}

// copyModule copies the part of the module that the folder needs, and writes the
// package at its root.
func copyModule(root, stage, folder string, packages []pkg) error {
	for _, p := range packages {
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
		framework+"/funcframework", framework+"/functions", packages[0].Module.Path+"/functions/"+folder)
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
