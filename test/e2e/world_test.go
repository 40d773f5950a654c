package e2e_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The brokers of a world, in the order in which they are configured.
const (
	alpha = "alpha"
	beta  = "beta"
	gamma = "gamma"
)

var brokerNames = []string{alpha, beta, gamma}

// The plans that every broker's offering has, without the broker's name before them.
const (
	small = "small" // everything at once
	large = "large"
	slow  = "slow" // everything asynchronous, bindings too
)

// retryAfterSeconds is what polls of the slow plans are answered with while the operation is in progress.
const retryAfterSeconds = "7"

// operationSuffix is in every operation that a broker gives out, and hard to pass on.
const operationSuffix = ` a/b?c=d&e+f%41 é"`

func serviceID(broker string) string   { return broker + "-service-id" }
func serviceName(broker string) string { return broker + "-service" }

func planID(broker, plan string) string { return broker + "-" + plan + "-id" }

// brokerCatalog is the catalog of one broker, with a field that nobody knows and a number that no float holds.
func brokerCatalog(broker string) []byte {
	plan := func(name string, settings string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"description":"%s","free":false,"binding_rotatable":true,`+
			`"metadata":{"samplebroker":%s,"cost":12345678901234567890}}`, planID(broker, name), name, name, settings)
	}
	suffix, _ := json.Marshal(operationSuffix)
	return fmt.Appendf(nil, `{"services":[{"name":%q,"id":%q,"description":"a service","bindable":true,`+
		`"instances_retrievable":true,"bindings_retrievable":true,"plan_updateable":true,"x-unknown":{"b":1,"a":2},"plans":[%s]}]}`,
		serviceName(broker), serviceID(broker), strings.Join([]string{
			plan(small, `{}`), plan(large, `{}`),
			plan(slow, `{"async":true,"async_bindings":true,"retry_after_seconds":`+retryAfterSeconds+
				`,"operation_suffix":`+string(suffix)+`}`),
		}, ","))
}

// world is three brokers and a gateway in front of them.
type world struct {
	*harness.Gateway
	brokers map[string]*harness.Broker
	options harness.Options
}

// brokersOnly starts the brokers of a world. Existing is what they hold from the beginning.
func brokersOnly(t *testing.T, existing map[string][]samplebroker.ExistingInstance) *world {
	t.Helper()
	w := &world{brokers: make(map[string]*harness.Broker)}
	for _, name := range brokerNames {
		w.brokers[name] = harness.StartBroker(t, samplebroker.Options{
			Catalog: brokerCatalog(name), Instances: existing[name],
		})
	}
	return w
}

// newWorld starts brokers and a gateway with a store and one platform.
func newWorld(t *testing.T, store string) *world {
	t.Helper()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(store)})
	return w
}

// start starts the gateway.
func (w *world) start(t *testing.T, options harness.Options) {
	t.Helper()
	w.options = options
	w.options.Directory = t.TempDir()
	w.Gateway = harness.Start(t, w.options)
}

// block is a configuration with a store, one platform and the brokers.
func (w *world) block(store string) string {
	return store + "\n" + harness.Platform("cf", "") + w.backends("")
}

// backends are the backend blocks, with more lines in each.
func (w *world) backends(lines string) string {
	var text strings.Builder
	for _, name := range brokerNames {
		text.WriteString(w.brokers[name].Backend(name, lines))
	}
	return text.String()
}

// fileStore is the embedded store, in the home of the gateway.
const fileStore = "store file"

// redisStore is a store in the shared Redis, apart from those of other tests.
func redisStore(t *testing.T) string { return redisStoreAt(redistest.Shared(t)) }

func redisStoreAt(server *redistest.Server) string {
	return fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n\ttimeout 5s\n}", server.Addr, rand.Text())
}

// onEachStore runs a test with Redis and with the embedded store.
func onEachStore(t *testing.T, test func(t *testing.T, store string)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, redisStore(t))
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(t, fileStore)
	})
}

// newGUID returns a random id of the usual form.
func newGUID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func instancePath(id string) string { return "/v2/service_instances/" + id }

func bindingPath(id, binding string) string { return instancePath(id) + "/service_bindings/" + binding }

func statePath(id string) string { return "/bluemix_v1/service_instances/" + id }

// ids are the query that deletes and polls carry.
func ids(broker, plan string) string {
	return "?service_id=" + serviceID(broker) + "&plan_id=" + planID(broker, plan)
}

// asynchronous is the query of calls that may take their time.
const asynchronous = "?accepts_incomplete=true"

// create is the body of a PUT of an instance. White space, the order of fields and the number must survive.
func create(broker, plan string) string {
	return fmt.Sprintf("{ \"plan_id\":%q,\n\t\"service_id\" : %q,\"organization_guid\":\"org\",\"space_guid\":\"space\","+
		`"context":{"platform":"cloudfoundry","organization_name":"our org"},"parameters":{"n":12345678901234567890,"u":"\u00e9"} }`,
		planID(broker, plan), serviceID(broker))
}

// change is the body of a PATCH to a plan.
func change(broker, from, to string) string {
	return fmt.Sprintf(`{"service_id":%q,"plan_id":%q,"previous_values":{"plan_id":%q}}`,
		serviceID(broker), planID(broker, to), planID(broker, from))
}

// bind is the body of a PUT of a binding.
func bind(broker, plan string) string {
	return fmt.Sprintf(`{"service_id":%q,"plan_id":%q,"bind_resource":{"app_guid":"app"}}`,
		serviceID(broker), planID(broker, plan))
}

// request is a call, without headers of its own.
func request(method, target, body string) harness.Request {
	return harness.Request{Method: method, Target: target, Body: body}
}

func get(target string) harness.Request { return request(http.MethodGet, target, "") }

func del(target string) harness.Request { return request(http.MethodDelete, target, "") }

func put(target, body string) harness.Request { return request(http.MethodPut, target, body) }

func patch(target, body string) harness.Request { return request(http.MethodPatch, target, body) }

// jsonOf writes a value as JSON.
func jsonOf(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
