package answers_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// answer is what a platform gets over the wire.
type answer struct {
	status int
	header http.Header
	body   string
	// interim are the statuses below 200 that came first.
	interim []int
	// head is everything before the body, the interim answers too.
	head string
}

// request is a call as it is written to the wire.
type request struct {
	method, target, body string
	// header is lines, each with a name and a value.
	header string
	// user is the platform's user; "" for that of package harness, "-" for no credentials at all.
	user string
	// version is the API version; "" for 2.17, "-" for none.
	version string
	// identity is the request identity; "" for one of its own, "-" for none.
	identity string
}

var identities atomic.Int64

// newIdentity returns a request identity that no other request has.
func newIdentity() string { return fmt.Sprintf("answers-%d", identities.Add(1)) }

// text is the request as it is written to a host.
func (r request) text(host string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.target, host)
	if r.user != "-" {
		user := r.user
		if user == "" {
			user = harness.User
		}
		fmt.Fprintf(&b, "Authorization: Basic %s\r\n",
			base64.StdEncoding.EncodeToString([]byte(user+":"+harness.Password)))
	}
	switch r.version {
	case "-":
	case "":
		b.WriteString("X-Broker-API-Version: 2.17\r\n")
	default:
		fmt.Fprintf(&b, "X-Broker-API-Version: %s\r\n", r.version)
	}
	if r.identity != "-" {
		fmt.Fprintf(&b, "X-Broker-API-Request-Identity: %s\r\n", r.identity)
	}
	for line := range strings.SplitSeq(r.header, "\n") {
		if line != "" {
			b.WriteString(line + "\r\n")
		}
	}
	chunked := strings.Contains(r.header, "Transfer-Encoding: chunked")
	if r.body != "" && !chunked {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n")
	if chunked {
		fmt.Fprintf(&b, "%x\r\n%s\r\n0\r\n\r\n", len(r.body), r.body)
	} else {
		b.WriteString(r.body)
	}
	return b.String()
}

// do sends a call and returns the answer and the call's request identity.
func do(t testing.TB, g *harness.Gateway, r request) (answer, string) {
	t.Helper()
	unique := r.identity == ""
	if unique {
		r.identity = newIdentity()
	}
	a, err := exchange(g, r.method, r.text(host(g)))
	if err != nil {
		t.Fatalf("%s %s: %v", r.method, r.target, err)
	}
	if unique { // by which its span is found
		noteTraced(g, r, a)
	}
	return a, r.identity
}

// host is the gateway's host and port.
func host(g *harness.Gateway) string { return strings.TrimPrefix(g.URL, "http://") }

// exchange writes a request to a connection of its own and reads the answer.
func exchange(g *harness.Gateway, method, text string) (answer, error) {
	conn, err := net.Dial("tcp", host(g))
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		return answer{}, err
	}
	content, err := io.ReadAll(conn)
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(method, string(content))
}

func parseAnswer(method, content string) (answer, error) {
	var a answer
	reader := bufio.NewReader(strings.NewReader(content))
	for {
		//nolint:bodyclose // its body reads from memory
		parsed, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			return a, fmt.Errorf("reading %q: %w", content, err)
		}
		if parsed.StatusCode < http.StatusOK {
			a.interim = append(a.interim, parsed.StatusCode)
			continue
		}
		body, err := io.ReadAll(parsed.Body)
		if err != nil {
			return a, err
		}
		if rest, _ := io.ReadAll(reader); len(rest) > 0 {
			return a, fmt.Errorf("%q follows the answer", rest)
		}
		a.status, a.header, a.body = parsed.StatusCode, parsed.Header, string(body)
		a.head = strings.TrimSuffix(content, a.body)
		return a, nil
	}
}

// own is what an answer of the gateway's own has to be.
type own struct {
	status int
	code   string
	// retry: there is a Retry-After.
	retry bool
	// allow is the Allow header.
	allow string
}

var (
	unauthorized         = own{status: 401, code: "Unauthorized"}
	notFound             = own{status: 404, code: "NotFound"}
	unsupportedVersion   = own{status: 412, code: "UnsupportedApiVersion"}
	badRequest           = own{status: 400, code: "BadRequest"}
	conflict             = own{status: 409, code: "Conflict"}
	concurrencyError     = own{status: 422, code: "ConcurrencyError"}
	tooLarge             = own{status: 413, code: "RequestTooLarge"}
	tooEarly             = own{status: 425, code: "TooEarly"}
	unsupportedEncoding  = own{status: 415, code: "UnsupportedEncoding"}
	ownershipUnavailable = own{status: 503, code: "OwnershipUnavailable", retry: true}
	backendUnavailable   = own{status: 503, code: "BackendUnavailable", retry: true}
	backendFailed        = own{status: 502, code: "BackendFailed"}
	backendTimeout       = own{status: 504, code: "BackendTimeout"}
)

func methodNotAllowed(allow string) own {
	return own{status: 405, code: "MethodNotAllowed", allow: allow}
}

// check compares an answer of the gateway's own with what it has to be. The identity is that of the request, or "".
func (w own) check(t testing.TB, a answer, identity string) {
	t.Helper()
	if a.status != w.status {
		t.Errorf("got status %d, want %d; the body is %q", a.status, w.status, a.body)
	}
	if err := w.checkBody(a.body); err != nil {
		t.Errorf("got the body %q: %v", a.body, err)
	}
	if got := a.header.Values("Content-Type"); len(got) != 1 || got[0] != "application/json" {
		t.Errorf("got Content-Type %q, want application/json", got)
	}
	if got := a.header.Get("Content-Length"); got != strconv.Itoa(len(a.body)) {
		t.Errorf("got Content-Length %q for %d bytes", got, len(a.body))
	}
	if got := a.header.Get("X-Broker-API-Request-Identity"); identity != "" && got != identity {
		t.Errorf("got request identity %q, want %q", got, identity)
	}
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	switch {
	case w.retry && (err != nil || seconds <= 0):
		t.Errorf("got Retry-After %q, want seconds", a.header.Get("Retry-After"))
	case !w.retry && a.header.Get("Retry-After") != "":
		t.Errorf("got Retry-After %q, want none", a.header.Get("Retry-After"))
	}
	if got := a.header.Get("Allow"); got != w.allow {
		t.Errorf("got Allow %q, want %q", got, w.allow)
	}
	if got := a.header.Get("WWW-Authenticate"); (got != "") != (w.status == http.StatusUnauthorized) {
		t.Errorf("got WWW-Authenticate %q with status %d", got, w.status)
	}
}

func (w own) checkBody(body string) error {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.DisallowUnknownFields()
	var got struct {
		Error       string `json:"error"`
		Description string `json:"description"`
	}
	switch err := decoder.Decode(&got); {
	case err != nil:
		return err
	case decoder.More():
		return errors.New("something follows the object")
	case got.Error != w.code:
		return fmt.Errorf("the error is %q, not %q", got.Error, w.code)
	case got.Description == "":
		return errors.New("there is no description")
	}
	return nil
}

func newReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }
