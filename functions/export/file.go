package export

import (
	"encoding/json"
	"fmt"
)

// arrayFile writes a JSON array into a file of the person's folder. What does not fit
// into a segment goes on in another file.
type arrayFile struct {
	*job
	name  string
	open  bool
	items int
}

// add writes an item, in the file at hand or a new one.
func (f *arrayFile) add(item any) error {
	f.begin()
	text := []byte(",\n  ")
	if f.items == 0 {
		text = []byte("\n  ")
	}
	f.items++
	b, err := json.MarshalIndent(item, "  ", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	if _, err := f.seg.Write(append(text, b...)); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// begin opens a file, unless one is open.
func (f *arrayFile) begin() {
	if f.open {
		return
	}
	who := f.pos.Subject
	who.File++
	f.open, f.items = true, 0
	name := f.name + ".json"
	if who.File > 1 {
		name = fmt.Sprintf("%s-%04d.json", f.name, who.File)
	}
	f.seg.create(f.folder() + name)
	_, _ = f.seg.Write([]byte{'['}) // into memory
}

// end ends the file at hand. There is one, of no items, if there was nothing to write.
func (f *arrayFile) end(last bool) error {
	if last && f.pos.Subject.File == 0 {
		f.begin()
	}
	if !f.open {
		return nil
	}
	f.open = false
	end := "\n]\n"
	if f.items == 0 {
		end = "]\n"
	}
	if _, err := f.seg.Write([]byte(end)); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return f.seg.end()
}

// addJSON writes a whole file of the person's folder.
func (j *job) addJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return j.seg.add(j.folder()+name, append(text, '\n'))
}
