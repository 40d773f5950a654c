package caddymodule_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// patience is how long anything that must happen may take. It is no measurement: a machine may be very busy.
const patience = 2 * time.Minute

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s; the goroutines:\n%s", what, goroutines())
		}
		<-ticker.C
	}
}

func goroutines() string {
	buffer := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			return string(buffer[:n])
		}
		buffer = make([]byte, 2*len(buffer))
	}
}

// awaitEndOfGateways waits until no goroutine of a gateway or of a store is left.
func awaitEndOfGateways(t *testing.T) {
	t.Helper()
	await(t, "the end of all gateways", func() bool {
		stacks := goroutines()
		return !strings.Contains(stacks, "caddy-osb-gateway/caddymodule.(*") &&
			!strings.Contains(stacks, "caddy-osb-gateway/routing") &&
			!strings.Contains(stacks, "caddy-osb-gateway/internal/platform")
	})
}

// broker is a sample broker whose creates can be held back.
type broker struct {
	*samplebroker.Broker
	server *httptest.Server
	url    string

	mu sync.Mutex
	// held is closed to let go of the creates that wait; nil while none is to wait.
	held chan struct{}
	// arrived gets one for each create that waits.
	arrived chan struct{}
}

// The offering and plan of these tests' brokers.
const planOf = "%s-small"

// startBroker starts a broker with one offering: its id is the name, that of its plan planOf.
func startBroker(t *testing.T, name string) *broker {
	t.Helper()
	sample, err := samplebroker.New(samplebroker.Options{
		User: "gateway", Password: secretPassword,
		Catalog: fmt.Appendf(nil, `{"services": [{
			"id": "%[1]s", "name": "%[1]s", "description": "An offering.", "bindable": true, "instances_retrievable": true,
			"plans": [{"id": "%[1]s-small", "name": "small", "description": "A plan."}]
		}]}`, name),
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{Broker: sample, arrived: make(chan struct{}, 16)}
	b.server = httptest.NewServer(b)
	b.url = b.server.URL
	t.Cleanup(func() {
		b.letGo()
		sample.Close()
		b.server.Close()
	})
	return b
}

// ServeHTTP makes creates wait while they are to be held.
func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	held := b.held
	b.mu.Unlock()
	if held != nil && r.Method == http.MethodPut {
		b.arrived <- struct{}{}
		<-held
	}
	b.Broker.ServeHTTP(w, r)
}

// hold makes creates wait until letGo is called.
func (b *broker) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = make(chan struct{})
}

func (b *broker) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held != nil {
		close(b.held)
		b.held = nil
	}
}

// block is the backend block of the broker.
func (b *broker) block(name, lines string) string {
	return fmt.Sprintf("backend %s %s {\n\tbasic_auth gateway %s\n%s\n}\n", name, b.url, secretPassword, lines)
}

// fetches counts how often the catalog was asked for.
func (b *broker) fetches() int {
	count := 0
	for _, request := range b.Requests() {
		if strings.HasPrefix(request.RequestURI, "/v2/catalog") {
			count++
		}
	}
	return count
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// server is a Caddy within this process, which has room for one. Its tests are not parallel.
type server struct {
	// address is where the gateway serves.
	address string
	// data is Caddy's data directory, and log the file that it logs to.
	data, log string
}

// startServer prepares a Caddy with its own directories. It ends with the test.
func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{address: freeAddress(t), data: useOwnDirectories(t), log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() {
		s.stop(t)
		s.checkLog(t)
	})
	return s
}

// stop stops Caddy and waits until everything of its last configuration is gone.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	awaitEndOfGateways(t)
}

// checkLog looks for panics in the log, which callers take for a connection that was cut.
func (s *server) checkLog(t *testing.T) {
	t.Helper()
	content, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, "panic") {
			t.Errorf("the log tells of a panic: %s", line)
		}
	}
}

// config is a Caddyfile with a gateway on the server's address, beside the metrics; more sites may follow.
func (s *server) config(block string, more ...string) string {
	return s.options() + fmt.Sprintf("http://%s {\nbind 127.0.0.1\nhandle /metrics {\nmetrics\n}\nosb_gateway {\n%s\n}\n"+
		"respond elsewhere 418\n}\n%s", s.address, block, strings.Join(more, "\n"))
}

// options are the global options.
func (s *server) options() string {
	return strings.Replace(quiet, "output discard", "output file "+s.log, 1)
}

// load loads a configuration in the place of the one that runs.
func (s *server) load(t *testing.T, input string) error {
	t.Helper()
	config, err := adapt(string(caddyfile.Format([]byte(input))))
	if err != nil {
		t.Fatalf("adapting: %v\n%s", err, input)
	}
	return caddy.Load(config, true)
}

// mustLoad loads a configuration and waits until its gateway is ready.
func (s *server) mustLoad(t *testing.T, input string) {
	t.Helper()
	if err := s.load(t, input); err != nil {
		t.Fatalf("loading: %v\n%s", err, input)
	}
	s.awaitReady(t, s.address)
}

func (s *server) awaitReady(t *testing.T, address string) {
	t.Helper()
	await(t, "the gateway to be ready", func() bool {
		status, _, err := try(address, "GET", "/healthz/ready", "")
		return err == nil && status == http.StatusOK
	})
}

// try calls what listens on an address, on a connection of its own. It begins again when the connection is cut before
// there is an answer, as it is for who dials, or has only just sent, in the moment of a reload: Caddy listens anew
// then, and a server that shuts down does not look at requests any more.
func try(address, method, target, body string) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		status, answer, err = tryOnce(ctx, address, method, target, body)
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) || ctx.Err() != nil {
			return status, answer, err
		}
	}
}

func tryOnce(ctx context.Context, address, method, target, body string) (status int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+target, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Close = true
	request.SetBasicAuth("user", secretPassword)
	request.Header.Set("X-Broker-API-Version", "2.17")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), errors.Join(err, response.Body.Close())
}

// call calls the gateway and wants this status; it returns the answer.
func (s *server) call(t *testing.T, want int, method, target, body string) string {
	t.Helper()
	status, answer, err := try(s.address, method, target, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	if status != want {
		t.Fatalf("%s %s: got %d %s, want %d", method, target, status, answer, want)
	}
	return answer
}

// createBody is the body that creates an instance of the broker's offering.
func createBody(offering string) string {
	return fmt.Sprintf(`{"service_id": %q, "plan_id": %q, "organization_guid": "o", "space_guid": "s"}`,
		offering, fmt.Sprintf(planOf, offering))
}

func instancePath(id string) string { return "/v2/service_instances/" + id }

// slowCreate begins to create an instance, waits until the broker has the call, and returns what will have its answer.
func (s *server) slowCreate(t *testing.T, b *broker, id, offering string) <-chan error {
	t.Helper()
	b.hold()
	answered := make(chan error, 1)
	go func() {
		status, answer, err := try(s.address, "PUT", instancePath(id), createBody(offering))
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("got %d %s, want 201", status, answer)
		}
		answered <- err
	}()
	select {
	case <-b.arrived:
	case err := <-answered:
		t.Fatalf("the create never reached the broker: %v", err)
	}
	return answered
}

// exists tells whether there is a file.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
