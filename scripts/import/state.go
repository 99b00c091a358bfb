package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// state says how far an import is: all before it has been stored or refused.
type state struct {
	Bytes    int64  `json:"bytes"` // of the input, uncompressed
	Lines    int    `json:"lines"`
	Stored   int    `json:"stored"`
	Rejected int    `json:"rejected"`
	Size     int64  `json:"size"` // of the file; another size is another file
	Zone     string `json:"tz"`
}

// readState reads the state of an input, or a new one.
func readState(path string, size int64, zone string) (state, error) {
	fresh := state{Size: size, Zone: zone}
	if path == "" {
		return fresh, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return fresh, fmt.Errorf("%s is not a state of an import; remove it to begin anew", path)
	}
	switch {
	case s.Size != size:
		return fresh, fmt.Errorf("the file has changed since it was begun; remove %s to begin anew (what is sent again counts once)", path)
	case s.Zone != zone:
		return fresh, fmt.Errorf("it was begun with -tz %q; an event would come twice, at two times", s.Zone)
	}
	return s, nil
}

// save replaces the state as a whole.
func (s state) save(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
