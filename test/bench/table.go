package bench

import (
	"fmt"
	"slices"
	"strings"
)

// series are measurements of one thing, one a round.
type series []float64

func (s series) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// over divides round by round: what was slow in a round was slow for both.
func (s series) over(other series) series {
	ratios := make(series, min(len(s), len(other)))
	for i := range ratios {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}

// ratio writes a ratio with its spread over the rounds.
func (s series) ratio() string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f-%.2f]", s.median(), slices.Min(s), slices.Max(s))
}

// measured is what was measured of one thing: answers a second, and the microseconds of processor that the process spent
// on each, which other programs on the machine disturb less.
type measured struct{ rate, cpu series }

// row is a measurement beside the one that it is compared with.
type row struct {
	name, with string
	got, other measured
	// target is what the ratio should be; empty for none.
	target string
}

// table writes rows for people. Above 1 the first of the two is better, in both ratios.
func table(rows []row) string {
	var b strings.Builder
	line := func(columns ...any) {
		fmt.Fprintf(&b, "%-28s %8s %8s  %-33s %8s %8s  %-18s %-18s %s\n", columns...)
	}
	line("what", "per s", "CPU us", "compared with", "per s", "CPU us", "ratio [spread]", "CPU [spread]", "target")
	number := func(s series) string { return fmt.Sprintf("%.0f", s.median()) }
	for _, r := range rows {
		line(r.name, number(r.got.rate), number(r.got.cpu), r.with, number(r.other.rate), number(r.other.cpu),
			r.got.rate.over(r.other.rate).ratio(), r.other.cpu.over(r.got.cpu).ratio(), r.target)
	}
	return b.String()
}
