package main

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// compare names what is not as it was sealed, in the order of the places.
func compare(all *entries, sealed []tlog.Hash) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	placeOf := make(map[tlog.Hash]int, len(sealed))
	for i, h := range sealed {
		placeOf[h] = i
	}
	foundAs := map[tlog.Hash]string{} // what was found elsewhere or without a place
	for _, i := range slices.Sorted(maps.Keys(all.placed)) {
		for _, e := range all.placed[i] {
			foundAs[e.hash] = fmt.Sprintf("%s, which now says place %d", e.id, i)
		}
	}
	for _, e := range all.unplaced {
		foundAs[e.hash] = e.id + ", which now says that it was never sealed"
	}
	for i, want := range sealed {
		here := all.placed[int64(i)]
		right := slices.IndexFunc(here, func(e entry) bool { return e.hash == want })
		if len(here) == 0 {
			if as, ok := foundAs[want]; ok {
				bad("reordered: the entry of place %d is %s", i, as)
			} else {
				bad("removed: the entry of place %d, after %s", i, before(all, i))
			}
		}
		for n, e := range here {
			j, known := placeOf[e.hash]
			switch {
			case n == right && e.altered:
				bad("altered: entry %s at place %d: its document does not agree with it", e.id, i)
			case n == right:
			case known:
				bad("reordered: entry %s of place %d stands at place %d", e.id, j, i)
			case right < 0 && len(here) == 1:
				bad("altered: entry %s at place %d", e.id, i)
			default:
				bad("inserted: entry %s at place %d", e.id, i)
			}
		}
		if right < 0 && len(here) > 1 {
			bad("altered or removed: the entry of place %d", i)
		}
	}
	for _, i := range slices.Sorted(maps.Keys(all.placed)) {
		if i >= 0 && i < int64(len(sealed)) {
			continue
		}
		for _, e := range all.placed[i] {
			bad("inserted: entry %s says place %d, which no checkpoint has", e.id, i)
		}
	}
	for _, e := range all.unplaced {
		if j, known := placeOf[e.hash]; known && len(all.placed[int64(j)]) > 0 {
			bad("inserted: entry %s, once more", e.id)
		} else if !known && (e.altered || all.newest.Sub(e.at) > late) {
			bad("inserted: entry %s is not sealed, though later ones are", e.id)
		}
	}
	return problems
}

// before names the entry before a place.
func before(all *entries, place int) string {
	if place == 0 {
		return "nothing: it was the first"
	}
	if here := all.placed[int64(place-1)]; len(here) > 0 {
		return "entry " + here[0].id
	}
	return "another that is not there"
}
