package answers_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// misbehaviour is something that a broker may do in place of a good answer.
type misbehaviour struct {
	name   string
	script script
	// want is what the platform gets; on says where another thing is wanted, by the operation.
	want outcome
	on   map[string]outcome
	// doubt: after it nobody knows whether a create takes effect.
	doubt bool
	// again: a GET is sent a second time.
	again bool
	// slow: it is done to the backend whose timeout is short.
	slow bool
	// without are texts that must not be in the answer, and logs one that the gateway writes to its log.
	without []string
	logs    string
}

// outcome is what a platform gets: an answer of the gateway's own, or the broker's.
type outcome struct {
	own own
	// status, header and body are the broker's. Header are fields as lines; one without a value must be absent.
	status       int
	header, body string
}

// replaced is an answer of the gateway's own.
func replaced(w own) outcome { return outcome{own: w} }

// relayed is the broker's answer.
func relayed(status int, header, body string) outcome {
	return outcome{status: status, header: header, body: body}
}

// misbehaved are the operations that misbehaviour is tried on.
var misbehaved = []string{"provision", "deprovision", "fetch_instance", "poll_instance", "update"}

// noReuse keeps calls apart: one that goes out on a connection that another one's broker is just closing is lost.
const noReuse = "transport http {\n\tkeepalive off\n\tmax_response_header 64KiB\n}"

// TestMisbehaviour has a broker answer badly, and looks at what the platform gets and where the next calls go.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	one := startRawBroker(t, catalogOf(offering("alpha-id", "alpha", "alpha-small")))
	kept := startRawBroker(t, catalogOf(offering("kept-id", "kept", "kept-small")))
	hasty := startRawBroker(t, catalogOf(offering("gamma-id", "gamma", "gamma-small")))
	// Two that are called without Caddy's transport, as those are whose block has none.
	plain := startRawBroker(t, catalogOf(offering("delta-id", "delta", "delta-small")))
	plainHasty := startRawBroker(t, catalogOf(offering("epsilon-id", "epsilon", "epsilon-small")))
	plain.closes, plainHasty.closes = true, true
	g := start(t, harness.Options{Global: "debug", Block: strings.Join([]string{
		"store memory",
		"catalog {\n\trefresh 1h\n}",
		fmt.Sprintf("max_response_body %d", maxResponseBytes),
		harness.Platform("main", ""),
		one.backend("one", noReuse),
		hasty.backend("hasty", "timeout 3s\nbreaker off\n"+noReuse),
		plain.backend("plain", ""),
		plainHasty.backend("plain-hasty", "timeout 3s\nbreaker off"),
		kept.backend("kept", ""),
	}, "\n")})
	estates := map[string]*estate{
		"":                  {Gateway: g, one: one, two: hasty},
		"without transport": {Gateway: g, one: plain, two: plainHasty},
	}
	t.Run("kept connection", func(t *testing.T) { testKeptConnection(t, &estate{Gateway: g, one: kept, two: hasty}) })
	number := 0
	for _, m := range slices.Concat(slowAnswers(), replacedAnswers(), emptyAnswers(), lostAnswers(), relayedAnswers()) {
		for _, c := range calls {
			if !slices.Contains(misbehaved, c.name) {
				continue
			}
			for way, e := range estates {
				number++
				id := fmt.Sprintf("m%d-", number)
				t.Run(strings.TrimSpace(m.name+" on "+c.name+" "+way), func(t *testing.T) {
					t.Parallel()
					m.try(t, e, c, id)
				})
			}
		}
	}
}

// A call that goes out on a connection which the broker then closes may have been acted on, and is not sent again.
func testKeptConnection(t *testing.T, e *estate) {
	t.Helper()
	for _, c := range calls {
		if c.method == http.MethodGet {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			id := "kept-" + c.name
			if !c.creates || c.binding {
				e.makeInstance(t, id, e.one)
			}
			e.relays(t, request{method: http.MethodGet, target: instancePath("kept", "?service_id=kept-id")}, e.one, 200)
			e.one.on(id, func(*net.TCPConn, rawRequest) bool { return false })
			a, identity := do(t, e.Gateway, c.withHint(id, "kept-id", "kept-small"))
			e.one.off(id)
			backendFailed.check(t, a, identity)
			if got := len(e.one.gotIdentity(identity)); got != 1 {
				t.Errorf("the broker got the call %d times, want once", got)
			}
			e.relays(t, request{method: http.MethodGet, target: instancePath(id, "")}, e.one, 200)
		})
	}
}

// try does it on one call.
func (m misbehaviour) try(t *testing.T, e *estate, c call, id string) {
	t.Helper()
	b := e.one
	if m.slow {
		b = e.two
	}
	if !c.creates {
		e.makeInstance(t, id, b)
	}
	b.on(id, m.script)
	r := c.on(id)
	if c.creates {
		r.body = "{" + b.offers() + "}"
	}
	a, identity := do(t, e.Gateway, r)
	b.off(id)

	want, other := m.on[c.name]
	if !other {
		want = m.want
	}
	want.check(t, a, identity)
	for _, text := range m.without {
		if strings.Contains(a.head+a.body, text) {
			t.Errorf("%q is in the answer %q", text, a.head+a.body)
		}
	}
	if m.logs != "" {
		harness.Await(t, "the broker's text in the log", func() bool {
			// What each call met is there at level debug; which of them the operator is told of is tested elsewhere.
			return logged(e.Gateway, `"logger":"http.handlers.osb_gateway"`, m.logs, identity)
		})
	}
	// A GET whose answer was lost is sent once more; nothing else is.
	times := 1
	if m.again && c.method == http.MethodGet {
		times = 2
	}
	if got := len(b.gotIdentity(identity)); got != times {
		t.Errorf("the broker got the call %d times, want %d", got, times)
	}

	// Whatever the broker made of it, it is still asked, without any hint.
	e.relays(t, request{method: http.MethodGet, target: instancePath(id, "")}, b, http.StatusOK)
	a, identity = do(t, e.Gateway, request{method: http.MethodDelete, target: instancePath(id, "")})
	if got := len(b.gotIdentity(identity)); got != 1 {
		t.Errorf("the delete after it reached the broker %d times, want once", got)
	}
	if m.doubt && c.creates {
		concurrencyError.check(t, a, identity)
	} else if a.status != http.StatusOK {
		t.Errorf("got status %d for the delete after it, want 200; the body is %q", a.status, a.body)
	}
}

func (w outcome) check(t *testing.T, a answer, identity string) {
	t.Helper()
	if len(a.interim) > 0 {
		t.Errorf("got interim answers %d", a.interim)
	}
	if w.own.status != 0 {
		w.own.check(t, a, identity)
		return
	}
	if a.status != w.status || a.body != w.body {
		t.Errorf("got %d %q, want %d %q", a.status, cut(a.body), w.status, cut(w.body))
	}
	if got := a.header.Get("X-Broker-API-Request-Identity"); got != identity {
		t.Errorf("got request identity %q, want %q", got, identity)
	}
	want := make(map[string][]string)
	for line := range strings.SplitSeq(w.header, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); value != "" {
			want[name] = append(want[name], value)
		} else if name != "" {
			want[name] = nil
		}
	}
	for name, values := range want {
		if got := a.header.Values(name); !slices.Equal(got, values) {
			t.Errorf("got %s %q, want %q", name, got, values)
		}
	}
}

// cut shortens a text for a message.
func cut(text string) string {
	const most = 200
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
