package backends_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
	"github.com/osb-gateway/caddy-osb-gateway/test/platforms"
)

// client is a platform that calls the gateway and does what its kind does about the answers.
type client struct {
	name string
	platforms.Platform
	header http.Header
}

var clients = []client{
	// Cloud Foundry neither asks for compressed answers nor understands them.
	{"Cloud Foundry", platforms.CloudFoundry{}, http.Header{"Accept-Encoding": {"identity"}}},
	{"service catalog", platforms.ServiceCatalog{}, nil},
	{"Korifi", platforms.Korifi{}, nil},
}

// each is what each of the clients does, in their order.
type each [3]platforms.Reaction

const (
	success = platforms.Success
	polls   = platforms.Poll
	fails   = platforms.Fail
	clean   = platforms.Mitigate
	cleanUp = platforms.MitigateAgain
	again   = platforms.Again
)

var (
	everybody = each{success, success, success}
	// doubtful are those whom an answer of 5xx tells that something may be left of a creation.
	doubtful = each{clean, cleanUp, again}
	refusal  = each{fails, again, again}
	comeBack = each{again, again, again}
	keepOn   = each{polls, polls, polls}
)

// badAnswer is something that a broker may do in place of a good answer, and what the clients do next.
type badAnswer struct {
	name   string
	answer func(http.ResponseWriter, *http.Request)
	// provision, bind, deprovision and poll are what the clients do when a call of this kind is answered so; poll is of
	// a deletion.
	provision, bind, deprovision, poll each
}

// lost is an answer in whose place the gateway answers 502 or 504, of which all make the same.
func lost(name string, answer func(http.ResponseWriter, *http.Request)) badAnswer {
	return badAnswer{name, answer, doubtful, each{clean, clean, again}, comeBack, keepOn}
}

// status is an answer that refuses with a status.
func status(code int, provision, bind each) badAnswer {
	return badAnswer{
		fmt.Sprint(code), says(code, `{"description":"no"}`, "Content-Type: application/json"), provision, bind, comeBack, keepOn,
	}
}

