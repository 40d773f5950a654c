package versions_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const requestIdentity = "X-Broker-Api-Request-Identity"

// world is a broker, a Redis, and gateways of two versions.
type world struct {
	broker *harness.Broker
	store  *redisstore.Store
	// older is the gateway as it is, newer one that knows a later schema.
	older, newer *harness.Gateway
}

// newWorld starts everything; the environment is the newer gateway's.
func newWorld(t *testing.T, environment ...string) *world {
	t.Helper()
	plan := func(name, settings string) string {
		return fmt.Sprintf(`{"id":"%s-id","name":%q,"description":"a plan","metadata":{"samplebroker":%s}}`, name, name, settings)
	}
	w := &world{broker: harness.StartBroker(t, samplebroker.Options{Catalog: []byte(
		`{"services":[{"name":"db","id":"db-id","description":"a service","bindable":true,"instances_retrievable":true,` +
			`"bindings_retrievable":true,"plan_updateable":true,"plans":[` +
			plan("fast", `{}`) + `,` + plan("slow", `{"async":true,"async_bindings":true}`) + `]}]}`)})}
	address, prefix := redistest.Shared(t).Addr, rand.Text()
	var err error
	if w.store, err = redisstore.New(redisstore.Config{
		Addresses: []string{address}, KeyPrefix: prefix, Gateway: "default", Timeout: 10 * time.Second,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	options := harness.Options{Block: fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n\ttimeout 10s\n}\n", address, prefix) +
		harness.Platform("cf", "") + w.broker.Backend("db", "")}
	w.older = harness.Start(t, options)
	options.Tags, options.Environment = "osb_newer_record", environment
	w.newer = harness.Start(t, options)
	return w
}

// subject is an instance and a binding of it.
type subject struct{ instance, binding string }

func newSubject() subject { return subject{strings.ToLower(rand.Text()), strings.ToLower(rand.Text())} }

func (s subject) instancePath() string { return "/v2/service_instances/" + s.instance }
func (s subject) bindingPath() string  { return s.instancePath() + "/service_bindings/" + s.binding }

const (
	query = "?accepts_incomplete=true"
	ids   = "?service_id=db-id&plan_id=slow-id&accepts_incomplete=true"
	body  = `{"service_id":"db-id","plan_id":"slow-id","organization_guid":"o","space_guid":"s"}`
	patch = `{"service_id":"db-id","parameters":{"size":2}}`
)

func request(method, target, body string) harness.Request {
	return harness.Request{Method: method, Target: target, Body: body}
}

func (s subject) create() harness.Request {
	return request(http.MethodPut, s.instancePath()+query, body)
}

func (s subject) update() harness.Request {
	return request(http.MethodPatch, s.instancePath()+query, patch)
}

func (s subject) delete() harness.Request {
	return request(http.MethodDelete, s.instancePath()+ids, "")
}
func (s subject) get() harness.Request { return request(http.MethodGet, s.instancePath(), "") }
func (s subject) poll() harness.Request {
	return request(http.MethodGet, s.instancePath()+"/last_operation", "")
}

func (s subject) bind() harness.Request {
	return request(http.MethodPut, s.bindingPath()+query, `{"service_id":"db-id","plan_id":"slow-id"}`)
}

func (s subject) unbind() harness.Request { return request(http.MethodDelete, s.bindingPath()+ids, "") }

func (s subject) getBinding() harness.Request { return request(http.MethodGet, s.bindingPath(), "") }

func (s subject) pollBinding() harness.Request {
	return request(http.MethodGet, s.bindingPath()+"/last_operation", "")
}

// expect sends a call that the broker is to get.
func (w *world) expect(t *testing.T, g *harness.Gateway, r harness.Request, status int) {
	t.Helper()
	if answer, arrived := w.send(t, g, r); answer.Status != status || !arrived {
		t.Errorf("%s %s: got %d %s, at the broker %t; want %d from the broker",
			r.Method, r.Target, answer.Status, answer.Body, arrived, status)
	}
}

// send sends a call and tells whether it arrived at the broker.
func (w *world) send(t *testing.T, g *harness.Gateway, r harness.Request) (answer harness.Response, arrived bool) {
	t.Helper()
	identity := rand.Text()
	r.Header = http.Header{requestIdentity: {identity}}
	answer = g.Do(t, r)
	return answer, slices.ContainsFunc(w.broker.Requests(), func(arrived samplebroker.RecordedRequest) bool {
		return arrived.Header.Get(requestIdentity) == identity
	})
}

// record is what these tests look at in a record.
type record struct {
	V, Rev int
	Life   string
	Newer  *struct{ Writes int }
}

// records reads the records of a subject from Redis; nil where there is none.
func (w *world) records(t *testing.T, s subject) (instance, binding *record) {
	t.Helper()
	snapshot, err := w.store.Read(t.Context(), s.key())
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) *record {
		if data == nil {
			return nil
		}
		decoded := new(record)
		if err := json.Unmarshal(data, decoded); err != nil {
			t.Fatalf("reading %s: %v", data, err)
		}
		return decoded
	}
	return read(snapshot.Instance), read(snapshot.Binding)
}

func (s subject) key() routing.Key {
	return routing.Key{Instance: routing.InstanceID(s.instance), Binding: routing.BindingID(s.binding)}
}
