package answers_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestRecords covers what is decided by the record of an instance or binding, or by the lack of one.
func TestRecords(t *testing.T) {
	t.Parallel()
	e := startEstate(t)
	t.Run("conflict", func(t *testing.T) { testConflicts(t, e) })
	t.Run("contradiction", func(t *testing.T) { testContradictions(t, e) })
	t.Run("foreign", func(t *testing.T) { testForeign(t, e) })
	t.Run("unknown", func(t *testing.T) { testUnknown(t, e) })
	t.Run("ambiguous", func(t *testing.T) { testAmbiguous(t, e) })
	t.Run("tombstone", func(t *testing.T) { testTombstones(t, e) })
	t.Run("create in doubt", func(t *testing.T) { testDoubt(t, e) })
}

func testConflicts(t *testing.T, e *estate) {
	t.Parallel()
	t.Run("another offering of the backend", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "conflict-offering", e.one)
		e.refuses(t, provision("conflict-offering", `"service_id":"beta-id","plan_id":"beta-small"`), conflict)
	})
	t.Run("another backend", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "conflict-backend", e.one)
		e.refuses(t, provision("conflict-backend", e.two.offers()), conflict)
	})
	t.Run("another platform", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "conflict-platform", e.one)
		for _, user := range []string{otherUser, rejectUser} {
			e.refuses(t, provision("conflict-platform", e.one.offers()).as(user), conflict)
			e.refuses(t, provision("conflict-platform", e.two.offers()).as(user), conflict)
		}
	})
	t.Run("another plan is for the broker to judge", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "conflict-plan", e.one)
		e.relays(t, provision("conflict-plan", `"service_id":"alpha-id","plan_id":"alpha-large"`), e.one, 201)
		e.relays(t, provision("conflict-plan", `"service_id":"alpha-id","plan_id":"unheard of"`), e.one, 201)
		e.relays(t, provision("conflict-plan", ``), e.one, 201)
	})
	t.Run("a binding of an earlier instance elsewhere", func(t *testing.T) {
		t.Parallel()
		e.makeInstance(t, "conflict-binding", e.one)
		binding := request{
			method: "PUT", target: instancePath("conflict-binding", "/service_bindings/b"), body: "{" + e.one.offers() + "}",
		}
		e.relays(t, binding, e.one, 201)
		e.relays(t, request{method: "DELETE", target: instancePath("conflict-binding", "")}, e.one, 200)
		e.makeInstance(t, "conflict-binding", e.two)
		binding.body = "{" + e.two.offers() + "}"
		e.refuses(t, binding, conflict)
		binding.target += "2"
		e.relays(t, binding, e.two, 201)
	})
}

// A service_id that contradicts the record is refused where the broker would act on it; else the record wins.
func testContradictions(t *testing.T, e *estate) {
	t.Parallel()
	for _, c := range calls {
		for _, service := range []string{"beta-id", "gamma-id", "nothing"} {
			t.Run(c.name+" with "+service, func(t *testing.T) {
				t.Parallel()
				id := "contradiction-" + c.name + "-" + service
				e.makeInstance(t, id, e.one)
				r := c.withHint(id, service, "any")
				switch c.name {
				case "provision":
					e.refuses(t, r, conflict)
				case "update", "bind", "set_state":
					e.refuses(t, r, badRequest)
				default:
					_, got := e.relays(t, r, e.one, 200)
					identity := got.Header.Get("X-Broker-API-Request-Identity")
					harness.Await(t, "a warning in the log", func() bool {
						return logged(e.Gateway, `"level":"warn"`, "the record wins", identity, id)
					})
				}
			})
		}
	}
}

// logged tells whether the gateway wrote a line with all these parts.
func logged(g *harness.Gateway, parts ...string) bool {
	for line := range strings.SplitSeq(g.Output(), "\n") {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}

// Another platform's instances look as if they were not there.
func testForeign(t *testing.T, e *estate) {
	t.Parallel()
	e.makeInstance(t, "foreign", e.one)
	binding := request{
		method: "PUT", target: instancePath("foreign", "/service_bindings/b"), body: "{" + e.one.offers() + "}",
	}
	e.relays(t, binding, e.one, 201)
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := notFound
			switch {
			case c.poll:
				want = ownershipUnavailable
			case c.name == "provision":
				want = conflict
			}
			for _, user := range []string{otherUser, rejectUser} {
				for _, id := range []string{"foreign", "%66oreign"} {
					if c.name != "provision" { // which needs an offering
						e.refuses(t, c.on(id).as(user), want)
					}
					e.refuses(t, c.withHint(id, "alpha-id", "alpha-small").as(user), want)
					e.refuses(t, c.withHint(id, "gamma-id", "gamma-small").as(user), want)
				}
			}
		})
	}
}

