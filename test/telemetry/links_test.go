package telemetry_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// linked are polls and the call whose operation they poll.
type linked struct {
	began call
	polls []call
}

func (l *linked) poll(t *testing.T, g *harness.Gateway, path string, status int) {
	t.Helper()
	c := newCall("poll", http.MethodGet, path+"/last_operation", nil, status)
	c.do(t, g)
	l.polls = append(l.polls, c)
}

// check expects one link from each poll's span to that of the call.
func (l *linked) check(t *testing.T, receiver *otlptest.Receiver) {
	t.Helper()
	began := awaitCall(t, receiver, l.began)
	want := []otlptest.Link{{TraceID: began.TraceID, SpanID: began.SpanID, Attributes: map[string]any{}}}
	for n, c := range l.polls {
		if diff := cmp.Diff(want, awaitCall(t, receiver, c).Links); diff != "" {
			t.Errorf("poll %d of %s: links differ (-want +got):\n%s", n+1, l.began.operation, diff)
		}
	}
}

// TestPollsAreLinked lets two processes with one store poll operations that one of them began, which is then restarted.
func TestPollsAreLinked(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	options := harness.Options{
		Block: block(redisStore(t), broker.Backend("pg", "")), Environment: receiver.Env(otlptest.GRPC),
	}
	first, second := harness.Start(t, options), harness.Start(t, options)
	instance, bound := instancePath("slow"), bindingPath("slow", "bound")

	created := linked{began: provision("slow", "db", "slow")}
	created.began.do(t, first)
	created.poll(t, first, instance, 200)
	created.poll(t, second, instance, 200)
	awaitCalls(t, receiver, append(created.polls, created.began)...) // a killed process takes what it has not sent with it
	first.Kill(t)
	first.Restart(t)
	created.poll(t, first, instance, 200)
	created.poll(t, second, instance, 200)
	created.check(t, receiver)

	object := members{"service_id": "db", "plan_id": "db-slow"}
	change := members{"service_id": "db", "parameters": members{"size": 2}}
	for _, later := range []struct {
		call call
		path string
		// last is the status of the last poll.
		last int
	}{
		{newCall("update", http.MethodPatch, instance+"?accepts_incomplete=true", change, 202), instance, 200},
		{newCall("bind", http.MethodPut, bound+"?accepts_incomplete=true", object, 202), bound, 200},
		{newCall("unbind", http.MethodDelete, bound+"?accepts_incomplete=true&"+ids("db", "slow"), nil, 202), bound, 410},
		{deprovision("slow", "db", "slow"), instance, 410},
	} {
		l := linked{began: later.call}
		l.began.do(t, second)
		l.poll(t, first, later.path, 200)
		l.poll(t, second, later.path, 200)
		l.poll(t, second, later.path, 200)
		l.poll(t, first, later.path, later.last)
		l.check(t, receiver)
	}
}

// TestPollsAreLinkedAfterRestart does the same with the embedded store.
func TestPollsAreLinkedAfterRestart(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	gateway := harness.Start(t, harness.Options{
		Block: block("store file", broker.Backend("pg", "")), Environment: receiver.Env(otlptest.HTTP),
	})
	created := linked{began: provision("slow", "db", "slow")}
	created.began.do(t, gateway)
	gateway.Stop(t)
	gateway.Restart(t)
	created.poll(t, gateway, instancePath("slow"), 200)
	created.check(t, receiver)

	// A poll that polls nothing is linked to nothing.
	provision("ready", "db", "sync").do(t, gateway)
	idle := newCall("poll_instance", http.MethodGet, instancePath("ready")+"/last_operation", nil, 200)
	response := gateway.Do(t, idle.Request)
	if span := awaitCall(t, receiver, idle); len(span.Links) != 0 {
		t.Errorf("a poll without an operation, answered with %d, has the links %+v, want none", response.Status, span.Links)
	}
}
