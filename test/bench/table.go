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

// row is a measurement beside the one that it is compared with.
type row struct {
	name, with      string
	measured, other series
	// target is what the ratio should be; empty for none.
	target string
}

// table writes rows for people.
func table(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %10s  %-26s %10s  %-18s %s\n", "what", "per second", "compared with", "per second", "ratio [spread]", "target")
	for _, r := range rows {
		fmt.Fprintf(&b, "%-34s %10.0f  %-26s %10.0f  %-18s %s\n",
			r.name, r.measured.median(), r.with, r.other.median(), r.measured.over(r.other).ratio(), r.target)
	}
	return b.String()
}
