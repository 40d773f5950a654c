package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what a call of a platform asks for.
type Kind string

// The kinds of calls.
const (
	Catalog       Kind = "catalog"
	Provision     Kind = "provision"
	FetchInstance Kind = "fetch_instance"
	Update        Kind = "update"
	Deprovision   Kind = "deprovision"
	PollInstance  Kind = "poll_instance"
	Bind          Kind = "bind"
	FetchBinding  Kind = "fetch_binding"
	Unbind        Kind = "unbind"
	PollBinding   Kind = "poll_binding"
)

// Failure is why a call has no answer.
type Failure string

// The failures.
const (
	Answered Failure = ""
	// Refused: nobody listened, so nothing was sent.
	Refused Failure = "refused"
	// Broken: the connection ended before the answer was there.
	Broken Failure = "broken"
	// TimedOut: the platform waited no longer.
	TimedOut Failure = "timed out"
)

// Key names an instance or, with Binding, one of its bindings.
type Key struct {
	Instance, Binding string
}

func (k Key) String() string {
	if k.Binding == "" {
		return "instance " + k.Instance
	}
	return "binding " + k.Binding + " of instance " + k.Instance
}

// Call is one call of a platform and what it was told.
type Call struct {
	// User is who called, and Platform with whose credentials.
	User, Platform string
	Gateway        string
	Kind           Kind
	Key            Key
	// Of is what began the operation that a poll asks about.
	Of Kind
	// Method and Target are the request line.
	Method, Target string
	Sent, Ended    time.Time

	Failure Failure
	Status  int
	// Broker is the one that answered; empty where the gateway answered by itself.
	Broker string
	// Object tells that the body is a JSON object. The rest are fields of it, and Body is its beginning.
	Object                  bool
	State, Error, Operation string
	Body                    string
	// Offerings is how many a catalog has.
	Offerings         int
	RetryAfterSeconds int
}

// Request says what was asked.
func (c *Call) Request() string {
	return fmt.Sprintf("%s by %s through %s: %s %s", c.Kind, c.User, c.Gateway, c.Method, c.Target)
}

// Answer says what was told.
func (c *Call) Answer() string {
	switch {
	case c.Failure != Answered:
		return fmt.Sprintf("%s: %s", c.Failure, c.Body)
	case c.Broker == "":
		return fmt.Sprintf("%d of the gateway: %s", c.Status, c.Body)
	}
	return fmt.Sprintf("%d of %s: %s", c.Status, c.Broker, c.Body)
}

func (c *Call) String() string { return c.Request() + ": " + c.Answer() }

// Deletes tells whether the call, or the operation that it polls, is to end the life of its key.
func (c *Call) Deletes() bool {
	return c.Kind == Deprovision || c.Kind == Unbind || c.Of == Deprovision || c.Of == Unbind
}

// Creates tells whether the call may begin the life of its key.
func (c *Call) Creates() bool { return c.Kind == Provision || c.Kind == Bind }

// ConfirmsDeletion tells whether the platform was told that the instance or binding is gone.
func (c *Call) ConfirmsDeletion() bool {
	switch {
	case !c.Deletes() || c.Failure != Answered:
		return false
	case c.Status == 410:
		return true
	case c.Of != "":
		return c.Status == 200 && c.State == "succeeded"
	default:
		return c.Status == 200 && c.Object
	}
}

// History is all calls that have ended.
type History struct {
	mu    sync.Mutex
	calls []Call
}

// Add adds a call that has ended.
func (h *History) Add(c Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
}

// Calls returns the calls in the order of their sending.
func (h *History) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := slices.Clone(h.calls)
	slices.SortStableFunc(calls, func(a, b Call) int { return a.Sent.Compare(b.Sent) })
	return calls
}

// excerpt is the beginning of a body, on one line.
func excerpt(body []byte) string {
	const enough = 160
	text := strings.Join(strings.Fields(string(body)), " ")
	if len(text) > enough {
		text = text[:enough] + "..."
	}
	return text
}
