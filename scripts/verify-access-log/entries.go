package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/lethe-analytics/lethe/shared/access"
)

// entries downloads all entries. An answer has an end in time: that of a long log is cut
// off, and it goes on after the last entry that came, until none comes any more.
func (d *download) entries(ctx context.Context) error {
	f, err := os.OpenFile(d.dir.path(entriesFile), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for cursor := ""; ; {
		last, err := d.entriesAfter(ctx, cursor, f)
		if err == nil || last == "" || ctx.Err() != nil {
			return errors.Join(err, f.Close())
		}
		fmt.Fprintln(d.out, "the answer was cut off; going on after", last)
		cursor = last
	}
}

// entriesAfter writes the entries after a cursor, and the last that it has written. What
// comes after that, and has no id to go on from, it writes only at the end of all.
func (d *download) entriesAfter(ctx context.Context, cursor string, to io.Writer) (last string, err error) {
	path := "/v1/access-log?format=ndjson"
	if cursor != "" {
		path += "&cursor=" + url.QueryEscape(cursor)
	}
	body, err := d.open(ctx, path)
	if err != nil {
		return "", err
	}
	defer body.Close()
	lines := bufio.NewReaderSize(body, 64<<10)
	var held []byte
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			_, err := to.Write(held)
			return last, err
		}
		if err != nil {
			return last, err
		}
		held = append(held, line...)
		id := idOf(line)
		if id == "" {
			continue
		}
		if _, err := to.Write(held); err != nil {
			return "", err
		}
		held, last = held[:0], id
	}
}

// idOf is the id of an entry that is as it was written; empty if it is not.
func idOf(line []byte) string {
	var l access.Line
	var said access.Entry
	if json.Unmarshal(line, &l) != nil || l.Altered || json.Unmarshal(l.Entry, &said) != nil {
		return ""
	}
	return said.ID
}
