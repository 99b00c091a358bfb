package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/receipt"
)

// request is one data-subject request, of whichever kind: the API's answers have the same
// names for the same things.
type request struct {
	ID         string    `json:"id"`
	Status     string    `json:"status"`
	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	By         string    `json:"by"`
	Failure    string    `json:"failure"`
	Persons    *int      `json:"persons"`
	Scope      string    `json:"scope"`
	Progress   *struct {
		Stage  string `json:"stage"`
		Events int    `json:"events"`
	} `json:"progress"`

	// Who may be meant, while it waits for a confirmation, and who has decided then.
	Hinted     []hinted  `json:"hinted"`
	MoreHinted int       `json:"more_hinted"`
	DecidedAt  time.Time `json:"decided_at"`
	DecidedBy  string    `json:"decided_by"`

	// Of an export.
	From     string `json:"from"`
	To       string `json:"to"`
	Format   string `json:"format"`
	URL      string `json:"url"`
	Gone     string `json:"gone"`
	Contents *struct {
		Events, Files int
		Bytes         int64
	} `json:"contents"`
	// Of a deletion.
	Suppress bool            `json:"suppress"`
	Stores   *receipt.Stores `json:"stores"`
	// Of a rectification.
	Reason string `json:"reason"`
	Counts *struct {
		Persons int            `json:"persons"`
		Profile map[string]int `json:"profile"`
		Events  map[string]int `json:"events"`
	} `json:"counts"`
}

// open reports whether it is not finished.
func (r *request) open() bool { return r.Status == "queued" || r.Status == "running" }

// kind is a kind of requests.
type kind struct {
	key    string // in the paths of the API and of the dashboard
	name   string
	plural string
}

var kinds = []kind{{"exports", "Export", "Exports"}, {"deletions", "Deletion", "Deletions"}, {"rectifications", "Correction", "Corrections"}}

// kindOf finds the kind of a path.
func kindOf(v *visit) (kind, error) {
	for _, k := range kinds {
		if k.key == v.r.PathValue("kind") {
			return k, nil
		}
	}
	return kind{}, fault.New(fault.NotFound, "there is nothing at this address")
}

// requestURL is the page of a request.
func requestURL(kind, id string) string { return "/data-requests/" + kind + "/" + url.PathEscape(id) }

// How often a page with something under way asks again, in seconds. Each time is a look
// at the log of accesses, hence not more often.
const (
	refreshOne  = 3
	refreshList = 15
)

// refresh has the browser ask again for the page, without the notice that it has told,
// until the visitor stops that (https://www.w3.org/TR/WCAG22/#timing-adjustable). It
// returns what to say of it, and the link that turns it off or on.
func (v *visit) refresh(seconds int) (text string, turn anchor) {
	if v.query.Get("refresh") == "no" {
		return "Reload the page to see how far it is.", anchor{"Look again by itself", v.again("refresh", "")}
	}
	if v.query.Get("format") == "" {
		v.w.Header().Set("Refresh", strconv.Itoa(seconds)+"; url="+v.again("notice", ""))
	}
	return "This page looks again every " + strconv.Itoa(seconds) + " seconds.", anchor{"Stop looking again", v.again("refresh", "no")}
}

