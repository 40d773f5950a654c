package answers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// rawBroker is a broker that is no more than a socket: it keeps what it gets byte for byte, and writes what it was told
// to. Without instructions it is in favour of everything.
type rawBroker struct {
	URL string

	catalog string
	// done ends with the test.
	done context.Context

	mu       sync.Mutex
	requests []rawRequest
	scripts  map[string]script
	// closes: after each answer of its own it closes the connection, and says so.
	closes bool
}

// rawRequest is a request as it came over the wire.
type rawRequest struct {
	Method, Target, Protocol string
	// Head is everything before the body, Body what follows it.
	Head, Body string
	Header     http.Header
}

// script answers a request. The connection is kept for another one if it returns true.
type script func(c *net.TCPConn, r rawRequest) (keep bool)

// startRawBroker starts a broker with a catalog. It ends with the test.
func startRawBroker(t testing.TB, catalog string) *rawBroker {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &rawBroker{
		URL: "http://" + listener.Addr().String(), catalog: catalog, done: ctx, scripts: make(map[string]script),
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
				defer stop()
				defer func() { _ = conn.Close() }()
				b.talk(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		open.Wait()
	})
	return b
}

func (b *rawBroker) talk(conn *net.TCPConn) {
	reader := bufio.NewReader(conn)
	for {
		request, err := readRawRequest(reader)
		if err != nil {
			return
		}
		if !b.note(request)(conn, request) {
			return
		}
	}
}

// readRawRequest reads a request with a body of announced length.
func readRawRequest(reader *bufio.Reader) (rawRequest, error) {
	var head strings.Builder
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return rawRequest{}, err
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
	}
	parsed, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head.String())))
	if err != nil {
		return rawRequest{}, err
	}
	line, _, _ := strings.Cut(head.String(), "\r\n")
	words := strings.SplitN(line, " ", 3)
	r := rawRequest{Method: words[0], Target: words[1], Protocol: words[2], Head: head.String(), Header: parsed.Header}
	if r.Header.Get("Transfer-Encoding") != "" || len(parsed.TransferEncoding) > 0 {
		return rawRequest{}, fmt.Errorf("the gateway sent a chunked body: %q", r.Head)
	}
	length, _ := strconv.Atoi(r.Header.Get("Content-Length"))
	body := make([]byte, length)
	if _, err := io.ReadFull(reader, body); err != nil {
		return rawRequest{}, err
	}
	r.Body = string(body)
	return r, nil
}

// note keeps a request and finds the script for it.
func (b *rawBroker) note(r rawRequest) script {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r)
	for part, s := range b.scripts {
		if strings.Contains(r.Target, part) {
			return s
		}
	}
	return b.agree
}

// agree answers as a broker does that made, changed or removed what was asked for.
func (b *rawBroker) agree(c *net.TCPConn, r rawRequest) bool {
	path, _, _ := strings.Cut(r.Target, "?")
	status, body := "200 OK", "{}"
	switch {
	case strings.HasSuffix(path, "/v2/catalog"):
		body = b.catalog
	case strings.Contains(path, "/bluemix_v1/") && r.Method == http.MethodPut:
		status, body = "204 No Content", ""
	case r.Method == http.MethodPut:
		status = "201 Created"
	case strings.HasSuffix(path, "/last_operation"):
		body = `{"state":"succeeded"}`
	}
	header := "Content-Type: application/json"
	if b.closes {
		header += "\nConnection: close"
	}
	return write(c, reply(status, header, body)) && !b.closes
}

// reply is an answer of HTTP/1.1 with a length. The header is lines.
func reply(status, header, body string) string {
	if header != "" {
		header = strings.TrimSuffix(strings.ReplaceAll(header, "\n", "\r\n"), "\r\n") + "\r\n"
	}
	if !strings.HasPrefix(status, "204") && !strings.HasPrefix(status, "304") {
		header += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	return "HTTP/1.1 " + status + "\r\n" + header + "\r\n" + body
}

func write(c *net.TCPConn, text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

// says answers with a text, and keeps the connection.
func says(text string) script {
	return func(c *net.TCPConn, _ rawRequest) bool { return write(c, text) }
}

// saysAndCloses answers with a text, which the end of the connection ends.
func saysAndCloses(text string) script {
	return func(c *net.TCPConn, _ rawRequest) bool {
		write(c, text)
		return false
	}
}

// on makes a script answer the requests whose target has a part.
func (b *rawBroker) on(part string, s script) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scripts[part] = s
}

// off undoes on.
func (b *rawBroker) off(part string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.scripts, part)
}

// got returns the requests that came whose target has a part, by any of these methods; none means all.
func (b *rawBroker) got(part string, methods ...string) []rawRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []rawRequest
	for _, r := range b.requests {
		if strings.Contains(r.Target, part) && (len(methods) == 0 || strings.Contains(strings.Join(methods, " "), r.Method)) {
			found = append(found, r)
		}
	}
	return found
}

// gotIdentity returns the requests that came with a request identity.
func (b *rawBroker) gotIdentity(identity string) []rawRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []rawRequest
	for _, r := range b.requests {
		if r.Header.Get("X-Broker-API-Request-Identity") == identity {
			found = append(found, r)
		}
	}
	return found
}

// backend is the backend block for the broker, with more lines inside.
func (b *rawBroker) backend(name, lines string) string {
	return fmt.Sprintf("backend %s %s {\n\tbasic_auth gateway %s\n\t%s\n}\n", name, b.URL, harness.BrokerPassword, lines)
}

var firstOffer = regexp.MustCompile(`"id":("[^"]*").*?"plans":\[\{"id":("[^"]*")`)

// offers returns the ids of the first offering and its first plan, as members of a body.
func (b *rawBroker) offers() string {
	ids := firstOffer.FindStringSubmatch(b.catalog)
	return `"service_id":` + ids[1] + `,"plan_id":` + ids[2]
}
