package samplebroker

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Fault is a rule by which calls go wrong. Rules are looked through in their order, and the first that fits counts.
// They come before authentication, and never apply to /debug.
type Fault struct {
	// Method is that of the calls meant; empty for any.
	Method string `json:"method,omitempty"`
	// Path is a regular expression for their escaped path, without the query; it need not match all of it. Empty for
	// any.
	Path string `json:"path,omitempty"`
	// Times is how many calls the rule is for, after which it is dropped; 0 for all.
	Times int `json:"times,omitempty"`
	// DelayBefore passes before the call is looked at, and DelayAfter before it is answered. A caller that hangs up
	// shortens neither: the work is done all the same, as it would be at a slow broker.
	DelayBefore Duration `json:"delay_before,omitempty"`
	DelayAfter  Duration `json:"delay_after,omitempty"`
	// DropAfter is how long a call may wait to be looked at. One that waited longer, be it that the machine is busy, is
	// dropped: its connection is closed and nothing is done. 0 means that none is dropped.
	DropAfter Duration `json:"drop_after,omitempty"`
	// Action is what goes wrong, if anything but time.
	Action FaultAction `json:"action,omitempty"`
	// BeforeWork lets the action happen instead of what the call asks for. Otherwise that is done first.
	BeforeWork bool `json:"before_work,omitempty"`
	// Status, Body and ContentType make up another answer. Without ContentType it is application/json.
	Status      int    `json:"status,omitempty"`
	Body        string `json:"body,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	// DropContentType takes the Content-Type away from the answer.
	DropContentType bool `json:"drop_content_type,omitempty"`
	// Headers are set in the answer.
	Headers map[string]string `json:"headers,omitempty"`
}

// FaultAction is something that goes wrong with an answer.
type FaultAction string

// The actions. ActionAnswer sends Status, Body and ContentType as the answer. ActionClose closes the connection without
// an answer. ActionHang sends nothing until the caller hangs up. ActionTruncate announces the whole body of the answer,
// sends one half of it and closes. ActionEndless sends the body of the answer and then spaces, until the caller hangs
// up. The last two take the answer from Status, Body and ContentType where Status is given, and have to before work.
const (
	ActionNone     FaultAction = ""
	ActionAnswer   FaultAction = "answer"
	ActionClose    FaultAction = "close"
	ActionHang     FaultAction = "hang"
	ActionTruncate FaultAction = "truncate"
	ActionEndless  FaultAction = "endless"
)

// Duration is a time.Duration that is written like "1.5s" in JSON.
type Duration time.Duration

// MarshalText writes the duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the duration.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err == nil && value < 0 {
		err = errors.New("a duration must not be negative")
	}
	*d = Duration(value)
	return err
}

// ParseFaults reads a JSON list of rules.
func ParseFaults(content []byte) ([]Fault, error) { return decodeStrictly[[]Fault](content) }

// SetFaults replaces all rules.
func (b *Broker) SetFaults(rules []Fault) error { return b.faults.set(rules) }

// Faults returns the rules that are left, with how many times they still apply.
func (b *Broker) Faults() []Fault {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	rules := make([]Fault, 0, len(b.faults.rules))
	for _, r := range b.faults.rules {
		rules = append(rules, r.fault)
	}
	return rules
}

// armedFault is a rule that is ready to be used.
type armedFault struct {
	fault Fault
	path  *regexp.Regexp
}

// faultList holds the rules.
type faultList struct {
	mu    sync.Mutex
	rules []armedFault
}

func (l *faultList) set(faults []Fault) error {
	rules := make([]armedFault, 0, len(faults))
	for number, f := range faults {
		path, err := f.check()
		if err != nil {
			return fmt.Errorf("rule %d: %w", number+1, err)
		}
		rules = append(rules, armedFault{fault: f, path: path})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = rules
	return nil
}

func (f Fault) check() (*regexp.Regexp, error) {
	path, err := regexp.Compile(f.Path)
	if err != nil {
		return nil, err
	}
	if f.Times < 0 {
		return nil, errors.New("times must not be negative")
	}
	if f.Status != 0 && (f.Status < http.StatusOK || f.Status > 599) {
		return nil, fmt.Errorf("status %d is not of an answer", f.Status)
	}
	if f.Status == 0 && (f.Body != "" || f.ContentType != "") {
		return nil, errors.New("a body and a content_type need a status")
	}
	switch f.Action {
	case ActionNone, ActionClose, ActionHang:
		if f.Status != 0 {
			return nil, fmt.Errorf("action %q has no use for a status", f.Action)
		}
		if f.Action == ActionNone && f.BeforeWork {
			return nil, errors.New("before_work needs an action")
		}
	case ActionAnswer, ActionTruncate, ActionEndless:
		if f.Status == 0 && (f.BeforeWork || f.Action == ActionAnswer) {
			return nil, fmt.Errorf("action %q needs a status", f.Action)
		}
	default:
		return nil, fmt.Errorf("there is no action %q", f.Action)
	}
	return path, nil
}

// take uses the first rule that fits up by one call.
func (l *faultList) take(method, path string) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, r := range l.rules {
		if r.fault.Method != "" && r.fault.Method != method || !r.path.MatchString(path) {
			continue
		}
		switch r.fault.Times {
		case 0:
		case 1:
			l.rules = slices.Delete(l.rules, n, n+1)
		default:
			l.rules[n].fault.Times--
		}
		return r.fault, true
	}
	return Fault{}, false
}