func badAnswers() []badAnswer {
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	final := each{fails, fails, again}
	unlucky := each{clean, clean, again}
	all := []badAnswer{
		lost("401", says(401, `{}`, "WWW-Authenticate: Basic")),
		lost("407", says(407, `{}`, "Proxy-Authenticate: Basic")),
		lost("302", says(302, "", "Location: /elsewhere")),
		lost("307", says(307, "", "Location: /elsewhere")),
		lost("304", says(304, "")),
		lost("HTML with 500", says(500, "<html>", "Content-Type: text/html")),
		lost("nothing with 500", says(500, "")),
		lost("HTML with 503", says(503, "<html>", "Content-Type: text/html")),
		lost("cut short", writes(ok+"Content-Length: 100\r\n\r\n{", nil)),
		lost("no last chunk", writes(ok+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", nil)),
		lost("without end", writes(ok+"\r\n{", floods)),
		lost("wrong length", writes(ok+"Content-Length: -2\r\n\r\n{}", nil)),
		lost("slow header", writes("HTTP/1.1 200 OK\r\nContent-Ty", waits)),
		lost("slow body", writes(ok+"Content-Length: 100\r\n\r\n{", waits)),
		lost("no answer", writes("", waits)),
		lost("reset", writes("", resets)),
		lost("closed", writes("", nil)),
		lost("another protocol", writes("SSH-2.0-OpenSSH_9.6\r\n", nil)),
		lost("500", says(500, `{"description":"no"}`)),
		lost("502", says(502, `{"description":"no"}`)),
		lost("503", says(503, `{"description":"no"}`, "Retry-After: 1")),
		lost("504", says(504, `{"description":"no"}`)),
		status(403, refusal, final), status(404, refusal, final), status(408, refusal, final), status(412, refusal, final),
		status(429, refusal, final), status(409, each{fails, again, fails}, each{fails, fails, fails}),
		{"HTML with 404", says(404, "<html>", "Content-Type: text/html"), refusal, final, comeBack, keepOn},
		// A poll of Cloud Foundry and of the service catalog ends with a 400; the deletion is asked for again.
		{"400", says(400, `{}`), each{fails, fails, fails}, each{fails, fails, fails}, comeBack, each{fails, fails, polls}},
		{
			"422 AsyncRequired", says(422, `{"error":"AsyncRequired"}`),
			each{fails, again, fails},
			each{fails, fails, fails},
			comeBack, keepOn,
		},
		{
			"422 of another error", says(422, `{"error":"Odd"}`), each{clean, again, fails}, each{clean, fails, fails}, comeBack, keepOn,
		},
		{"204", says(204, ""), doubtful, unlucky, comeBack, keepOn},
		// What platforms want an object in, the gateway answers with one where OSB has an empty one.
		{"nothing with 200", says(200, ""), each{fails, again, again}, each{fails, fails, again}, everybody, keepOn},
		{"nothing with 201", says(201, ""), doubtful, unlucky, comeBack, keepOn},
		{"nothing with 202", says(202, ""), doubtful, unlucky, comeBack, keepOn},
	}
	created := `{"dashboard_url":"https://x"}`
	return append(all,
		badAnswer{
			"HTTP/1.0", writes("HTTP/1.0 200 OK\r\n\r\n{\"state\":\"succeeded\"}", nil), everybody, everybody, everybody, everybody,
		},
		badAnswer{
			"interim answers", writes("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 29\r\n\r\n"+
				created, nil), everybody, everybody, comeBack, keepOn,
		},
		badAnswer{
			// Nobody but Cloud Foundry minds.
			"gzip that nobody asked for", says(201, zipped(created), "Content-Encoding: gzip"),
			each{clean, success, success},
			each{clean, success, success},
			comeBack, keepOn,
		},
	)
}

// subject is what a client makes and deletes: an instance, or a binding of one.
type subject struct {
	client
	t       *testing.T
	g       *harness.Gateway
	w       *worker
	id      string
	binding bool
}

func (s subject) path() string {
	if s.binding {
		return "/v2/service_instances/" + s.id + "/service_bindings/b"
	}
	return "/v2/service_instances/" + s.id
}

// send sends a call and reads the answer.
func (s subject) send(method, rest, body string) platforms.Answer {
	s.t.Helper()
	response := s.g.Do(s.t, harness.Request{Method: method, Target: s.path() + rest, Body: body, Header: s.header})
	answer := platforms.Answer{Status: response.Status, Binding: s.binding, Deletes: true}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(response.Body), &object) == nil && object != nil {
		answer.Object = true
		_ = json.Unmarshal(object["state"], &answer.State)
		_ = json.Unmarshal(object["error"], &answer.Error)
	}
	switch status := answer.Status; {
	case status == 401, status == 407, status/100 == 3:
		s.t.Errorf("%s %s: got %d, which must never go up", method, s.path(), status)
	case status == 408, status == 404 && s.w.has(s.path()):
		if answer.Error == "NotFound" {
			s.t.Errorf("%s %s: the gateway says %d of what is there", method, s.path(), status)
		}
	}
	return answer
}

const ids = "?service_id=w-id&plan_id=w-plan"

func (s subject) create() platforms.Answer {
	return s.send(http.MethodPut, "", `{"service_id":"w-id","plan_id":"w-plan"}`)
}

func (s subject) remove() platforms.Answer { return s.send(http.MethodDelete, ids, "") }

// removeAll does what orphan mitigation does: it deletes until it is told that nothing is there. Then nothing must be
// there.
func (s subject) removeAll() {
	s.t.Helper()
	harness.Await(s.t, "the deletion to succeed", func() bool { return s.Delete(s.remove()) == success })
	if s.w.has(s.path()) {
		s.t.Errorf("%s was told that %s is deleted, and the broker holds it", s.name, s.path())
	}
}

// createAgain sends the creation until it succeeds.
func (s subject) createAgain() {
	s.t.Helper()
	harness.Await(s.t, "the creation to succeed", func() bool { return s.Create(s.create()) == success })
	if !s.w.has(s.path()) {
		s.t.Errorf("%s was told that %s is there, and the broker does not hold it", s.name, s.path())
	}
}

// goOn does what a reaction to a creation means, and then deletes what was made. Where the platform does nothing, the
// user may still ask for a deletion, and it reaches the broker.
func (s subject) goOn(reaction platforms.Reaction) {
	s.t.Helper()
	switch reaction {
	case again:
		s.createAgain()
	case clean:
		s.removeAll()
	case cleanUp:
		s.removeAll()
		s.createAgain()
	case success, fails, polls:
	}
	s.removeAll()
}

func (s subject) want(call string, got, want platforms.Reaction, answer platforms.Answer) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s reads %d (object %t, error %q) of %s as %q, want %q", s.name, answer.Status, answer.Object, answer.Error, call, got, want)
	}
}

