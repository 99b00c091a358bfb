package event

import (
	"strings"
	"unicode/utf8"
)

// follow is the distinct_id of an event that brings none, by Mixpanel's Simplified ID
// Merge: that of the user, if there is one, else that of the device.
// https://docs.mixpanel.com/docs/tracking-methods/id-management/identifying-users-simplified
func (p *parser) follow(user, device string, bad *refusal) string {
	if id := idIn(user); id != "" && !IsNobody(id) {
		if why := badID(id); why != "" {
			bad.set("properties.$user_id", why)
		}
		return id
	}
	id := strings.TrimPrefix(idIn(device), devicePrefix)
	if id == "" || IsNobody(id) {
		return ""
	}
	if id = devicePrefix + id; badID(id) != "" {
		bad.set("properties.$device_id", badID(id))
	}
	return id
}

// badID says why a property's text cannot be an id. One as long as the longest may have
// been cut, and many people's would be the same.
func badID(id string) string {
	if utf8.RuneCountInString(id) >= MaxString {
		return "is longer than 254 characters"
	}
	return badText(id)
}

// devicePrefix is before the $device_id in the distinct_id of a device.
const devicePrefix = "$device:"

// idIn is the id in a raw value: a string, or a number in the form it was written.
func idIn(raw string) string {
	if raw != "" && isNumber(raw[0]) {
		return raw
	}
	id, _ := unquote(raw)
	return id
}
