package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/retention"
)

// request stores a request that was made and finished so long ago.
func (o *office) request(id string, kind request.Kind, st request.Status, made, finished time.Time) {
	o.t.Helper()
	r := request.Request{Project: "app", Kind: kind, Status: st, Origin: request.API, Created: made, Finished: finished, Persons: 1, Params: "secret"}
	if _, err := request.Ref(o.Default, "app", id).Set(o.t.Context(), r); err != nil {
		o.t.Fatal(err)
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	// One month from the 31st of January ends on the last of February.
	o.request("a", request.Export, request.Done, day("2026-01-31"), day("2026-02-28"))
	o.request("b", request.Export, request.Done, day("2026-01-31"), day("2026-03-01"))
	o.request("c", request.Export, request.Failed, day("2026-01-01"), day("2026-01-02"))
	o.request("d", request.Deletion, request.Running, time.Now(), time.Time{})
	o.request("e", request.Deletion, request.Cancelled, day("2026-01-01"), day("2026-01-02"))
	run := map[string]any{"day": "2026-02-01", "started": day("2026-02-01"), "finished": day("2026-02-02"), "days": 30, "counts": map[string]int{"events": 7}, "oldest": "2026-01-02"}
	if _, err := o.Default.Doc("projects/app/retention_runs/2026-02-01").Set(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	change := retention.Change{Number: 3, Days: 90, Rules: []retention.Rule{{Event: "e", Days: 7}}, By: "k", At: day("2026-01-01"),
		Pending: &retention.Pending{Days: 30, EffectiveAt: day("2026-01-02")}}
	if _, err := o.Default.Doc("projects/app/retention_history/3").Set(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	g := o.grant("sue@example.com", "")
	o.write(access.Entry{Actor: "a", Action: "person.read"})
	o.seal()

	jws := string(o.get("/v1/evidence", http.StatusOK))
	var e admin.Evidence
	if err := receipt.Open(jws, receipt.EvidenceType, o.signer.Keys(), &e); err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Verify(jws, o.signer.Keys()); err == nil {
		t.Error("taken for a receipt")
	}
	if e.Issuer != "https://api.example.com" || e.Project != "app" || len(e.Cut) != 0 || len(e.Keys) != 1 || len(e.Settings) != 1 || e.StaffForbidden {
		t.Errorf("%+v", e)
	}
	late := map[string]bool{}
	for _, r := range e.Requests {
		late[r.ID] = r.Late
	}
	if want := "map[a:false b:true c:true d:false e:false]"; fmt.Sprint(late) != want {
		t.Errorf("late: %v, want %s", late, want)
	}
	s := e.Statistics[0]
	if s.Kind != request.Export || s.Count != 3 || s.ByStatus[request.Done] != 2 || s.Late != 2 || *s.MaxSeconds != 29*24*3600 || *s.MedianSeconds != 29*24*3600 {
		t.Errorf("%+v", s)
	}
	if len(e.Grants) != 1 || e.Grants[0].ID != g.ID || e.Grants[0].Email != "" || e.Staff.Members != 4 || e.Staff.Trained != 4 || e.Staff.Confidential != 4 {
		t.Errorf("%+v %+v", e.Grants, e.Staff)
	}
	if len(e.Retention) != 1 || e.Retention[0].Counts["events"] != 7 || e.RetentionDays != project.DefaultRetentionDays {
		t.Errorf("%+v", e.Retention)
	}
	if h := e.RetentionHistory; len(h) != 1 || h[0].Days != 90 || len(h[0].Rules) != 1 || h[0].By != "k" || h[0].Pending.Days != 30 || !h[0].Pending.EffectiveAt.Equal(day("2026-01-02")) {
		t.Errorf("%+v", h)
	}
	if e.AccessLog == nil || e.AccessLog.Key != o.key.Public || !strings.Contains(e.AccessLog.Checkpoint, "app") {
		t.Errorf("%+v", e.AccessLog)
	}
	plain := string(o.get("/v1/evidence?format=json", http.StatusOK))
	for _, secret := range []string{o.Key, project.Hash(o.Key), "example.com/hook", "sue@", "secret"} {
		if strings.Contains(plain, secret) {
			t.Errorf("holds %q: %s", secret, plain)
		}
	}
	o.get("/v1/evidence?format=xml", http.StatusBadRequest)
	local.Refused(t, local.Call(t.Context(), o.api, http.MethodGet, "/v1/evidence", o.newKey(project.Privacy), ""), http.StatusForbidden)
}

// Lists are cut after the newest 1,000, and that is said.
func TestEvidenceIsBounded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	w := o.Default.BulkWriter(t.Context())
	var jobs []*firestore.BulkWriterJob
	for i := range 1001 {
		r := request.Request{Project: "app", Kind: request.Export, Status: request.Done, Created: time.Now().Add(time.Duration(i) * time.Second)}
		job, err := w.Create(request.Ref(o.Default, "app", fmt.Sprintf("%04d", i)), r)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, job)
	}
	w.End()
	for _, job := range jobs {
		if _, err := job.Results(); err != nil {
			t.Fatal(err)
		}
	}
	var e admin.Evidence
	local.Answered(t, local.Call(t.Context(), o.api, http.MethodGet, "/v1/evidence?format=json", o.Key, ""), &e)
	if fmt.Sprint(e.Cut) != "[requests]" || len(e.Requests) != 1000 || e.Requests[0].ID != "1000" || e.Requests[999].ID != "0001" || e.AccessLog != nil {
		t.Error(e.Cut, len(e.Requests))
	}
}