// TestClients has a broker misbehave on calls of three platforms, before it did the work and after it, has them do what
// they do next, and sees that nothing is lost by it.
func TestClients(t *testing.T) {
	t.Parallel()
	w := newWorker(t, func(s *httptest.Server) { s.Start() })
	g := harness.Start(t, harness.Options{Block: strings.Join([]string{
		"store memory", "catalog {\n\trefresh 1h\n}", "max_response_body 256KiB", harness.Platform("main", ""),
		w.backend("w", "timeout 5s\nsettle 1ms\nbreaker off\nmax_in_flight 10000\ntransport http {\n\tkeepalive off\n}"),
	}, "\n")})
	var number atomic.Int64
	for _, bad := range badAnswers() {
		for which, c := range clients {
			for _, works := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s/works %t", bad.name, c.name, works)
				newSubject := func(t *testing.T, binding bool) subject {
					s := subject{c, t, g, w, fmt.Sprintf("i%d-", number.Add(1)), binding}
					if binding {
						s.binding = false
						s.createAgain()
						s.binding = true
					}
					return s
				}
				m := misbehaviour{works, bad.answer}
				for what, want := range map[string]each{"provision": bad.provision, "bind": bad.bind} {
					t.Run(name+"/"+what, func(t *testing.T) {
						t.Parallel()
						s := newSubject(t, what == "bind")
						w.misbehave(s.id, http.MethodPut, m)
						answer := s.create()
						w.behave(s.id, http.MethodPut)
						got := s.Create(answer)
						s.want(what, got, want[which], answer)
						s.goOn(got)
					})
				}
				t.Run(name+"/deprovision", func(t *testing.T) {
					t.Parallel()
					s := newSubject(t, false)
					s.createAgain()
					w.misbehave(s.id, http.MethodDelete, m)
					answer := s.remove()
					w.behave(s.id, http.MethodDelete)
					s.want("deprovision", s.Delete(answer), bad.deprovision[which], answer)
					if s.Delete(answer) != success {
						s.removeAll()
					}
				})
				t.Run(name+"/poll", func(t *testing.T) {
					t.Parallel()
					s := newSubject(t, false)
					s.createAgain()
					if got := s.send(http.MethodDelete, ids+"&accepts_incomplete=true", ""); got.Status != http.StatusAccepted {
						t.Fatalf("got %d, want 202", got.Status)
					}
					w.misbehave(s.id, http.MethodGet, m)
					answer := s.send(http.MethodGet, "/last_operation"+ids, "")
					w.behave(s.id, http.MethodGet)
					s.want("poll", s.Poll(answer), bad.poll[which], answer)
					s.removeAll()
				})
			}
		}
	}
}

// front is a way to a broker that can be blocked.
type front struct {
	listener net.Listener
	target   string
	blocked  atomic.Bool
}

func startFront(t *testing.T, target string) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, target: target}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go f.carry(conn)
		}
	}()
	return f
}

// carry carries bytes, or says what no server of TLS says.
func (f *front) carry(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if f.blocked.Load() {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		return
	}
	there, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer func() { _ = there.Close() }()
	go func() {
		_, _ = io.Copy(there, conn)
		_ = there.Close()
	}()
	_, _ = io.Copy(conn, there)
}

// TestClientsOfUnreachedBrokers is TestClients where the broker cannot be connected to: refused, or TLS fails. Nothing is
// sent, and no deletion is taken for done.
func TestClientsOfUnreachedBrokers(t *testing.T) {
	t.Parallel()
	w := newWorker(t, func(s *httptest.Server) {
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
	})
	authority := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw})
	if err := os.WriteFile(authority, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	way := startFront(t, w.Listener.Addr().String())
	backend := func(url string) string {
		return fmt.Sprintf("backend w %s {\n\tsettle 1ms\n\tbreaker off\n\ttransport http {\n\t\tkeepalive off\n"+
			"\t\ttls_trust_pool file %s\n\t\ttls_server_name example.com\n\t}\n}", url, authority)
	}
	options := func() harness.Options {
		return harness.Options{Block: strings.Join([]string{
			"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", ""),
			backend("https://" + way.listener.Addr().String()),
		}, "\n")}
	}
	g := harness.Start(t, options())
	subjects := make(map[string]subject)
	for _, c := range clients {
		for _, kind := range []string{"tls", "refused"} {
			s := subject{c, t, g, w, "there-" + strings.ReplaceAll(c.name, " ", "-") + "-" + kind, false}
			s.createAgain()
			subjects[c.name+kind] = s
		}
	}
	unreached := func(kind string) {
		for which, c := range clients {
			held := subjects[c.name+kind]
			fresh := subject{c, t, g, w, "new-" + strings.ReplaceAll(c.name, " ", "-") + "-" + kind, false}
			answer := fresh.create()
			fresh.want(kind+": provision", fresh.Create(answer), doubtful[which], answer)
			if got := fresh.Delete(fresh.remove()); got != success { // known never to have been sent
				t.Errorf("%s, %s: the mitigation of what was never sent is read as %q", c.name, kind, got)
			}
			bound := held
			bound.binding = true
			answer = bound.create()
			bound.want(kind+": bind", bound.Create(answer), each{clean, clean, again}[which], answer)
			answer = held.remove()
			held.want(kind+": deprovision", held.Delete(answer), again, answer)
			answer = held.send(http.MethodGet, "/last_operation", "")
			held.want(kind+": poll", held.Poll(answer), polls, answer)
			if answer.Status != http.StatusServiceUnavailable || !w.has(held.path()) {
				t.Errorf("%s, %s: got %d", c.name, kind, answer.Status)
			}
		}
	}
	way.blocked.Store(true)
	unreached("tls")
	way.blocked.Store(false)
	for _, c := range clients {
		subjects[c.name+"tls"].removeAll()
	}
	_ = way.listener.Close()
	unreached("refused")
	listener, err := net.Listen("tcp", way.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go way.carry(conn)
		}
	}()
	for _, c := range clients {
		subjects[c.name+"refused"].removeAll()
	}
}
