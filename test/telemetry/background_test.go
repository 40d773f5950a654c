package telemetry_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestRetriedOutcomesAreTraced lets the store be away when a call ends: the attempts to write down what became of it are
// spans in the call's trace, and the round trips are below them.
func TestRetriedOutcomesAreTraced(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	server := redistest.Start(t)
	gateway := harness.Start(t, harness.Options{
		Block:       "name behind\n" + block(redisStoreAt(server.Addr, "retries"), broker.Backend("pg", "")),
		Environment: receiver.Env(otlptest.GRPC),
	})
	created := provision("away", "db", "sync")
	hold := broker.HoldAfter(t, http.MethodPut, "/away$")
	var running sync.WaitGroup
	running.Go(func() { created.do(t, gateway) })
	hold.Await(t, 1)
	server.Stop(t)
	hold.Release()
	running.Wait()
	failed := func(span otlptest.Span) bool { return span.Status == otlptest.StatusError }
	written := func(span otlptest.Span) bool { return !failed(span) }
	receiver.Await(t, func(spans []otlptest.Span) bool {
		return slices.ContainsFunc(otlptest.Named(spans, "osb.outcome.retry"), failed)
	})
	server.Restart(t)
	spans := receiver.Await(t, func(spans []otlptest.Span) bool {
		return slices.ContainsFunc(otlptest.Named(spans, "osb.outcome.retry"), written)
	})
	call := awaitCall(t, receiver, created)
	want := map[string]any{
		"osb.gateway": "behind", "osb.platform": "cf", "osb.operation": "provision", "osb.backend": "pg",
		"osb.instance_id": "away",
	}
	for n, retry := range otlptest.Named(spans, "osb.outcome.retry") {
		if retry.TraceID != call.TraceID || retry.ParentID != call.SpanID || retry.Kind != otlptest.KindInternal {
			t.Errorf("attempt %d: got an %s span below %q of trace %s, want an internal one below the call's",
				n, retry.Kind, retry.ParentID, retry.TraceID)
		}
		if diff := cmp.Diff(want, retry.Attributes, withoutErrorType); diff != "" {
			t.Errorf("attempt %d: attributes (-want +got):\n%s", n, diff)
		}
		below := children(spans, retry)
		if len(below) == 0 {
			t.Errorf("attempt %d: there is no span of the store below it", n)
		}
		for _, span := range below {
			if !strings.HasPrefix(span.Name, "osb.store.") || span.Attributes["db.system.name"] != "redis" {
				t.Errorf("attempt %d: got the span %+v below it, want those of the store", n, span)
			}
		}
	}
}

