package bench

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	connections = 32
	// length is how long one measurement takes, and rounds how often each is made, unless the environment says otherwise.
	defaultLength = time.Second
	defaultRounds = 7
)

// estate is a process with three sites: the gateway, reverse_proxy in front of the same broker, and respond.
type estate struct {
	*harness.Gateway
	gateway, proxy, respond string
	redis                   *redistest.Server
	next                    *atomic.Int64
}

// freePort finds a port for a site. Nobody else takes it before Caddy does, as a rule.
func freePort(b testing.TB) int {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

func startEstate(b testing.TB, upstream *Broker, processors []int, environment ...string) *estate {
	b.Helper()
	e := &estate{redis: redistest.Start(b), next: new(atomic.Int64)}
	proxy, respond := freePort(b), freePort(b)
	tracing := ""
	if len(environment) > 0 {
		tracing = "tracing"
	}
	e.Gateway = harness.Start(b, harness.Options{
		Environment: environment, Processors: processors, Quiet: true,
		// Neither an access log nor an audit log: reverse_proxy writes none either. Nor what Caddy counts of all requests
		// alike, which it does not do by default; the gateway's own metrics are there.
		NoHTTPMetrics: true,
		Global:        "log {\n\tlevel WARN\n}",
		Block: strings.Join([]string{
			"name bench", "store redis {\n\taddress " + e.redis.Addr + "\n}", harness.Platform("main", ""),
			"backend db " + upstream.URL + " {\n\tbasic_auth gateway secret\n}",
		}, "\n"),
		Sites: fmt.Sprintf(`http://127.0.0.1:%d {
			bind 127.0.0.1
			%s
			basic_auth {
				%s %s
			}
			reverse_proxy %s
		}
		http://127.0.0.1:%d {
			bind 127.0.0.1
			header Content-Type application/json
			respond %q
		}`, proxy, tracing, harness.User, harness.PasswordHash, upstream.URL, respond, strings.ReplaceAll(polled, `"`, "'")),
	})
	e.gateway = strings.TrimPrefix(e.URL, "http://")
	e.proxy, e.respond = fmt.Sprintf("127.0.0.1:%d", proxy), fmt.Sprintf("127.0.0.1:%d", respond)
	return e
}

// head is what Cloud Foundry's calls have in common.
var head = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(harness.User+":"+harness.Password)) + "\r\n" +
	"X-Broker-API-Version: 2.17\r\nAccept: application/json\r\nUser-Agent: HTTPClient/1.0 (2.8.3, ruby 3.2.2)\r\n" +
	"X-Broker-API-Originating-Identity: cloudfoundry eyJ1c2VyX2lkIjoiNjgzZWE3NDgtMzA5Mi00ZmY0LWI2NTYtMzljYWNjNGQ1MzYwIn0=\r\n" +
	"X-Vcap-Request-Id: 54f0c7a3-5c7d-4d4f-a6f0-3f9d8b7c2a11\r\n"

// poll polls instances, the id of each given by a function.
func (e *estate) poll(address string, id func() string) Source {
	return func(buffer []byte) []byte {
		return fmt.Appendf(buffer, "GET /v2/service_instances/%s/last_operation?service_id=db-id&plan_id=small-id HTTP/1.1\r\n"+
			"Host: %s\r\n%s\r\n", id(), address, head)
	}
}

func always(id string) func() string { return func() string { return id } }

// create makes a new instance with each call.
func (e *estate) create(address string) Source {
	body := `{"service_id":"db-id","plan_id":"small-id","organization_guid":"o","space_guid":"s","context":{"platform":"cloudfoundry",` +
		`"organization_guid":"o","organization_name":"org","space_guid":"s","space_name":"space","instance_name":"mine"},"parameters":{"size":3}}`
	return func(buffer []byte) []byte {
		return fmt.Appendf(buffer, "PUT /v2/service_instances/bench-%d?accepts_incomplete=true HTTP/1.1\r\nHost: %s\r\n%s"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", e.next.Add(1), address, head, len(body), body)
	}
}

// known makes one instance whose record has no operation under way, and returns its id.
func (e *estate) known(b testing.TB) string {
	b.Helper()
	id := fmt.Sprintf("known-%d", e.next.Add(1))
	response := e.Do(b, harness.Request{
		Method: http.MethodPut, Target: "/v2/service_instances/" + id, Body: `{"service_id":"db-id","plan_id":"small-id"}`,
	})
	if response.Status != http.StatusCreated {
		b.Fatalf("got %d %s", response.Status, response.Body)
	}
	return id
}

// contest is measurements that are made in turns.
type contest struct {
	length time.Duration
	rounds int
	cells  []*cell
}

type cell struct {
	*estate

	address string
	source  Source
	got     measured
}

func newContest(b testing.TB) *contest {
	b.Helper()
	c := &contest{length: defaultLength, rounds: defaultRounds}
	if text := os.Getenv("BENCH_LENGTH"); text != "" {
		length, err := time.ParseDuration(text)
		if err != nil {
			b.Fatal(err)
		}
		c.length = length
	}
	if text := os.Getenv("BENCH_ROUNDS"); text != "" {
		rounds, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal(err)
		}
		c.rounds = rounds
	}
	return c
}

