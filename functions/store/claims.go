package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// claimsMost is how many claims one message carries, so that it is worked on in time.
const claimsMost = 100

// claimsFresh is how long this process does not publish again what it has published: an
// event of a logged-in user says each time whose the device is.
const claimsFresh = time.Minute

// claim is a statement of an event, as it travels to the link worker.
type claim struct {
	identity.Claim
	Speaker  event.Speaker `json:"speaker"`
	Received event.Millis  `json:"received"`
	Message  string        `json:"message"`
	Index    int           `json:"index"`

	erased int64 // when the person of the event was erased last: what a link was before, it is no more
}

// linkTask is the data of a message on the topic of links.
type linkTask struct {
	Claims []claim    `json:"claims,omitempty"`
	Spread person.Key `json:"spread,omitempty"` // a person whose opt-outs are to be spread
	Settle person.Key `json:"settle,omitempty"` // an identity whose link has left something to be done
}

// pair names a claim in the cache: the same may be said by another right, and again after
// an erasure.
type pair struct {
	project, who, whose string
	by                  event.Speaker
	either, users       bool
	erased              int64
}

func pairOf(project string, c claim) pair {
	return pair{project, c.Who, c.Whose, c.Speaker, c.Either, c.Users, c.erased}
}

// publishClaims sends the claims of stored events to the link worker, each once.
func (s *server) publishClaims(ctx context.Context, project string, claims []claim) error {
	var news []claim
	first := map[pair]int{}
	for _, c := range claims {
		p := pairOf(project, c)
		if at, ok := s.claimed.Get(p); ok && at <= c.Received {
			continue
		}
		i, seen := first[p]
		switch {
		case !seen:
			first[p] = len(news)
			news = append(news, c)
		case c.Received < news[i].Received:
			news[i] = c
		}
	}
	for some := range slices.Chunk(news, claimsMost) {
		if err := s.publishTask(ctx, project, linkTask{Claims: some}); err != nil {
			return err
		}
	}
	for _, c := range news {
		s.claimed.Add(pairOf(project, c), c.Received)
	}
	return nil
}

func (s *server) publishTask(ctx context.Context, project string, t linkTask) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write claims: %w", err)
	}
	return s.links.Publish(ctx, data, map[string]string{queue.AttrProject: project})
}
