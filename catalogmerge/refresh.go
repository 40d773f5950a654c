package catalogmerge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrNoCatalog is matched by the errors of Refresh: what the backend answered is no catalog at all, and the copy before
// it stays.
var ErrNoCatalog = errors.New("not a catalog")

// maxBadOfferings is how many bad offerings an answer may hold and still count as a catalog. It bounds what nonsense
// can cost, in the list of problems and in memory.
const maxBadOfferings = 1000

// Fetch is one answer of a backend to GET /v2/catalog.
type Fetch struct {
	// Body is the answer's, and is not kept. Touch does not look at it.
	Body []byte
	// ETag is the header of the answer, or empty.
	ETag string
	// At is when the answer came.
	At time.Time
	// WithdrawAfter is how long an offering must be missing before it leaves.
	WithdrawAfter time.Duration
	// Policy says how platforms see the backend's offerings now; nil changes nothing.
	Policy *Policy
}

// Refresh returns the copy that follows previous, which is nil at first, after the backend answered GET /v2/catalog
// with 200. An error matches ErrNoCatalog.
//
// An offering that breaks a hard rule is left out with a Problem; one that breaks a soft rule is not, but has one too.
// If the backend published it before, its last good version stays instead. Of two offerings in the body with one id the
// first stands. Where two claim the same name, plan id or dashboard client, the one that was published first stands, or
// else the first in the body.
//
// An offering that the body lacks stays published, and keeps what it claims, until it was missing for WithdrawAfter.
// From then on only Known has it.
//
// The policy leaves the offerings in the copy as they are. But what it excludes has no problems and claims nothing, and
// Known remembers how everything else is shown.
func Refresh(previous *Copy, backend string, f Fetch) (*Copy, error) {
	services, err := findServices(f.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCatalog, err)
	}
	now, policy := stamp(f.At), f.Policy.orNone()
	next := follow(previous, backend, now)
	var drafts []*draft
	bad, position := 0, -1
	for raw := range elements(services) {
		position++
		d := readOffering(raw, backend, position)
		if !d.sound() {
			if bad++; bad > maxBadOfferings {
				return nil, fmt.Errorf("%w: more than %d of its offerings are bad", ErrNoCatalog, maxBadOfferings)
			}
		}
		drafts = append(drafts, d)
	}

	s := newSettlement(previous, drafts, policy)
	s.settle(now, f.WithdrawAfter)
	next.Offerings = s.offerings()
	l := learner{Known: next.Known, policy: policy}
	for i := range next.Offerings {
		l.learn(&next.Offerings[i], now)
	}
	bad = 0
	var warnings []Problem
	clean := true
	for _, d := range drafts {
		if s.published(d) {
			soft := d.softProblems()
			if policy.excludes(d.Name) {
				clean = clean && len(soft) == 0
				continue
			}
			warnings = append(warnings, soft...)
			continue
		}
		l.learn(d.asOffering(), time.Time{})
		if bad++; bad > maxBadOfferings {
			return nil, fmt.Errorf("%w: more than %d of its offerings are bad", ErrNoCatalog, maxBadOfferings)
		}
		clean = false
		if d.Name != "" && policy.excludes(d.Name) {
			continue
		}
		kept := s.keptVersionOf(d)
		for _, p := range d.allProblems() {
			p.Kept = kept
			next.Problems = append(next.Problems, p)
		}
	}
	next.Known = l.Known
	if clean && isFieldValue(f.ETag) {
		next.ETag = f.ETag
	}
	next.Problems = append(next.Problems, listed(warnings, backend)...)
	return next, nil
}

// Touch returns the copy that follows previous after the backend answered 304: the fetch counts, an offering that was
// missing for WithdrawAfter leaves, and Known learns how the others are shown now. previous is not nil.
func Touch(previous *Copy, f Fetch) *Copy {
	next := *previous
	next.FetchedAt = stamp(f.At)
	next.Offerings = nil
	l := learner{Known: previous.Known, policy: f.Policy.orNone(), shared: true}
	for i := range previous.Offerings {
		if o := &previous.Offerings[i]; !isDue(o.MissingSince, next.FetchedAt, f.WithdrawAfter) {
			next.Offerings = append(next.Offerings, *o)
			l.learn(o, next.FetchedAt)
		}
	}
	next.Known = l.Known
	return &next
}

// asOffering returns what could be read of a draft.
func (d *draft) asOffering() *Offering {
	o := d.Offering
	o.Plans = make([]Plan, len(d.plans))
	for i, p := range d.plans {
		o.Plans[i] = p.Plan
	}
	return &o
}

// isDue tells whether an offering that is missing since then has to leave; one that is not missing never has to.
func isDue(missingSince, now time.Time, withdrawAfter time.Duration) bool {
	return !missingSince.IsZero() && now.Sub(missingSince) >= withdrawAfter
}

// findServices returns the array of offerings in a backend's answer.
func findServices(body []byte) ([]byte, error) {
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		return nil, errors.New("it begins with a byte order mark")
	}
	if !json.Valid(body) {
		return nil, syntaxError(body)
	}
	body = bytes.Trim(body, jsonSpace)
	if body[0] != '{' {
		return nil, fmt.Errorf("it is %s, not an object", kindOf(body))
	}
	var services []byte
	for key, value := range members(body) {
		if string(keyName(key)) != "services" {
			continue
		}
		if services != nil {
			return nil, errors.New("it has services more than once")
		}
		services = value
	}
	if services == nil {
		return nil, errors.New("it has no services")
	}
	if services[0] != '[' {
		return nil, fmt.Errorf("its services are %s, not an array", kindOf(services))
	}
	return services, nil
}

// syntaxError says what is wrong with bytes that are not JSON.
func syntaxError(body []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(body, &value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("it is not JSON: at byte %d: %w", syntax.Offset, err)
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// isFieldValue tells whether a header value is plain enough to be sent back in a request.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
