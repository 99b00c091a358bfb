package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/storage"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
)

// exporter builds archives.
type exporter struct {
	db     *firestore.Client
	bucket *storage.BucketHandle
}

// progress is where a slice begins: behind the last segment that was stored.
type progress struct {
	Part     int      `json:"part"`               // of the request
	Next     int      `json:"next"`               // of the part's persons: the one at hand
	Person   int      `json:"person"`             // persons written
	Subject  *subject `json:"subject,omitempty"`  // the person at hand, once it is known who that is
	Notes    int      `json:"notes,omitempty"`    // of who is in the archive (request.Cover)
	Segments int      `json:"segments"`           //
	Packed   bool     `json:"packed,omitempty"`   // manifest, index and directory are written
	Archived bool     `json:"archived,omitempty"` // the archive is there
	Composed int      `json:"composed,omitempty"` // segments in the composed object
	Contents Result   `json:"contents"`
}

// job is a slice of one export.
type job struct {
	*exporter
	slice   *request.Slice
	project project.Project
	params  *selection
	pos     progress
	seg     *segment

	part  *request.Part // the one at hand
	partN int

	unnoted []person.Key // identities that have been found, but not noted
	batch   *batch       // the identities at hand
	ids     *knownIDs
}

// isFull reports whether the segment or the time is over.
func (j *job) isFull() bool { return j.seg.size() >= segmentSize || !j.slice.Time() }

// work does a slice of one export.
func (e *exporter) work(ctx context.Context, s *request.Slice) (request.Outcome, error) {
	out, err := e.slice(ctx, s)
	if fault.Permanent(err) {
		if _, e := objects.DeleteArchive(ctx, e.bucket, s.Project, s.ID); e != nil {
			return request.Outcome{}, e
		}
	}
	return out, err
}

func (e *exporter) slice(ctx context.Context, s *request.Slice) (request.Outcome, error) {
	var none request.Outcome
	j := &job{exporter: e, slice: s, partN: -1, seg: newSegment(s.Created), ids: newKnownIDs()}
	if s.Void {
		return none, voided()
	}
	var err error
	if j.project, err = project.Get(ctx, e.db, s.Project); err != nil {
		return none, err
	}
	if done, err := s.Resolve(ctx, j.project); err != nil || !done {
		return none, err
	}
	if j.params, err = readParams(s.Request); err != nil {
		return none, err
	}
	if err := s.Load(&j.pos); err != nil {
		return none, err
	}
	for begun := false; !begun || s.Time(); begun = true { // a slice does something, however short
		switch {
		case j.pos.Part < s.Parts:
			err = j.person(ctx)
			if err == nil && j.isFull() {
				err = j.store(ctx)
			}
		case !j.pos.Packed:
			err = j.pack(ctx)
		default:
			if done, err := j.compose(ctx); err != nil || done {
				return request.Outcome{Done: done, Result: j.pos.Contents}, err
			}
		}
		if err != nil {
			return none, err
		}
	}
	return none, nil
}

func voided() error {
	return fault.New(fault.Conflict, "somebody in it was erased meanwhile; ask again for the others")
}

// store writes the segment, if there is anything in it, and saves the position: a
// worker that is killed goes on behind it.
func (j *job) store(ctx context.Context) error {
	if len(j.seg.files) == 0 {
		return j.slice.Save(ctx, j.pos)
	}
	if err := j.check(ctx); err != nil {
		return err
	}
	list, err := json.Marshal(j.seg.files)
	if err != nil {
		return fmt.Errorf("write the list of a segment: %w", err)
	}
	name := segmentName(j.slice.Request, j.pos.Segments)
	if err := j.put(ctx, name+".json", "application/json", list); err != nil {
		return err
	}
	if err := j.put(ctx, name, "application/octet-stream", j.seg.buf.Bytes()); err != nil {
		return err
	}
	j.pos.Segments++
	j.pos.Contents.Files += len(j.seg.files)
	for _, f := range j.seg.files {
		j.pos.Contents.Events += f.Events
	}
	j.seg = newSegment(j.slice.Created)
	return j.slice.Save(ctx, j.pos)
}

// check ends the work once somebody in the archive is erased. The erasure waits
// until this worker's lease is over before it deletes what there is.
func (j *job) check(ctx context.Context) error {
	r, err := request.Get(ctx, j.db, j.slice.Project, j.slice.ID, request.Export)
	if err != nil {
		return err
	}
	if r.Void {
		return voided()
	}
	return nil
}

// put stores an object. It is sent in one piece, from memory: what fails is done
// again with the slice.
func (j *job) put(ctx context.Context, name, kind string, data []byte) error {
	w := j.bucket.Object(name).NewWriter(ctx)
	w.ChunkSize, w.ContentType = 0, kind
	_, err := io.Copy(w, bytes.NewReader(data))
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "the archive could not be stored")
	}
	return nil
}

func archiveName(r *request.Request) string {
	return objects.ArchivePrefix(r.Project, r.ID) + "archive.zip"
}

func segmentName(r *request.Request, n int) string {
	return fmt.Sprintf("%ssegments/%06d", objects.ArchivePrefix(r.Project, r.ID), n)
}
