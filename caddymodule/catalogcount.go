package caddymodule

import (
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// countOfferings counts the offerings that have problems: those that are not published as their brokers mean them, or
// not at all, and those that are, with warnings. However many problems an offering has, it is one.
func countOfferings(problems []catalogmerge.Problem) (quarantined, warned int) {
	type offering struct{ backend, name string }
	hard := make(map[offering]bool)
	for _, p := range problems {
		if p.Rule == catalogmerge.RuleNoMatch {
			continue // it is about the configuration
		}
		of := offering{p.Backend, "id " + p.Offering}
		if p.Offering == "" {
			element, _, _ := strings.Cut(p.Path, "]") // its id cannot be read: it is known by its place
			of.name = "at " + element
		}
		hard[of] = hard[of] || p.Hard
	}
	for _, isHard := range hard {
		if isHard {
			quarantined++
		} else {
			warned++
		}
	}
	return quarantined, warned
}
