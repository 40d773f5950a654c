package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Story is what is to be told of one instance: all that concerns it and its bindings, in order.
type Story struct {
	Began    time.Time
	Instance string
	Calls    []Call
	Lives    []Life
	Steps    []Done
	// Logs are what the gateways wrote, by their names.
	Logs map[string]string
	// Records are what the store holds, by their keys.
	Records map[string]string
}

type event struct {
	at   time.Time
	text string
}

// String returns the story, a line for each thing that happened.
func (s *Story) String() string {
	var events []event
	var first, last time.Time
	note := func(at time.Time, format string, arguments ...any) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		events = append(events, event{at, fmt.Sprintf(format, arguments...)})
	}
	for n := range s.Calls {
		if call := &s.Calls[n]; call.Key.Instance == s.Instance {
			note(call.Sent, "call %d: %s", n, call.Request())
			note(call.Ended, "answer to %d: %s", n, call.Answer())
		}
	}
	for _, life := range s.Lives {
		if life.Key.Instance != s.Instance {
			continue
		}
		note(life.From, "     %s holds %s", life.Broker, life.Key)
		if !life.To.IsZero() {
			note(life.To, "     %s does not hold %s any more", life.Broker, life.Key)
		}
	}
	for _, step := range s.Steps {
		if step.From.Before(last) && step.To.After(first) {
			note(step.From, "     chaos: %s begins", step.Step)
			note(step.To, "     chaos: %s is over", step.Step)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var text strings.Builder
	for _, e := range events {
		fmt.Fprintf(&text, "%9.3fs %s\n", e.at.Sub(s.Began).Seconds(), e.text)
	}
	for _, gateway := range sortedKeys(s.Logs) {
		for line := range strings.Lines(s.Logs[gateway]) {
			if strings.Contains(line, s.Instance) {
				fmt.Fprintf(&text, "log of %s: %s\n", gateway, strings.TrimSpace(line))
			}
		}
	}
	for _, key := range sortedKeys(s.Records) {
		if strings.Contains(key, s.Instance) {
			fmt.Fprintf(&text, "record %s: %s\n", key, s.Records[key])
		}
	}
	return strings.ReplaceAll(text.String(), s.Instance, "<id>")
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
