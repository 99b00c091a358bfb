package export

import (
	"bytes"
	"context"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/objects"
)

// Manifest is manifest.json: what is in the archive. Anybody can check the files
// against it.
type Manifest struct {
	Request   string         `json:"request"`
	Project   string         `json:"project"`
	AskedAt   time.Time      `json:"asked_at"` // what came later is not in the archive
	Selection selection      `json:"selection"`
	Persons   int            `json:"persons"`
	Events    int            `json:"events"`
	Files     []ManifestFile `json:"files"`
}

// ManifestFile is one file of the archive.
type ManifestFile struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
	Events int    `json:"events,omitempty"`
}

// pack writes the last segment, of manifest and index, and the directory of the ZIP.
func (j *job) pack(ctx context.Context) error {
	if len(j.seg.files) > 0 {
		if err := j.store(ctx); err != nil {
			return err
		}
	}
	var files []file
	for n := range j.pos.Segments {
		some, err := j.list(ctx, n)
		if err != nil {
			return err
		}
		files = append(files, some...)
	}
	m := Manifest{Request: j.slice.ID, Project: j.project.ID, AskedAt: j.slice.Created.UTC(), Selection: *j.params, Persons: j.slice.Persons}
	for _, f := range files {
		m.Events += f.Events
		m.Files = append(m.Files, ManifestFile{f.Name, f.Bytes, f.SHA256, f.Events})
	}
	var html bytes.Buffer
	if err := page.Execute(&html, newIndex(&m)); err != nil {
		return fmt.Errorf("write the index of an archive: %w", err)
	}
	if err := j.seg.add("index.html", html.Bytes()); err != nil {
		return err
	}
	own := j.seg.files[0]
	m.Files = append(m.Files, ManifestFile{own.Name, own.Bytes, own.SHA256, 0})
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write the manifest of an archive: %w", err)
	}
	if err := j.seg.add("manifest.json", append(text, '\n')); err != nil {
		return err
	}
	directory, err := tail(j.slice.Created, append(files, j.seg.files...))
	if err != nil {
		return err
	}
	if err := j.put(ctx, j.tailName(), "application/octet-stream", directory); err != nil {
		return err
	}
	j.pos.Packed = true
	return j.store(ctx)
}

func (j *job) tailName() string {
	return objects.ArchivePrefix(j.slice.Project, j.slice.ID) + "segments/directory"
}

// list reads what files a segment has.
func (j *job) list(ctx context.Context, n int) (files []file, err error) {
	r, err := j.bucket.Object(segmentName(j.slice.Request, n) + ".json").NewReader(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, unreadable(err)
	}
	if err := json.Unmarshal(text, &files); err != nil {
		return nil, fmt.Errorf("decode the list of a segment: %w", err)
	}
	return files, nil
}

func unreadable(err error) error {
	return fault.Wrap(fault.Unavailable, err, "the archive could not be read")
}

// composeMost is how many objects Cloud Storage puts together at once
// (https://cloud.google.com/storage/docs/composite-objects).
const composeMost = 32

// compose puts the segments together, as many at once as may be, each time with
// what has been put together before; done once nothing else is left.
func (j *job) compose(ctx context.Context) (done bool, err error) {
	if j.pos.Archived {
		return true, j.clear(ctx)
	}
	if err := j.check(ctx); err != nil {
		return false, err
	}
	var sources []*storage.ObjectHandle
	if j.pos.Composed > 0 {
		sources = append(sources, j.bucket.Object(j.composedName()))
	}
	n := j.pos.Composed
	for ; n < j.pos.Segments && len(sources) < composeMost; n++ {
		sources = append(sources, j.bucket.Object(segmentName(j.slice.Request, n)))
	}
	last := n == j.pos.Segments && len(sources) < composeMost
	j.pos.Composed = n
	name := j.composedName()
	if last {
		sources = append(sources, j.bucket.Object(j.tailName()))
		name = archiveName(j.slice.Request)
	}
	c := j.bucket.Object(name).ComposerFrom(sources...)
	c.ContentType = "application/zip"
	c.ContentDisposition = `attachment; filename="lethe-export-` + j.slice.ID + `.zip"`
	attrs, err := c.Run(ctx)
	if err != nil {
		return false, fault.Wrap(fault.Unavailable, err, "the archive could not be put together")
	}
	if last {
		j.pos.Archived, j.pos.Contents.Bytes = true, attrs.Size
	}
	return false, j.slice.Save(ctx, j.pos)
}

// composedName is of the object that holds the segments composed so far.
func (j *job) composedName() string {
	return fmt.Sprintf("%ssegments/composed-%06d", objects.ArchivePrefix(j.slice.Project, j.slice.ID), j.pos.Composed)
}

// clear deletes all but the archive.
func (j *job) clear(ctx context.Context) error {
	names, err := objects.Archive(ctx, j.bucket, j.slice.Project, j.slice.ID)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == archiveName(j.slice.Request) {
			continue
		}
		if err := j.bucket.Object(name).Delete(ctx); err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
			return fault.Wrap(fault.Unavailable, err, "a piece of an archive could not be deleted")
		}
	}
	return nil
}

//go:embed index.html
var pageText string

var page = template.Must(template.New("index").Parse(pageText))

// index is what the page shows.
type index struct {
	*Manifest
	Folders []folder
}

// folder is one person's.
type folder struct {
	Name   string
	Lone   bool // of an identity without its person
	Events int
	Files  []ManifestFile
}

func newIndex(m *Manifest) *index {
	i := &index{Manifest: m}
	for _, f := range m.Files {
		name, _, _ := strings.Cut(f.Name, "/")
		if len(i.Folders) == 0 || i.Folders[len(i.Folders)-1].Name != name {
			i.Folders = append(i.Folders, folder{Name: name, Lone: strings.HasPrefix(name, loneFolder)})
		}
		last := &i.Folders[len(i.Folders)-1]
		last.Events += f.Events
		last.Files = append(last.Files, f)
	}
	return i
}
