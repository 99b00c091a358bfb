package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// vendored is what go mod vendor has put together for all functions.
type vendored struct {
	modules  []byte          // its modules.txt
	files    []string        // all others, by the path below vendor
	packages map[string]bool // folders that are packages
}

// readVendored reads what stands in a folder named vendor.
func readVendored(dir string) (v vendored, err error) {
	if v.modules, err = os.ReadFile(filepath.Join(dir, "modules.txt")); err != nil {
		return v, err
	}
	v.packages = map[string]bool{}
	for line := range strings.Lines(string(v.modules)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			v.packages[line] = true
		}
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && file != "modules.txt" {
			v.files = append(v.files, file)
		}
		return err
	})
	return v, err
}

// terms are files that go with whatever is below them; go mod vendor knows them by these
// names (https://go.dev/ref/mod#go-mod-vendor).
var terms = regexp.MustCompile(`^(AUTHORS|CONTRIBUTORS|COPYLEFT|COPYING|COPYRIGHT|LEGAL|LICENSE|NOTICE|PATENTS)`)

// part is what a function needs that needs these packages: their files with what they
// embed, and the terms of use. What only other platforms need is left out.
func (v *vendored) part(needed []pkg) (files []string, modules []byte) {
	is, above := map[string]bool{}, map[string]bool{}
	for _, p := range needed {
		is[p.ImportPath] = true
		for dir := p.ImportPath; dir != "."; dir = path.Dir(dir) {
			above[dir] = true
		}
	}
	for _, file := range v.files {
		dir := path.Dir(file)
		if terms.MatchString(path.Base(file)) && above[dir] {
			files = append(files, file)
			continue
		}
		for !v.packages[dir] && dir != "." {
			dir = path.Dir(dir)
		}
		if is[dir] {
			files = append(files, file)
		}
	}
	return files, v.modulesOf(is)
}

// modulesOf is modules.txt with these packages alone. Modules that go.mod names stay,
// though nothing of them is needed: the go command compares them.
func (v *vendored) modulesOf(is map[string]bool) []byte {
	var all, module bytes.Buffer
	stays := false
	end := func() {
		if stays {
			all.Write(module.Bytes())
		}
		module.Reset()
		stays = false
	}
	for lines := bufio.NewScanner(bytes.NewReader(v.modules)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "# "):
			end()
		case strings.HasPrefix(line, "## "):
			stays = stays || strings.HasPrefix(line, "## explicit")
		case is[line]:
			stays = true
		default:
			continue
		}
		module.WriteString(line + "\n")
	}
	end()
	return all.Bytes()
}
