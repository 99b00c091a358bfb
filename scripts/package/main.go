// Package makes one zip a function's folder, as Google's Go buildpack wants it: what
// is deployed.
//
//	package [-out dist] [FOLDER…]
//
//	functions/FOLDER ─go list -deps─▶ the packages that it needs, of this module
//	  + go.mod, go.sum
//	  + vendor/, the packages of others (go mod vendor of all folders, and of that its part)
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
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/topology"
)

// module is this module's path.
const module = "github.com/lethe-analytics/lethe"

// frameworks are what the buildpack's main program needs beside the function.
var frameworks = []string{
	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework",
	"github.com/GoogleCloudPlatform/functions-framework-go/functions",
}

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
	needed, err := needs(root, folders)
	if err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "lethe-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	if err := copyModule(root, stage, needed); err != nil {
		return err
	}
	if _, err := goCommand(stage, "mod", "vendor"); err != nil {
		return err
	}
	v, err := readVendored(filepath.Join(stage, "vendor"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var d deflated
	var g errgroup.Group
	g.SetLimit(2)
	for f, packages := range needed {
		g.Go(func() error {
			if err := writeZip(filepath.Join(out, f+".zip"), stage, content(f, packages, &v), &d); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	GoFiles    []string
	EmbedFiles []string
	Deps       []string // all, of other modules too
	Module     *struct {
		Main bool
	}
}

// needs tells of each folder which packages its zip needs, of this module and of others:
// its own, the framework's, and those that these import. One go list asks for all folders,
// since most packages are shared.
func needs(root string, folders []string) (map[string][]pkg, error) {
	args := append([]string{"list", "-deps", "-json=ImportPath,GoFiles,EmbedFiles,Deps,Module"}, frameworks...)
	for _, f := range folders {
		args = append(args, "./functions/"+f)
	}
	out, err := goCommand(root, args...)
	if err != nil {
		return nil, err
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		if p.Module != nil { // the others are Go's own
			all[p.ImportPath] = p
		}
	}
	needed := map[string][]pkg{}
	for _, f := range folders {
		is := map[string]bool{}
		for _, path := range append(frameworks, module+"/functions/"+f) {
			p, listed := all[path]
			if !listed {
				return nil, fmt.Errorf("go list does not tell of %s", path)
			}
			for _, path := range append(p.Deps, path) {
				is[path] = true
			}
		}
		for path := range is {
			if p, listed := all[path]; listed {
				needed[f] = append(needed[f], p)
			}
		}
	}
	return needed, nil
}

// files are those of a package of this module, by the path below its root.
func (p *pkg) files() (names []string) {
	dir := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
		names = append(names, path.Join(dir, name))
	}
	return names
}

// ofModule are the files of this module that the zip with these packages has.
func ofModule(needed []pkg) []string {
	names := []string{"go.mod", "go.sum", "LICENSE"}
	for _, p := range needed {
		if p.Module.Main {
			names = append(names, p.files()...)
		}
	}
	return names
}

// copyModule copies the part of the module that the folders need, and writes a package at
// its root that imports them all.
func copyModule(root, stage string, needed map[string][]pkg) error {
	names := map[string]bool{}
	for _, packages := range needed {
		for _, name := range ofModule(packages) {
			names[name] = true
		}
	}
	for name := range names {
		if err := copyFile(filepath.Join(root, name), filepath.Join(stage, name)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(stage, "function.go"), register(slices.Collect(maps.Keys(needed))...), 0o644)
}

// content is what the zip of a folder has in it: texts by their names, or nil of a file
// that is staged.
func content(folder string, needed []pkg, v *vendored) map[string][]byte {
	files, modules := v.part(needed)
	c := map[string][]byte{"vendor/modules.txt": modules, "function.go": register(folder)}
	for _, name := range ofModule(needed) {
		c[name] = nil
	}
	for _, name := range files {
		c["vendor/"+name] = nil
	}
	return c
}

// register is the package at the root. The buildpack looks at its imports: with functions
// among them it takes functions to be registered, and with funcframework vendored it needs
// nothing from the network.
func register(folders ...string) []byte {
	var b bytes.Buffer
	b.WriteString("// Package lethe registers the function of this zip.\npackage lethe\n\nimport (\n")
	for _, path := range frameworks {
		fmt.Fprintf(&b, "\t_ %q\n", path)
	}
	b.WriteString("\n")
	for _, f := range folders {
		fmt.Fprintf(&b, "\t_ %q\n", module+"/functions/"+f)
	}
	b.WriteString(")\n")
	return b.Bytes()
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
