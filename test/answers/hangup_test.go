package answers_test

import (
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// A platform that hangs up gets no answer, and leaves nothing in the log that would send an operator looking for a
// fault.
func TestPlatformHangsUp(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	// Checking a password takes long, and only one is checked at a time.
	const passwordCost = 13
	hash, err := bcrypt.GenerateFromPassword([]byte(harness.Password), passwordCost)
	if err != nil {
		t.Fatal(err)
	}
	one := startRawBroker(t, catalogOf(offering("alpha-id", "alpha", "alpha-small")))
	g := harness.Start(t, harness.Options{
		Environment: []string{"GOMAXPROCS=1"},
		Block: strings.Join([]string{
			"store memory", "platform main {\n\tbasic_auth " + harness.User + " " + string(hash) + "\n}", one.backend("one", ""),
		}, "\n"),
	})
	e := &estate{Gateway: g, one: one, two: one}
	e.makeInstance(t, "there", one)

	t.Run("while its password is checked", func(t *testing.T) {
		var connections []net.Conn
		var asked []string
		for range 4 {
			r := request{method: "DELETE", target: instancePath("there", ""), identity: newIdentity(), user: "-"}
			r.header = "Authorization: " + basic(harness.User, "wrong "+r.identity)
			connections = append(connections, begin(t, g, r))
			asked = append(asked, r.identity)
		}
		for _, c := range connections {
			_ = c.Close()
		}
		for _, identity := range asked {
			harness.Await(t, "the audit line", func() bool { return logged(g, "gateway.audit", identity) })
		}
	})
	t.Run("while a broker is asked", func(t *testing.T) {
		arrived := make(chan struct{})
		one.on("there", func(c *net.TCPConn, _ rawRequest) bool {
			close(arrived)
			_, _ = c.Read(make([]byte, 1)) // until the gateway hangs up too
			return false
		})
		c := begin(t, g, request{method: "GET", target: instancePath("there", "")})
		<-arrived
		_ = c.Close()
		harness.Await(t, "the end of the call", func() bool {
			for line := range strings.SplitSeq(g.Metrics(t), "\n") {
				if strings.HasPrefix(line, "caddy_osb_gateway_requests_total") && strings.Contains(line, "fetch_instance") {
					return true
				}
			}
			return false
		})
		one.off("there")
	})
	e.relays(t, request{method: "GET", target: instancePath("there", "")}, one, 200)
	for _, level := range []string{`"level":"warn"`, `"level":"error"`} {
		for _, text := range []string{"cannot be read", "failed a call"} {
			if logged(g, level, text) {
				t.Errorf("%q is in the log though no one failed", text)
			}
		}
	}
}

// begin writes a request and does not wait for the answer.
func begin(t *testing.T, g *harness.Gateway, r request) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", host(g))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, r.text(host(g))); err != nil {
		t.Fatal(err)
	}
	return conn
}
