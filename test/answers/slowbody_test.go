package answers_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestSlowBody: a broker has all of its timeout, however long a platform takes to send a call. Otherwise one that sends
// slowly, by mistake or on purpose, would have calls time out that the broker answers at once, and close it to everybody.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	one := startRawBroker(t, catalogOf(offering("alpha-id", "alpha", "alpha-small")))
	g := harness.Start(t, harness.Options{
		Block: "store memory\n" + platform("main", "") + one.backend("one", "timeout "+timeout.String()+"\nbreaker 1 1h"),
	})
	r := provision("slow", one.offers())
	r.user, r.identity = "main", newIdentity()
	text := r.text(host(g))
	conn, err := net.Dial("tcp", host(g))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	began := time.Now()
	if _, err := io.WriteString(conn, text[:len(text)-1]); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the timeout to be over", func() bool { return time.Since(began) > timeout })
	if _, err := io.WriteString(conn, text[len(text)-1:]); err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := parseAnswer(r.method, string(content)); err != nil || a.status != 201 {
		t.Errorf("got %d %s, %v; want 201", a.status, a.body, err)
	}
}
