package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// insertIDLength is how much of a hash makes a $insert_id: 128 bits, which are under
// the 36 bytes that one may have.
const insertIDLength = 32

// millisecondsFrom tells seconds from milliseconds, as the server does.
const millisecondsFrom = 31_536_000_000

// prepare makes the record that is sent of a line of an export: with a $insert_id, and
// with its time in UTC.
func prepare(line []byte, zone *time.Location) ([]byte, error) {
	var record struct {
		Event      json.RawMessage            `json:"event"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return nil, errors.New("is not a JSON object of an event and its properties")
	}
	if record.Event == nil || record.Properties == nil {
		return nil, errors.New("has no event or no properties")
	}
	if id := record.Properties["$insert_id"]; id == nil || string(id) == "null" || string(id) == `""` {
		delete(record.Properties, "$insert_id")
		content, err := json.Marshal(record) // names in order, without space
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		sum := sha256.Sum256(content)
		record.Properties["$insert_id"] = json.RawMessage(strconv.Quote(hex.EncodeToString(sum[:])[:insertIDLength]))
	}
	if zone != nil {
		if at, ok := inUTC(record.Properties["time"], zone); ok {
			record.Properties["time"] = at
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil { // ends the line
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return out.Bytes(), nil
}

// inUTC takes a time for that of a clock in a zone. Of an hour that the clock showed
// twice it is the first or the second, as package time has it. What is no whole number
// is left for the server to judge.
func inUTC(raw json.RawMessage, zone *time.Location) (json.RawMessage, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return nil, false
	}
	unit := int64(1000)
	if n >= millisecondsFrom {
		unit = 1
	}
	shown := time.UnixMilli(n * unit).UTC()
	at := time.Date(shown.Year(), shown.Month(), shown.Day(), shown.Hour(), shown.Minute(), shown.Second(), shown.Nanosecond(), zone)
	return strconv.AppendInt(nil, at.UnixMilli()/unit, 10), true
}