// Without a record a call goes by what it says itself, where the platform may do that.
func testUnknown(t *testing.T, e *estate) {
	t.Parallel()
	for _, c := range calls {
		t.Run("no hint on "+c.name, func(t *testing.T) {
			t.Parallel()
			want := notFound
			switch {
			case c.poll:
				want = ownershipUnavailable
			case c.deletes, c.name == "provision":
				want = badRequest
			}
			e.refuses(t, c.on("unknown-"+c.name), want)
			if c.name != "provision" {
				e.refuses(t, c.withHint("unknown-"+c.name, "nothing", "nothing"), want)
				e.refuses(t, c.on("crn:v1:a:b:nothing:c:d:unknown-"+c.name+"::"), want)
			}
		})
		t.Run("rejected on "+c.name, func(t *testing.T) {
			t.Parallel()
			want := notFound
			switch {
			case c.poll:
				want = ownershipUnavailable
			case c.name == "provision":
				e.relays(t, c.withHint("rejected", "alpha-id", "alpha-small").as(rejectUser), e.one, 201)
				return
			}
			id := "rejected-" + c.name
			e.refuses(t, c.on(id).as(rejectUser), want)
			e.refuses(t, c.withHint(id, "alpha-id", "alpha-small").as(rejectUser), want)
			e.refuses(t, c.on("crn:v1:a:b:alpha:c:d:"+id+"::").as(rejectUser), want)
		})
		if c.name == "provision" {
			continue
		}
		t.Run("hints on "+c.name, func(t *testing.T) {
			t.Parallel()
			hints := map[string]request{
				"service":        c.withHint("hinted-service-"+c.name, "gamma-id", "nothing"),
				"crn":            c.on("crn%3Av1%3Aa%3Ab%3Agamma%3Ac%3Ad%3Ahinted-" + c.name + "%3A%3A"),
				"crn in colons":  c.on("crn:v1:a:b:gamma:c:d:hinted-colons-" + c.name + "::"),
				"plan":           c.withHint("hinted-plan-"+c.name, "", "gamma-small"),
				"service before": c.withHint("crn:v1:a:b:alpha:c:d:hinted-"+c.name+"::", "gamma-id", "alpha-small"),
				"crn before":     c.withHint("crn:v1:a:b:gamma:c:d:hinted-plan-"+c.name+"::", "", "alpha-small"),
			}
			if c.body != "" {
				previous := c.on("hinted-previous-" + c.name)
				previous.body = `{"plan_id":"alpha-small","previous_values":{"service_id":"gamma-id","plan_id":"beta-small"}}`
				hints["previous service"] = previous
				previous = c.on("hinted-previous-plan-" + c.name)
				previous.body = `{"plan_id":"nothing","previous_values":{"plan_id":"gamma-small"}}`
				hints["previous plan"] = previous
				query := c.on("hinted-query-" + c.name)
				query.target += "?service_id=gamma-id"
				hints["query"] = query
			}
			for name, r := range hints {
				t.Run(name, func(t *testing.T) { e.relays(t, r, e.two, success(c)) })
			}
		})
	}
}

// success is what a broker that agrees says.
func success(c call) int {
	switch {
	case c.name == "set_state":
		return http.StatusNoContent
	case c.creates:
		return http.StatusCreated
	default:
		return http.StatusOK
	}
}

// An id that two backends published is no hint. A new instance goes to who publishes it now.
func testAmbiguous(t *testing.T, e *estate) {
	t.Parallel()
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.name == "provision" {
				e.relays(t, c.withHint("ambiguous", "shared-id", "shared-plan"), e.one, 201)
				return
			}
			id := "ambiguous-" + c.name
			e.refuses(t, c.withHint(id, "shared-id", "shared-plan"), ownershipUnavailable)
			e.refuses(t, c.withHint(id, "", "shared-plan"), ownershipUnavailable)
			e.refuses(t, c.on("crn:v1:a:b:shared:c:d:"+id+"::"), ownershipUnavailable)
			// With a record it does not matter.
			e.relays(t, provision(id, `"service_id":"shared-id","plan_id":"shared-plan"`), e.one, 201)
			e.relays(t, c.withHint(id, "shared-id", "shared-plan"), e.one, success(c))
		})
	}
}

