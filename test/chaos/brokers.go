package chaos

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const (
	// backendTimeout and settle are how the gateways are configured. They are short so that doubt ends within a run.
	backendTimeout = 2 * time.Second
	settle         = 5 * time.Second
	// maxWait is the longest that a broker lets a call wait before it begins it. With maxStall, the longest that a link
	// keeps bytes back, it stays below settle: what the gateway gave up does not begin later than that.
	maxWait = 3500 * time.Millisecond
	// late is when a call begins that the gateway gave up a while ago: a platform has sent the next one meanwhile.
	late = 3 * time.Second
	// advancePause is how often operations go on that nobody polls.
	advancePause = time.Second
	// brokerHeader is set in all answers of brokers, so that the gateway's own are known by its absence.
	brokerHeader = "X-Chaos-Broker"
)

var brokerNames = []string{"alpha", "beta", "gamma", "delta"}

// The plans of each broker, without the broker's name before them.
const (
	syncSmall   = "small"
	syncLarge   = "large"
	asyncPlan   = "async"   // everything takes time, bindings too
	silentPlan  = "silent"  // likewise, without the field operation, and polls of a deletion end with "succeeded"
	failingPlan = "failing" // every creation is accepted and fails
)

var planNames = []string{syncSmall, syncLarge, asyncPlan, silentPlan, failingPlan}

func serviceID(broker string) string { return broker + "-service" }

func planID(broker, plan string) string { return broker + "-" + plan }

// brokerCatalog is the catalog of one broker.
func brokerCatalog(broker string) []byte {
	plan := func(name, settings string) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"description":"a plan","metadata":{"samplebroker":{%s}}}`,
			planID(broker, name), name, settings)
	}
	const async = `"async":true,"async_bindings":true,"interruptible":true,"retry_after_seconds":0,`
	return fmt.Appendf(nil, `{"services":[{"name":%q,"id":%q,"description":"a service","bindable":true,`+
		`"instances_retrievable":true,"bindings_retrievable":true,"plan_updateable":true,"plans":[%s]}]}`,
		broker, serviceID(broker), strings.Join([]string{
			plan(syncSmall, ""), plan(syncLarge, ""), plan(asyncPlan, async+`"polls":2`),
			plan(silentPlan, async+`"polls":1,"omit_operation":true,"report_deleted":true`),
			plan(failingPlan, async+`"polls":1,"fail":["provision"]`),
		}, ","))
}

// broker is a sample broker and the link to it.
type broker struct {
	*samplebroker.Broker

	name string
	link *Link
}

func startBroker(t testing.TB, name string, truth *Truth) *broker {
	t.Helper()
	inner, err := samplebroker.New(samplebroker.Options{
		Catalog: brokerCatalog(name), User: "gateway", Password: harness.BrokerPassword, OnChange: truth.Watch(name),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(brokerHeader, name)
		inner.ServeHTTP(w, r)
	}))
	link := startLink(t, server.Listener.Addr().String())
	ended, advancing, advance := make(chan struct{}), make(chan struct{}), time.NewTicker(advancePause)
	go func() {
		defer close(advancing)
		for {
			select {
			case <-advance.C:
				inner.Advance()
			case <-ended:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(ended)
		advance.Stop()
		<-advancing
		inner.Close()
		link.Close() // before the server, which waits for its connections
		server.Close()
	})
	return &broker{Broker: inner, name: name, link: link}
}

// backend is its block in the configuration of a gateway.
func (b *broker) backend() string {
	return fmt.Sprintf("backend %s http://%s {\n\tbasic_auth gateway %s\n\ttimeout %s\n\tsettle %s\n\t"+
		"catalog_timeout 2s\n}\n", b.name, b.link.Address(), harness.BrokerPassword, backendTimeout, settle)
}

const (
	latePut      = "PUT: slow before the work"
	lostThenBusy = "PUT: cut after the work, then 429"
	lateThenBusy = "PUT: late, then 429"
)

// sharpFaults are chosen more often than others: they are what ownership is lost by most easily.
var sharpFaults = []string{latePut, lostThenBusy, lateThenBusy}

// faultKinds are what a broker may do wrong. None of them lies: a call that is answered with a success, a 404 or a 410
// was so, and what is answered with another 4xx was not done.
var faultKinds = func() map[string][]samplebroker.Fault {
	instances := "^/v2/service_instances/"
	late, drop := samplebroker.Duration(late), samplebroker.Duration(maxWait)
	generic := map[string]samplebroker.Fault{
		"slow before the work":           {DelayBefore: late, DropAfter: drop},
		"a little slow":                  {DelayBefore: samplebroker.Duration(300 * time.Millisecond), DropAfter: drop},
		"slow after the work":            {DelayAfter: late},
		"hang instead of the work":       {Action: samplebroker.ActionHang, BeforeWork: true},
		"hang after the work":            {Action: samplebroker.ActionHang},
		"cut instead of the work":        {Action: samplebroker.ActionClose, BeforeWork: true},
		"cut after the work":             {Action: samplebroker.ActionClose},
		"cut late and after the work":    {Action: samplebroker.ActionClose, DelayBefore: late, DropAfter: drop},
		"truncated answer":               {Action: samplebroker.ActionTruncate},
		"endless answer":                 {Action: samplebroker.ActionEndless},
		"503 instead of the work":        answering(503, `{"description":"busy"}`, true),
		"429 instead of the work":        answering(429, `{"description":"busy"}`, true),
		"500 instead of the work":        answering(500, `{"description":"broken"}`, true),
		"500 after the work":             answering(500, `{"description":"broken"}`, false),
		"502 with a page after the work": answering(502, "<html>Bad Gateway</html>", false),
	}
	faults := make(map[string][]samplebroker.Fault)
	for name, fault := range generic {
		fault.Path = instances
		faults[name] = []samplebroker.Fault{fault}
		// What goes wrong with some calls only lets others overtake them.
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			fault.Method = method
			faults[method+": "+name] = []samplebroker.Fault{fault}
		}
	}
	// These could confirm a deletion that was refused, so that they are for calls that create or change.
	for name, fault := range map[string]samplebroker.Fault{
		"201 without a body": answering(201, "", false),
		"201 with half JSON": answering(201, `{"dashboard_url":`, false),
		"200 with a list":    answering(200, `[]`, false),
		"204":                answering(204, "", false),
		"302":                answering(302, "", false),
	} {
		fault.Path, fault.Method = instances, http.MethodPut
		faults[name] = []samplebroker.Fault{fault}
	}
	for name, fault := range map[string]samplebroker.Fault{
		"catalog with half JSON": answering(200, `{"services":[`, true),
		"catalog 500":            answering(500, `{}`, true),
		"catalog hangs":          {Action: samplebroker.ActionHang, BeforeWork: true},
	} {
		fault.Path = "^/v2/catalog$"
		faults[name] = []samplebroker.Fault{fault}
	}
	// The answer to the first call is lost, and those to the next say that nothing was done.
	lost := samplebroker.Fault{Path: instances, Method: http.MethodPut, Times: 4, Action: samplebroker.ActionClose}
	busy := answering(http.StatusTooManyRequests, `{"description":"busy"}`, true)
	busy.Path, busy.Method = instances, http.MethodPut
	faults[lostThenBusy] = []samplebroker.Fault{lost, busy}
	lost.DelayBefore, lost.DropAfter = late, drop
	faults[lateThenBusy] = []samplebroker.Fault{lost, busy}
	return faults
}()

func answering(status int, body string, before bool) samplebroker.Fault {
	return samplebroker.Fault{Action: samplebroker.ActionAnswer, Status: status, Body: body, BeforeWork: before}
}