// requestsPage answers GET /data-requests.
func (s *server) requestsPage(v *visit) error {
	lists := make([]struct {
		Exports, Deletions, Rectifications []request
		NextCursor                         string `json:"next_cursor"`
	}, len(kinds))
	g, ctx := errgroup.WithContext(v.ctx)
	for i, k := range kinds {
		if !v.may(http.MethodGet, "/v1/"+k.key) {
			continue
		}
		q := url.Values{}
		if status := v.query.Get("status"); status != "" {
			q.Set("status", status)
		}
		if cursor := v.query.Get(k.key); cursor != "" {
			q.Set("cursor", cursor)
		}
		g.Go(func() error { return v.api.get(ctx, "/v1/"+k.key, q, &lists[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	page := sheet{Title: "Requests"}
	head := section{Text: []string{"What was asked for persons: to export, delete or correct what is known of them. A single person's requests are made on the page Person."}}
	if v.may(http.MethodPost, "/v1/exports") {
		head.Buttons = []anchor{{"New request", "/data-requests/new"}}
	} else if !v.may(http.MethodGet, "/v1/exports") {
		head.Text = []string{"Requests take a key of the role privacy or admin; you are signed in as " + v.session.Role + "."}
	}
	if v.may(http.MethodGet, "/v1/exports") {
		head.Forms = []*form{{Do: "status", Get: true, Action: "/data-requests", Button: "Show", Row: true, Fields: []field{{Name: "status", Label: "State", Kind: kindChoice,
			Options: choice(v.query.Get("status"), "", "all", "queued", "queued", "running", "running", needsConfirmation, words[needsConfirmation], "done", "done", "failed", "failed", "cancelled", "cancelled")}}}}
	}
	page.add(head)
	under := false // way
	for i, k := range kinds {
		if !v.may(http.MethodGet, "/v1/"+k.key) {
			continue
		}
		all := [][]request{lists[i].Exports, lists[i].Deletions, lists[i].Rectifications}[i]
		part := section{Heading: k.plural, Table: &table{ID: k.key, Caption: k.plural + ", the newest first", Columns: []string{"Request", "State", "Made", "Finished", "Made by key"}},
			Empty: "None. One is made on the page of a person, or with New request."}
		if v.query.Get("status") != "" {
			part.Empty = "None in this state."
		}
		for _, r := range all {
			part.Table.Rows = append(part.Table.Rows, []any{anchor{r.ID, requestURL(k.key, r.ID)}, word(r.Status), at(r.CreatedAt), at(r.FinishedAt), text(r.By)})
			under = under || r.open()
		}
		if lists[i].NextCursor != "" {
			part.More = &anchor{"Older " + k.plural, v.again(k.key, lists[i].NextCursor)}
		}
		page.add(part)
	}
	if under {
		text, turn := v.refresh(refreshList)
		page.Sections[0].Text = append(page.Sections[0].Text, text)
		page.Sections[0].Links = []anchor{turn}
	}
	return v.show(page)
}

// requestPage answers GET /data-requests/{kind}/{id}.
func (s *server) requestPage(v *visit) error {
	k, err := kindOf(v)
	if err != nil {
		return err
	}
	return v.showRequest(http.StatusOK, k, nil)
}

// showRequest answers with the request's page; refused is the form that was sent, if the
// API did not take it.
func (v *visit) showRequest(status int, k kind, refused *form) error {
	r, err := v.request(k)
	if err != nil {
		return err
	}
	page := sheet{Title: k.name, Back: &anchor{"Requests", "/data-requests"}}
	state := r.stateSection(k)
	if r.open() {
		text, turn := v.refresh(refreshOne)
		state.Text, state.Links = []string{"It is " + r.Status + ". " + text}, []anchor{turn}
	}
	if r.Status == "queued" && k.key != "rectifications" && v.may(http.MethodDelete, "/v1/"+k.key+"/{id}") {
		state.Forms = []*form{{Do: "cancel", Action: requestURL(k.key, r.ID), Button: "Cancel", Text: []string{"While it is queued it can be cancelled; nothing has been done yet."}}}
	}
	page.add(state)
	if r.Status == needsConfirmation {
		waits, err := r.hintedSection(v, k)
		if err != nil {
			return err
		}
		page.add(waits)
	}
	page.add(r.partSections(v)...)
	if refused != nil {
		page.put(refused)
	}
	return v.showAs(status, page)
}

// request reads the request that the page is of.
func (v *visit) request(k kind) (*request, error) {
	r := &request{}
	return r, v.api.get(v.ctx, "/v1/"+k.key+"/"+url.PathEscape(v.r.PathValue("id")), nil, r)
}

// requestAction answers POST /data-requests/{kind}/{id}: it is cancelled, or it is said
// who is meant.
func (s *server) requestAction(v *visit) error {
	k, err := kindOf(v)
	if err != nil {
		return err
	}
	do, id := v.form.Get("do"), v.r.PathValue("id")
	at, notice := "/v1/"+k.key+"/"+url.PathEscape(id), ""
	switch {
	case k.key == "rectifications":
		return unknownForm()
	case do == "cancel":
		err, notice = v.api.send(v.ctx, http.MethodDelete, at, nil, nil), "cancelled"
	case do == "confirm":
		meant := map[string][]string{"distinct_ids": append([]string{}, v.form["distinct_ids"]...)}
		err, notice = v.api.send(v.ctx, http.MethodPost, at+"/confirm", meant, nil), "confirmed"
	case do == "refuse":
		err, notice = v.api.send(v.ctx, http.MethodPost, at+"/refuse", nil, nil), "refused"
	default:
		return unknownForm()
	}
	if refused := invalid(err); refused != nil && refused.Status != http.StatusNotFound {
		return v.showRequest(refused.Status, k, &form{Do: do, Problem: refused})
	}
	if err != nil {
		return err
	}
	return v.redirect(requestURL(k.key, id) + "?notice=" + notice)
}