// What a record says that remains after a delete.
func testTombstones(t *testing.T, e *estate) {
	t.Parallel()
	remove := func(id string) request { return request{method: "DELETE", target: instancePath(id, "")} }
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		const id = "tombstone-deleted"
		e.makeInstance(t, id, e.one)
		e.relays(t, remove(id), e.one, 200)
		// The broker knows best, and is asked without a hint.
		for _, c := range calls {
			if c.creates || c.body != "" {
				continue
			}
			e.relays(t, c.on(id), e.one, 200)
		}
		for _, user := range []string{otherUser, rejectUser} {
			e.refuses(t, provision(id, e.one.offers()).as(user), conflict)
			e.refuses(t, remove(id).as(user), notFound)
		}
		e.relays(t, provision(id, e.two.offers()), e.two, 201)
		e.relays(t, request{method: "GET", target: instancePath(id, "")}, e.two, 200)
	})
	t.Run("410 of the broker", func(t *testing.T) {
		t.Parallel()
		const id = "tombstone-gone"
		e.makeInstance(t, id, e.one)
		e.one.on(id, says(reply("410 Gone", "Content-Type: application/json", `{"description":"long gone"}`)))
		for range 2 {
			a, _ := e.relays(t, remove(id), e.one, 410)
			if want := `{"description":"long gone"}`; a.body != want {
				t.Errorf("got body %q, want the broker's %q", a.body, want)
			}
		}
		e.relays(t, request{method: "GET", target: instancePath(id, "/last_operation")}, e.one, 410)
	})
	t.Run("refused by the broker", func(t *testing.T) {
		t.Parallel()
		const id = "tombstone-refused"
		e.one.on(id, says(reply("400 Bad Request", "Content-Type: application/json", `{"description":"no"}`)))
		e.relays(t, provision(id, e.one.offers()), e.one, 400)
		e.one.off(id)
		// It heard of the instance, so it is asked.
		e.relays(t, request{method: "GET", target: instancePath(id, "")}, e.one, 200)
		e.relays(t, remove(id), e.one, 200)
		// What never was may become any platform's.
		e.relays(t, provision(id, e.two.offers()).as(otherUser), e.two, 201)
		e.refuses(t, remove(id), notFound)
	})
	t.Run("of a binding", func(t *testing.T) {
		t.Parallel()
		const id = "tombstone-binding"
		e.makeInstance(t, id, e.one)
		binding := instancePath(id, "/service_bindings/b")
		e.relays(t, request{method: "PUT", target: binding, body: "{" + e.one.offers() + "}"}, e.one, 201)
		for range 2 {
			e.relays(t, request{method: "DELETE", target: binding}, e.one, 200)
		}
		e.relays(t, request{method: "GET", target: binding + "/last_operation"}, e.one, 200)
		e.relays(t, request{method: "PUT", target: binding, body: "{" + e.one.offers() + "}"}, e.one, 201)
	})
}

// A delete that is confirmed while a create may still take effect must come again.
func testDoubt(t *testing.T, e *estate) {
	t.Parallel()
	remove := func(id string) request { return request{method: "DELETE", target: instancePath(id, "")} }
	// overtaken expects that a delete reached the broker and the platform is told to come again.
	overtaken := func(t *testing.T, r request) {
		t.Helper()
		a, identity := do(t, e.Gateway, r)
		concurrencyError.check(t, a, identity)
		if got := len(e.one.gotIdentity(identity)); got != 1 {
			t.Errorf("the delete reached the broker %d times, want once", got)
		}
	}
	for status, line := range map[int]string{200: "200 OK", 410: "410 Gone"} {
		t.Run("open create and "+line, func(t *testing.T) {
			t.Parallel()
			id := "doubt-open-" + line[:3]
			arrived, proceed := make(chan struct{}), make(chan struct{})
			t.Cleanup(func() { e.one.off(id) })
			e.one.on(id, func(c *net.TCPConn, r rawRequest) bool {
				if r.Method == "DELETE" {
					return write(c, reply(line, "Content-Type: application/json", "{}"))
				}
				close(arrived)
				select {
				case <-proceed:
				case <-e.one.done.Done():
				}
				return write(c, reply("201 Created", "Content-Type: application/json", "{}"))
			})
			created := make(chan answer, 1)
			go func() {
				r := provision(id, e.one.offers())
				a, err := exchange(e.Gateway, r.method, r.text(host(e.Gateway)))
				if err != nil {
					t.Errorf("provision: %v", err)
				}
				created <- a
			}()
			<-arrived
			overtaken(t, remove(id))
			close(proceed)
			if a := <-created; a.status != 201 {
				t.Errorf("got status %d for the create, want 201", a.status)
			}
			e.relays(t, remove(id), e.one, status)
		})
	}
	t.Run("lost create", func(t *testing.T) {
		t.Parallel()
		const id = "doubt-lost"
		e.one.on(id, func(*net.TCPConn, rawRequest) bool { return false })
		a, identity := do(t, e.Gateway, provision(id, e.one.offers()))
		backendFailed.check(t, a, identity)
		e.one.off(id)
		overtaken(t, remove(id))
		overtaken(t, remove(id))
	})
	t.Run("create that surely ended", func(t *testing.T) {
		t.Parallel()
		const id = "doubt-500"
		e.one.on(id, says(reply("500 Internal Server Error", "Content-Type: application/json", "{}")))
		e.relays(t, provision(id, e.one.offers()), e.one, 500)
		e.one.off(id)
		e.relays(t, remove(id), e.one, 200)
	})
	t.Run("binding", func(t *testing.T) {
		t.Parallel()
		const id = "doubt-binding"
		e.makeInstance(t, id, e.one)
		binding := instancePath(id, "/service_bindings/b")
		e.one.on(id, func(*net.TCPConn, rawRequest) bool { return false })
		a, identity := do(t, e.Gateway, request{method: "PUT", target: binding, body: "{" + e.one.offers() + "}"})
		backendFailed.check(t, a, identity)
		e.one.off(id)
		overtaken(t, request{method: "DELETE", target: binding})
	})
}
