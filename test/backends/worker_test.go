package backends_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// worker is a broker that remembers what it made, and misbehaves on some of it.
type worker struct {
	*httptest.Server

	mu    sync.Mutex
	holds map[string]bool // by path
	// faults are misbehaviours by a part of the path and the method.
	faults map[fault]misbehaviour
}

type fault struct{ part, method string }

// misbehaviour is an answer, and whether the work is done before it.
type misbehaviour struct {
	works  bool
	answer func(http.ResponseWriter, *http.Request)
}

func newWorker(t *testing.T, start func(*httptest.Server)) *worker {
	t.Helper()
	w := &worker{holds: make(map[string]bool), faults: make(map[fault]misbehaviour)}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	start(w.Server)
	t.Cleanup(w.Close)
	return w
}

func (w *worker) serve(out http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasSuffix(path, "/v2/catalog") {
		_, _ = io.WriteString(out, `{"services":[{"id":"w-id","name":"w","description":"d","bindable":true,`+
			`"plans":[{"id":"w-plan","name":"p","description":"d"}]}]}`)
		return
	}
	found, ok := w.fault(path, r.Method)
	switch {
	case ok && !found.works:
		found.answer(out, r)
		return
	case ok:
		_, _ = io.Copy(io.Discard, r.Body)
		w.work(path, r.Method, r.URL.Query().Has("accepts_incomplete"))
		found.answer(out, r)
		return
	}
	status, body := w.work(path, r.Method, r.URL.Query().Has("accepts_incomplete"))
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(status)
	_, _ = io.WriteString(out, body)
}

// work does what is asked for.
func (w *worker) work(path, method string, async bool) (status int, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path, poll := strings.CutSuffix(path, "/last_operation")
	held := w.holds[path]
	switch {
	case poll && held:
		return 200, `{"state":"succeeded"}`
	case poll:
		return 410, `{}`
	case method == http.MethodPut && held:
		return 200, `{}`
	case method == http.MethodPut:
		w.holds[path] = true
		return 201, `{}`
	case method == http.MethodDelete && held && async:
		delete(w.holds, path)
		return 202, `{}`
	case method == http.MethodDelete && held:
		delete(w.holds, path)
		return 200, `{}`
	case method == http.MethodDelete:
		return 410, `{}`
	case held:
		return 200, `{}`
	}
	return 404, `{}`
}

// misbehave has the broker misbehave on a method of what has a part in its path.
func (w *worker) misbehave(part, method string, m misbehaviour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults[fault{part, method}] = m
}

// behave undoes misbehave.
func (w *worker) behave(part, method string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.faults, fault{part, method})
}

func (w *worker) fault(path, method string) (misbehaviour, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f, m := range w.faults {
		if f.method == method && strings.Contains(path, f.part) {
			return m, true
		}
	}
	return misbehaviour{}, false
}

// has tells whether the broker holds what a path names.
func (w *worker) has(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holds[path]
}

// says answers with a status, lines of a header and a body.
func says(status int, body string, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range header {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// writes sends bytes in place of an answer, and goes on as then does.
func writes(text string, then func(*net.TCPConn)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		hijacked, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = hijacked.Close() }()
		conn := hijacked.(*net.TCPConn)
		_, _ = io.WriteString(conn, text)
		if then != nil {
			then(conn)
		}
	}
}

// waits keeps the connection open until the other side closes it.
func waits(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }

// resets has the connection end with a reset.
func resets(conn *net.TCPConn) { _ = conn.SetLinger(0) }

// floods sends without end.
func floods(conn *net.TCPConn) {
	filler := strings.Repeat(" ", 64<<10)
	for {
		if _, err := io.WriteString(conn, filler); err != nil {
			return
		}
	}
}

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func (w *worker) backend(name, lines string) string {
	return fmt.Sprintf("backend %s %s {\n\t%s\n}", name, w.URL, lines)
}
