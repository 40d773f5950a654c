package harness

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync"
	"testing"
)

// Hold keeps calls waiting at a broker, however long, until it is released.
type Hold struct {
	method    string
	path      *regexp.Regexp
	afterWork bool
	released  chan struct{}
	once      sync.Once

	mu      sync.Mutex
	most    int // how many calls are kept; 0 for all
	taken   int
	waiting int
	done    int
}

// Only has the hold keep so many calls waiting and let the others pass.
func (h *Hold) Only(calls int) *Hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.most = calls
	return h
}

// takes tells whether one more call is to wait.
func (h *Hold) takes() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.most > 0 && h.taken >= h.most {
		return false
	}
	h.taken++
	return true
}

// HoldBefore keeps calls waiting before the broker looks at them. The method is that of the calls meant, empty for any,
// and the path a regular expression for their escaped path, which need not match all of it. It is released with the test.
func (b *Broker) HoldBefore(t testing.TB, method, path string) *Hold {
	t.Helper()
	return b.hold(t, &Hold{method: method, path: regexp.MustCompile(path)})
}

// HoldAfter is like HoldBefore, but the broker does the work and only the answer waits.
func (b *Broker) HoldAfter(t testing.TB, method, path string) *Hold {
	t.Helper()
	return b.hold(t, &Hold{method: method, path: regexp.MustCompile(path), afterWork: true})
}

func (b *Broker) hold(t testing.TB, h *Hold) *Hold {
	h.released = make(chan struct{})
	b.mu.Lock()
	b.holds = append(b.holds, h)
	b.mu.Unlock()
	t.Cleanup(h.Release)
	return h
}

// Await waits until so many calls wait, or have waited.
func (h *Hold) Await(t testing.TB, calls int) {
	t.Helper()
	Await(t, "calls to wait at the broker", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.waiting >= calls
	})
}

// Release lets the calls go on that wait, and those that come.
func (h *Hold) Release() { h.once.Do(func() { close(h.released) }) }

func (h *Hold) wait() {
	h.mu.Lock()
	h.waiting++
	h.mu.Unlock()
	<-h.released
}

// AwaitDone waits until the broker is done with so many calls that had waited.
func (h *Hold) AwaitDone(t testing.TB, calls int) {
	t.Helper()
	Await(t, "the broker to be done with calls that waited", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.done >= calls
	})
}

func (h *Hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done++
}

// ServeHTTP answers one call, or keeps it waiting.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := b.holdFor(r)
	if h == nil {
		b.Broker.ServeHTTP(w, r)
		return
	}
	defer h.end()
	// A caller that hangs up must not take the body with it: the work is done all the same.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !h.afterWork {
		h.wait()
		b.Broker.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	b.Broker.ServeHTTP(answer, r)
	h.wait()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // whoever hung up does not need it
}

func (b *Broker) holdFor(r *http.Request) *Hold {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.holds {
		select {
		case <-h.released:
			continue
		default:
		}
		if (h.method == "" || h.method == r.Method) && h.path.MatchString(r.URL.EscapedPath()) && h.takes() {
			return h
		}
	}
	return nil
}
