package dashboard

// refusedStatement is what was said of a person without effect.
type refusedStatement struct {
	Count int    `json:"count"`
	More  bool   `json:"more"`
	What  string `json:"what"`
	Why   string `json:"why"`
}

// noRoom tells of profile operations that found the profile full.
type noRoom struct {
	Operations int `json:"operations"`
	LimitBytes int `json:"limit_bytes"`
}

// noEffectSections tell what was said of the person without effect; none if nothing was.
func (p *subject) noEffectSections() []section {
	if len(p.facts.Refused) == 0 && p.facts.NoRoom == nil {
		return nil
	}
	s := section{Heading: "What had no effect"}
	if n := p.facts.NoRoom; n != nil {
		s.Warning = "The profile is full: it holds " + whole(int64(n.LimitBytes)) + " bytes at most. Changes that had no effect since then: " + whole(int64(n.Operations)) + "."
	}
	if len(p.facts.Refused) > 0 {
		s.Text = []string{"This was said of the person by somebody who may not say so. Nothing has changed by it."}
		s.Table = &table{ID: "no-effect", Caption: "Said without effect", Columns: []string{"What was said", "Why it has no effect", "Times"}}
	}
	for _, r := range p.facts.Refused {
		times := whole(int64(r.Count))
		if r.More {
			times += " or more"
		}
		s.Table.Rows = append(s.Table.Rows, []any{r.What, text(r.Why), times})
	}
	return []section{s}
}

// coverage tells which ids a request for the person covers.
func (p *subject) coverage() (said []string) {
	switch n := p.facts.Identities; {
	case n == 1:
		said = append(said, "It covers this one id: no other is known to be the person's.")
	case n > 1:
		said = append(said, "It covers all "+whole(int64(n))+" ids of the person.")
	}
	if len(p.provisional()) > 0 {
		said = append(said, "Ids whose link is not confirmed are not covered. Where they are the same person, confirm the link before.")
	}
	return said
}