func (c *contest) add(e *estate, address string, source Source) *cell {
	added := &cell{estate: e, address: address, source: source}
	c.cells = append(c.cells, added)
	return added
}

// run measures all of them, round after round; a first one, which warms everything up, does not count.
func (c *contest) run(b testing.TB) {
	b.Helper()
	for round := range c.rounds + 1 {
		for _, cell := range c.cells {
			began, before := time.Now(), cell.CPU(b)
			rate, err := Load(cell.address, connections, c.length, cell.source)
			if err != nil {
				b.Fatal(err)
			}
			used, calls := cell.CPU(b)-before, rate*time.Since(began).Seconds()
			if round > 0 {
				cell.got.rate = append(cell.got.rate, rate)
				cell.got.cpu = append(cell.got.cpu, float64(used.Microseconds())/calls)
			}
		}
	}
}

// BenchmarkSideBySide prints how the gateway compares. It takes minutes, once.
func BenchmarkSideBySide(b *testing.B) {
	upstream, processors := StartBroker(b, Catalog), divide(b)
	plain := startEstate(b, upstream, processors)
	traced := startEstate(b, upstream, processors, otlptest.Start(b).Env(otlptest.GRPC)...)
	known, tracedKnown := plain.known(b), traced.known(b)
	c := newContest(b)
	poll := c.add(plain, plain.gateway, plain.poll(plain.gateway, always(known)))
	pollProxy := c.add(plain, plain.proxy, plain.poll(plain.proxy, always(known)))
	respond := c.add(plain, plain.respond, plain.poll(plain.respond, always(known)))
	create := c.add(plain, plain.gateway, plain.create(plain.gateway))
	createProxy := c.add(plain, plain.proxy, plain.create(plain.proxy))
	tracedPoll := c.add(traced, traced.gateway, traced.poll(traced.gateway, always(tracedKnown)))
	tracedProxy := c.add(traced, traced.proxy, traced.poll(traced.proxy, always(tracedKnown)))
	tracedCreate := c.add(traced, traced.gateway, traced.create(traced.gateway))
	for b.Loop() {
		c.run(b)
	}
	const proxy = "basic_auth + reverse_proxy"
	rows := []row{
		{"poll", proxy, poll.got, pollProxy.got, ">= 1.5"},
		{"poll", "respond", poll.got, respond.got, ""},
		{"create", proxy, create.got, createProxy.got, ">= 0.8"},
		{"poll, traced", proxy + ", traced", tracedPoll.got, tracedProxy.got, ""},
		{"poll, traced", "poll, not traced", tracedPoll.got, poll.got, ""},
		{"create, traced", "create, not traced", tracedCreate.got, create.got, ""},
	}
	b.ReportMetric(poll.got.rate.over(pollProxy.got.rate).median(), "poll-ratio")
	b.ReportMetric(create.got.rate.over(createProxy.got.rate).median(), "create-ratio")
	_, _ = fmt.Fprintf(os.Stdout, "\n%d rounds of %v with %d connections\n%s\n", c.rounds, c.length, connections, table(rows))
}

// TestSideBySide makes each measurement once, so that `make bench` does not fail where nobody looks.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	upstream := StartBroker(t, Catalog)
	e := startEstate(t, upstream, nil)
	known := e.known(t)
	fill(t, e.redis, known, 10)
	c := &contest{length: 50 * time.Millisecond, rounds: 1}
	c.add(e, e.gateway, e.poll(e.gateway, always(known)))
	c.add(e, e.gateway, e.poll(e.gateway, always("filled-7")))
	c.add(e, e.proxy, e.poll(e.proxy, always(known)))
	c.add(e, e.respond, e.poll(e.respond, always(known)))
	c.add(e, e.gateway, e.create(e.gateway))
	c.add(e, e.proxy, e.create(e.proxy))
	c.run(t)
	rows := make([]row, 0, len(c.cells))
	for _, cell := range c.cells {
		if len(cell.got.rate) != 1 || cell.got.rate[0] <= 0 {
			t.Errorf("measured %v", cell.got)
		}
		rows = append(rows, row{name: "one", with: "itself", got: cell.got, other: cell.got})
	}
	if text := table(rows); strings.Count(text, "1.00 [1.00-1.00]") < len(rows) {
		t.Errorf("the table says\n%s", text)
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":             200,
		"HTTP/1.1 404 Not Found\r\nA: b\r\ncontent-length:0\r\n\r\n": 404,
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}":             0,
		"HTTP/1.1 200 OK\r\n\r\n{}":                                  0,
		"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\n{}":             0,
		"HTTP\r\n": 0,
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n": 0,
		"": 0,
	} {
		got, err := ReadAnswer(bufio.NewReader(strings.NewReader(text)))
		if want == 0 && err == nil || want != 0 && (err != nil || got != want) {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}
