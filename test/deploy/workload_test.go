package deploy_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/otlptest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// workload is a gateway in front of two brokers, with all that a dashboard shows: calls that succeed, fail and are
// refused, of two platforms, and operations that go on for long.
type workload struct {
	*harness.Gateway
	receiver *otlptest.Receiver
	// metrics is the address that Prometheus scrapes.
	metrics string
}

// brokerCatalog is a catalog with one offering of this id, and a plan of each kind.
func brokerCatalog(name string) []byte {
	return fmt.Appendf(nil, `{"services": [{
		"id": %[1]q, "name": %[1]q, "description": "For tests.", "bindable": true, "instances_retrievable": true,
		"plans": [
			{"id": "%[1]s-small", "name": "small", "description": "At once."},
			{"id": "%[1]s-large", "name": "large", "description": "Much later.",
				"metadata": {"samplebroker": {"async": true, "polls": 1000}}}
		]
	}]}`, name)
}

func newWorkload(t testing.TB) *workload {
	t.Helper()
	receiver := otlptest.Start(t)
	fault := func(path string, status int) samplebroker.Fault {
		return samplebroker.Fault{
			Path: path, Action: samplebroker.ActionAnswer, BeforeWork: true, Status: status, Body: `{}`,
		}
	}
	postgres := harness.StartBroker(t, samplebroker.Options{
		Catalog: brokerCatalog("postgres"), Faults: []samplebroker.Fault{fault("/fails-", http.StatusInternalServerError)},
	})
	queue := harness.StartBroker(t, samplebroker.Options{
		Catalog: brokerCatalog("queue"),
		Faults: []samplebroker.Fault{
			fault("/refused-", http.StatusUnprocessableEntity),
			{Method: http.MethodPut, DelayBefore: samplebroker.Duration(40 * time.Millisecond)},
		},
	})
	port := harness.ReservePort(t)
	w := &workload{receiver: receiver, metrics: fmt.Sprintf("127.0.0.1:%d", port)}
	w.Gateway = harness.Start(t, harness.Options{
		Block: fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix workload\n\ttimeout 5s\n}\n", redistest.Start(t).Addr) +
			harness.Platform("cf", "unknown_instances forward") +
			fmt.Sprintf("platform k8s {\n\tbasic_auth kubernetes %s\n\tunknown_instances forward\n}\n", harness.PasswordHash) +
			postgres.Backend("postgres", "") + queue.Backend("queue", ""),
		Sites:       fmt.Sprintf("http://127.0.0.1:%d {\n\tmetrics /metrics\n}\n", port),
		Environment: receiver.Env(otlptest.GRPC),
	})
	return w
}

// run makes calls until the test ends.
func (w *workload) run(t testing.TB) {
	t.Helper()
	ended := make(chan struct{})
	var running sync.WaitGroup
	for worker := range 3 {
		running.Go(func() {
			pace := time.NewTicker(50 * time.Millisecond) // which leaves the machine to others
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-ended:
					return
				case <-pace.C:
					w.round(fmt.Sprintf("%d-%d", worker, n), n)
				}
			}
		})
	}
	t.Cleanup(func() {
		close(ended)
		running.Wait()
	})
}

// round makes a few calls; that they fail is part of it.
func (w *workload) round(id string, n int) {
	offering, user := "postgres", harness.User
	if n%3 == 1 {
		offering = "queue"
	}
	if n%2 == 1 {
		user = "kubernetes"
	}
	do := func(method, target, body string) {
		_, _ = w.Try(harness.Request{Method: method, Target: target, Body: body, User: user, Password: harness.Password})
	}
	object := func(plan string) string {
		return fmt.Sprintf(`{"service_id":%q,"plan_id":"%s-%s","organization_guid":"o","space_guid":"s"}`,
			offering, offering, plan)
	}
	instance := "/v2/service_instances/i-" + id
	do(http.MethodGet, "/v2/catalog", "")
	do(http.MethodPut, instance+"?accepts_incomplete=true", object("small"))
	do(http.MethodGet, instance, "")
	do(http.MethodPut, instance+"/service_bindings/b", object("small"))
	do(http.MethodDelete, instance+"/service_bindings/b?service_id="+offering+"&plan_id="+offering+"-small", "")
	do(http.MethodDelete, instance+"?service_id="+offering+"&plan_id="+offering+"-small", "")
	if n%4 == 0 {
		slow := "/v2/service_instances/slow-" + id
		do(http.MethodPut, slow+"?accepts_incomplete=true", object("large"))
		do(http.MethodGet, slow+"/last_operation", "")
	}
	if n%5 == 0 {
		kind := map[string]string{"postgres": "fails-", "queue": "refused-"}[offering]
		do(http.MethodPut, "/v2/service_instances/"+kind+id, object("small"))
		do(http.MethodPut, instance, "{")
	}
}
