package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const webhooksURL = "/settings/webhooks"

// hook is an endpoint of the customer's that is told of events.
type hook struct {
	ID         string    `json:"id"`
	URL        string    `json:"url"`
	Events     []string  `json:"events"`
	Secret     string    `json:"secret"`
	OldUntil   time.Time `json:"old_secret_until"`
	CreatedAt  time.Time `json:"created_at"`
	DisabledAt time.Time `json:"disabled_at"`
}

type delivery struct {
	Webhook   string    `json:"webhook_id"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Attempts  int       `json:"attempts"`
	Code      int       `json:"code"`
	Failure   string    `json:"failure"`
	CreatedAt time.Time `json:"created_at"`
	LastAt    time.Time `json:"last_at"`
	NextAt    time.Time `json:"next_at"`
	MS        int64     `json:"ms"`
}

func (v *visit) hooks() ([]hook, error) {
	var a struct{ Webhooks []hook }
	err := v.api.get(v.ctx, "/v1/webhooks", nil, &a)
	return a.Webhooks, err
}

func webhookList(v *visit) error { return shower(showWebhooks).got(v) }

func showWebhooks(v *visit, status int, refused *form, first ...section) error {
	hooks, err := v.hooks()
	if err != nil {
		return err
	}
	var log struct {
		Deliveries []delivery
		NextCursor string `json:"next_cursor"`
	}
	q := url.Values{}
	if cursor := v.query.Get("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	if err := v.api.get(v.ctx, "/v1/webhooks/deliveries", q, &log); err != nil {
		return err
	}
	t := &table{ID: "webhooks", Caption: "Webhooks", Columns: []string{"Address", "Events", "Made", "State"}}
	for _, h := range hooks {
		t.Rows = append(t.Rows, []any{anchor{h.URL, webhooksURL + "/" + h.ID}, strings.Join(h.Events, ", "), at(h.CreatedAt), h.state()})
	}
	sent := &table{ID: "deliveries", Caption: "Deliveries, the newest first", Columns: []string{"Time", "Event", "State", "Attempts", "Answer", "Next attempt", "Webhook"}}
	for _, d := range log.Deliveries {
		sent.Rows = append(sent.Rows, []any{at(d.CreatedAt), d.Type, word(d.Status), d.Attempts, d.answer(), at(d.NextAt), d.Webhook})
	}
	page := v.settings("Webhooks")
	page.add(section{Text: []string{"Your systems are told of requests that finish, of grants for staff, and of incidents, by signed POSTs in the form of Standard Webhooks. Choose one to test, rotate or delete it."}, Table: t, Empty: "No webhooks yet."},
		section{Forms: []*form{webhookForm()}})
	deliveries := section{Heading: "Deliveries", Table: sent, Empty: "Nothing was sent yet. A test is sent on the page of a webhook."}
	if log.NextCursor != "" {
		deliveries.More = &anchor{"Older deliveries", v.again("cursor", log.NextCursor)}
	}
	page.add(deliveries)
	return v.end(status, page, refused, first)
}

func (h *hook) state() string {
	if h.DisabledAt.IsZero() {
		return "✓ on"
	}
	return "✗ off: it answered 410 Gone"
}

// answer is how a delivery was answered, as a cell.
func (d *delivery) answer() any {
	if d.Code > 0 {
		return fmt.Sprint(d.Code)
	}
	return text(d.Failure)
}

// eventTypes are those that a webhook may take, in words.
var eventTypes = []string{"request.done", "a request is done", "request.failed", "a request has failed",
	"request.needs_confirmation", "it is not certain whom a request means", "grant.created", "staff ask for access",
	"grant.approved", "access of staff is approved", "grant.ended", "access of staff has ended", "incident.opened", "an incident is known",
	"incident.updated", "an incident is updated", "incident.reminder", "an incident waits to be acknowledged", "incident.closed", "an incident is closed"}

func webhookForm() *form {
	types := choice("", eventTypes...)
	for i := range types {
		types[i].Name = types[i].Value + ": " + types[i].Name
		types[i].Chosen = true
	}
	return &form{Do: "create", Action: webhooksURL, Legend: "New webhook…", Folded: true, Button: "Make the webhook", Fields: []field{
		{Name: "url", Label: "Address", Kind: "url", Required: true, Max: 2000, Placeholder: "https://example.com/lethe"},
		{Name: "events", Label: "Told of", Kind: kindChecks, Options: types},
	}}
}

// createWebhook answers POST /settings/webhooks.
func createWebhook(v *visit) error {
	body := map[string]any{"url": v.form.Get("url"), "events": slices.Concat([]string{}, v.form["events"])}
	var made hook
	if err := v.api.send(v.ctx, http.MethodPost, "/v1/webhooks", body, &made); err != nil {
		return v.saved(showWebhooks, webhookForm(), err, "")
	}
	return showWebhooks(v, http.StatusOK, nil, once("The secret that signs what is sent", made.Secret))
}

func (v *visit) hook() (*hook, error) {
	hooks, err := v.hooks()
	if err != nil {
		return nil, err
	}
	return pick(v, hooks, func(h *hook) string { return h.ID })
}

func webhookPage(v *visit) error { return shower(showWebhook).got(v) }

func showWebhook(v *visit, status int, refused *form, first ...section) error {
	h, err := v.hook()
	if err != nil {
		return err
	}
	page := v.settings("Webhook")
	page.Back = &anchor{"All webhooks", webhooksURL}
	page.add(section{Facts: []fact{{"Address", h.URL}, {"State", h.state()}, {"Made", at(h.CreatedAt)}, {"Told of", strings.Join(h.Events, ", ")}, {"Old secret signs too, until", at(h.OldUntil)}}},
		section{Forms: h.forms()})
	return v.end(status, page, refused, first)
}

func (h *hook) forms() []*form {
	here := webhooksURL + "/" + url.PathEscape(h.ID)
	return []*form{
		{Do: "test", Action: here, Button: "Send a test", Text: []string{"Sends an event of the type test, and shows the answer."}},
		{Do: "rotate", Action: here, Legend: "Rotate the secret…", Folded: true, Button: "Rotate", Text: []string{"Makes a new secret. For a day the old one signs too."}},
		{Do: "delete", Action: here, Legend: "Delete…", Folded: true, Button: "Delete", Danger: true, Text: []string{"Nothing is sent there any more, what waits for another attempt included."}, Fields: []field{sureField("Yes, delete this webhook")}},
	}
}

// webhookAction answers POST /settings/webhooks/{id}.
func webhookAction(v *visit) error {
	h, err := v.hook()
	if err != nil {
		return err
	}
	forms, at := h.forms(), "/v1/webhooks/"+url.PathEscape(h.ID)
	switch v.form.Get("do") {
	case "test":
		var d delivery
		if err := v.api.send(v.ctx, http.MethodPost, "/v1/webhooks/test", map[string]string{"id": h.ID}, &d); err != nil {
			return v.saved(showWebhook, forms[0], err, "")
		}
		result := section{Heading: "The test", Facts: []fact{{"State", word(d.Status)}, {"Answer", d.answer()}, {"Milliseconds", d.MS}}}
		if d.Status != "delivered" {
			result.Warning = "The test was not taken: the address must answer with a status from 200 to 299."
		}
		return showWebhook(v, http.StatusOK, nil, result)
	case "rotate":
		var made hook
		if err := v.api.send(v.ctx, http.MethodPost, at+"/rotate", nil, &made); err != nil {
			return v.saved(showWebhook, forms[1], err, "")
		}
		return showWebhook(v, http.StatusOK, nil, once("The new secret", made.Secret))
	case "delete":
		err := v.sure()
		if err == nil {
			err = v.api.send(v.ctx, http.MethodDelete, at, nil, nil)
		}
		return v.saved(showWebhook, forms[2], err, webhooksURL+"?notice=deleted")
	}
	return unknownForm()
}
