package backend

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzAppendRequest: whatever is written is read as one request, the one that was meant.
func FuzzAppendRequest(f *testing.F) {
	f.Add("PUT", "/v2/service_instances/i", "a=b", "X-A", "b", "{}")
	f.Add("GET", "/v2/service_instances/crn%3Av1%3A%3A/last_operation", "", "X-A", "", "")
	f.Add("DELETE", "/", "operation=%20&x", "X-A", " b\t", "")
	f.Add("GET", "/x HTTP/1.1\r\nX: y", "", "X-A", "b\r\nX-B: c", "")
	f.Add("PATCH", "/é|{}\"<>", "é", "X A", "\x00", "\r\n\r\nGET / HTTP/1.1\r\n\r\n")
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body string) {
		r := Request{Method: method, Path: path, Query: query, Body: []byte(body)}
		if r.check() != nil {
			return
		}
		switch http.CanonicalHeaderKey(name) {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "User-Agent", "Pragma", "Cache-Control", "Trailer":
			return // they do not get here, or net/http takes them out of what it reads
		}
		written, err := appendRequest(nil, method, r.target(), "broker.example.com", http.Header{name: {value}}, r.Body)
		if err != nil {
			if isToken(name) && !hasControl(value) {
				t.Errorf("%q: %q is refused: %v", name, value, err)
			}
			return
		}
		line, rest, _ := strings.Cut(string(written), "\r\n")
		if want := method + " " + r.target() + " HTTP/1.1"; line != want {
			t.Errorf("the request line is %q, want %q", line, want)
		}
		// The line says what it should; what net/http makes of odd methods and paths is not the question.
		reader := bufio.NewReader(strings.NewReader("PUT / HTTP/1.1\r\n" + rest))
		if len(body) == 0 && !strings.Contains(rest, "Content-Length: 0") && strings.Contains(rest, "Content-Length") {
			t.Errorf("a length without a body in %q", rest)
		}
		read, err := http.ReadRequest(reader)
		if err != nil {
			t.Fatalf("%q cannot be read: %v", written, err)
		}
		content, err := io.ReadAll(read.Body)
		if err != nil || !bytes.Equal(content, r.Body) {
			t.Errorf("the body is read as %q, %v", content, err)
		}
		want := http.Header{http.CanonicalHeaderKey(name): {strings.Trim(value, " \t")}}
		read.Header.Del("Content-Length")
		if diff := cmp.Diff(want, read.Header); diff != "" {
			t.Errorf("the header (-want +got):\n%s", diff)
		}
		if left, _ := io.ReadAll(reader); len(left) > 0 {
			t.Errorf("behind the request there is %q", left)
		}
	})
}

// TestDirectAddress: the port of http stands where a URL has none, or an empty one.
func TestDirectAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"broker.example":      "broker.example:80",
		"broker.example:":     "broker.example:80",
		"broker.example:8080": "broker.example:8080",
		"192.0.2.1":           "192.0.2.1:80",
		"[2001:db8::1]":       "[2001:db8::1]:80",
		"[2001:db8::1]:":      "[2001:db8::1]:80",
		"[2001:db8::1]:8080":  "[2001:db8::1]:8080",
	} {
		if got := newDirect(host).address; got != want {
			t.Errorf("%q is dialled as %q, want %q", host, got, want)
		}
	}
}