// makeOld makes what one test has in Redis look as old as if nobody had written it since, so that the gateway takes
// operations for ones that nobody polls.
func makeOld(t *testing.T, client *redis.Client, by time.Duration) {
	t.Helper()
	keys := func(pattern string) []string {
		found, err := client.Keys(t.Context(), pattern).Result()
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, key := range append(keys("*:instance:*"), keys("*:binding:*")...) {
		text, err := client.Get(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{`"updated_at":`, `"began_at":`} {
			before, rest, found := strings.Cut(text, name)
			if !found {
				continue
			}
			end := strings.IndexAny(rest, ",}")
			at, err := strconv.ParseInt(rest[:end], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			text = before + name + strconv.FormatInt(at-by.Milliseconds(), 10) + rest[end:]
		}
		if err := client.SetArgs(t.Context(), key, text, redis.SetArgs{KeepTTL: true}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keys("*:unfinished") {
		members, err := client.ZRange(t.Context(), key, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range members {
			if err := client.ZIncrBy(t.Context(), key, -float64(by.Milliseconds()), member).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOwnPollsAreTraced: operations that no platform polls are polled by a gateway that was not there when they began.
// Each poll is a trace that is linked to the call which began the operation, and says whose it is. Until then the
// metrics tell of them, with their age.
func TestOwnPollsAreTraced(t *testing.T) {
	t.Parallel()
	receiver := otlptest.Start(t)
	broker := startBroker(t, "db")
	server := redistest.Start(t)
	options := harness.Options{
		Block:       "name behind\n" + block(redisStoreAt(server.Addr, "unpolled"), broker.Backend("pg", "")),
		Environment: receiver.Env(otlptest.HTTP),
	}
	gateway := harness.Start(t, options)
	provision("parent", "db", "slow").do(t, gateway)
	for range 4 {
		poll("parent").do(t, gateway) // the last one finds it ready
	}
	object := members{"service_id": "db", "plan_id": "db-slow"}
	began := map[string]call{
		"made": provision("made", "db", "slow"),
		"parent/bound": newCall("bind", http.MethodPut, bindingPath("parent", "bound")+"?accepts_incomplete=true", object,
			http.StatusAccepted),
	}
	for _, c := range began {
		c.do(t, gateway)
		awaitCall(t, receiver, c)
	}
	gateway.Kill(t)
	makeOld(t, server.Client(), 2*time.Hour)
	gateway.AwaitEnd(t)
	other := harness.Start(t, options)

	harness.Await(t, "the operations to be counted", func() bool {
		return scrape(t, other).value(t, "operations_in_progress", "operation", "bind") == 1
	})
	list := scrape(t, other)
	for operation, want := range map[string]float64{"provision": 1, "bind": 1, "update": 0, "deprovision": 0, "unbind": 0} {
		labels := []string{"gateway", "behind", "backend", "pg", "operation", operation}
		if got := list.value(t, "operations_in_progress", labels...); got != want {
			t.Errorf("%s: %v are in progress, want %v", operation, got, want)
		}
		age := list.value(t, "operations_oldest_age_seconds", labels...)
		if want == 1 && (age < 7200 || age > 7800) || want == 0 && list.count("operations_oldest_age_seconds", labels...) > 0 {
			t.Errorf("%s: the oldest is %v seconds old", operation, age)
		}
	}

	spans := receiver.Await(t, func(spans []otlptest.Span) bool {
		return len(otlptest.Named(spans, "osb.operation.unpolled")) >= len(began)
	})
	if counting := otlptest.Named(spans, "osb.store.in_progress"); len(counting) > 0 {
		t.Errorf("counting the operations made the spans %+v", counting)
	}
	for _, poll := range otlptest.Named(spans, "osb.operation.unpolled") {
		id, operation := poll.Attributes["osb.instance_id"].(string), "poll_instance"
		binding, onBinding := poll.Attributes["osb.binding_id"].(string)
		if onBinding {
			id, operation = id+"/"+binding, "poll_binding"
		}
		call, _ := serverSpan(spans, began[id])
		want := []otlptest.Link{{TraceID: call.TraceID, SpanID: call.SpanID, Attributes: map[string]any{}}}
		if diff := cmp.Diff(want, poll.Links); diff != "" {
			t.Errorf("%s: links (-want +got):\n%s", id, diff)
		}
		attributes := map[string]any{
			"osb.gateway": "behind", "osb.platform": "cf", "osb.operation": operation, "osb.backend": "pg",
			"osb.instance_id": poll.Attributes["osb.instance_id"], "osb.service_id": "db", "osb.plan_id": "db-slow",
			"osb.request_identity": poll.Attributes["osb.request_identity"],
		}
		if onBinding {
			attributes["osb.binding_id"] = binding
		}
		if diff := cmp.Diff(attributes, poll.Attributes); diff != "" {
			t.Errorf("%s: attributes (-want +got):\n%s", id, diff)
		}
		if poll.ParentID != "" || poll.Kind != otlptest.KindInternal {
			t.Errorf("%s: got an %s span below %q, want an internal root", id, poll.Kind, poll.ParentID)
		}
		var names []string
		for _, span := range children(spans, poll) {
			names = append(names, span.Name)
		}
		if !strings.Contains(strings.Join(names, " "), "osb.backend."+operation) {
			t.Errorf("%s: got the spans %v below it, want one of the sending too", id, names)
		}
	}
}
