// Command sdk builds the browser SDK: lethe.js becomes sdk.js, a classic script with
// the global lethe, and sdk.mjs, a module; both minified, for browsers of 2018.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// source is the one file that is built.
const source = "lethe.js"

// formats are the files that are built.
var formats = map[string]api.Format{"sdk.js": api.FormatIIFE, "sdk.mjs": api.FormatESModule}

func main() {
	log.SetFlags(0)
	const dir = "sdk" // go generate runs in the package of ingest
	for name, format := range formats {
		text, err := build(dir, format)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

// build makes one file from the source in a folder.
func build(dir string, format api.Format) ([]byte, error) {
	o := api.BuildOptions{
		EntryPoints: []string{filepath.Join(dir, source)}, Bundle: true, Format: format, Target: api.ES2018,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		// A browser that knows modules and not this does not run the module at all; it has sdk.js.
		Supported: map[string]bool{"import-meta": true},
		Banner:    map[string]string{"js": "/* Lethe's browser SDK. Apache-2.0. */"},
	}
	if format == api.FormatIIFE {
		o.GlobalName = "lethe"
		o.Define = map[string]string{"import.meta.url": "document.currentScript.src"}
	}
	r := api.Build(o)
	var all []error
	for _, m := range append(r.Errors, r.Warnings...) {
		all = append(all, fmt.Errorf("esbuild: %s", m.Text))
	}
	if len(all) > 0 {
		return nil, errors.Join(all...)
	}
	return r.OutputFiles[0].Contents, nil
}
