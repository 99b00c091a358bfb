package person

// CoversPerson reports whether a request that names this identity covers the whole
// person. A user's identity does. One that only a device has made stands for itself,
// unless the request asks for the person: who knows the device need not be the user.
func (s *Standing) CoversPerson(asked bool) bool {
	return s.Alone() || s.Own.Doc.Identified != "" || asked
}
