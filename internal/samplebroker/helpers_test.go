package samplebroker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

const (
	testUser     = "platform"
	testPassword = "p4ss:word"
)

func readTestCatalog(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/catalog.json")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// caller calls a broker over real HTTP.
type caller struct {
	url    string
	broker *samplebroker.Broker
	client *http.Client
	// header is what every call has.
	header http.Header
}

// start runs a broker with the catalog of the tests, unless the options have one.
func start(t *testing.T, options samplebroker.Options) *caller {
	t.Helper()
	if options.Catalog == nil {
		options.Catalog = readTestCatalog(t)
	}
	options.User, options.Password = testUser, testPassword
	broker, err := samplebroker.New(options)
	if err != nil {
		t.Fatalf("starting the broker: %v", err)
	}
	server := httptest.NewServer(broker)
	t.Cleanup(server.Close)
	t.Cleanup(broker.Close)
	header := http.Header{"X-Broker-Api-Version": {"2.17"}, "Content-Type": {"application/json"}}
	request := http.Request{Header: header}
	request.SetBasicAuth(testUser, testPassword)
	return &caller{url: server.URL + options.BasePath, broker: broker, client: server.Client(), header: header}
}

// result is an answer that was read to its end.
type result struct {
	status int
	header http.Header
	body   string
}

// try sends a call. An empty value in change takes a header away.
func (c *caller) try(ctx context.Context, target, body string, change map[string]string) (result, error) {
	method, path, _ := strings.Cut(target, " ")
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(body))
	if err != nil {
		return result{}, err
	}
	request.Header = c.header.Clone()
	for name, value := range change {
		if value == "" {
			request.Header.Del(name)
		} else {
			request.Header.Set(name, value)
		}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return result{}, err
	}
	content, err := io.ReadAll(response.Body)
	err = errors.Join(err, response.Body.Close())
	return result{status: response.StatusCode, header: response.Header, body: string(content)}, err
}

// do is try for calls that have to be answered.
func (c *caller) do(t *testing.T, target, body string, change map[string]string) result {
	t.Helper()
	r, err := c.try(t.Context(), target, body, change)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return r
}

// step is a call and what its answer has to be.
type step struct {
	call string
	body string
	// change sets headers, or takes them away where they are empty.
	change map[string]string
	status int
	// want is JSON whose fields the answer has to have; empty for an answer that is not looked at.
	want string
	// exact wants nothing more than want.
	exact bool
	// lacks are fields that the answer must not have.
	lacks []string
	// header is what headers have to be; empty for those that have to be absent.
	header map[string]string
}

// scenario is a row of calls to one broker.
type scenario struct {
	name    string
	options samplebroker.Options
	steps   []step
	// instances and bindings are what the broker holds in the end.
	instances, bindings []string
}

func runScenarios(t *testing.T, scenarios []scenario) {
	t.Helper()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, s.options)
			for _, one := range s.steps {
				one.run(t, c)
			}
			if diff := cmp.Diff(append([]string{}, s.instances...), c.broker.Instances()); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, s.bindings...), c.broker.Bindings()); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
		})
	}
}

func (s step) run(t *testing.T, c *caller) {
	t.Helper()
	r := c.do(t, s.call, s.body, s.change)
	if r.status != s.status {
		t.Fatalf("%s %s: got status %d (%s), want %d", s.call, s.body, r.status, r.body, s.status)
	}
	for name, want := range s.header {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: header %s: got %q, want %q", s.call, name, got, want)
		}
	}
	if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
		if r.body != "" {
			t.Errorf("%s: got body %q, want none", s.call, r.body)
		}
		return
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: got Content-Type %q, want application/json", s.call, got)
	}
	got := decode(t, r.body)
	for _, name := range s.lacks {
		if _, found := got[name]; found {
			t.Errorf("%s: the answer has the field %s: %s", s.call, name, r.body)
		}
	}
	if s.want == "" {
		return
	}
	want := decode(t, s.want)
	if !s.exact {
		got = cut(got, want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: body (-want +got):\n%s\n%s", s.call, diff, r.body)
	}
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("reading %q: %v", text, err)
	}
	return value
}

// cut leaves those fields of got that want has too, all the way down.
func cut(got, want map[string]any) map[string]any {
	result := make(map[string]any)
	for _, name := range slices.Collect(maps.Keys(want)) {
		value, found := got[name]
		if !found {
			continue
		}
		inner, isObject := value.(map[string]any)
		if wanted, both := want[name].(map[string]any); isObject && both {
			value = cut(inner, wanted)
		}
		result[name] = value
	}
	return result
}

// Paths of the tests.
const (
	instancePath  = "/v2/service_instances/i"
	bindingPath   = instancePath + "/service_bindings/b"
	statePath     = "/bluemix_v1/service_instances/i"
	incomplete    = "accepts_incomplete=true"
	asyncRequired = `{"error":"AsyncRequired","description":` +
		`"This Service Plan requires client support for asynchronous service operations."}`
	asyncBindings = `{"error":"AsyncRequired","description":` +
		`"This Service Instance requires client support for asynchronous binding operations."}`
	concurrency = `{"error":"ConcurrencyError","description":` +
		`"The Service Broker does not support concurrent requests that mutate the same resource."}`
	maintenanceConflict = `{"error":"MaintenanceInfoConflict","description":` +
		`"The maintenance information for the requested Service Plan has changed."}`
)

// chosen is the body that provisions or binds a plan of the offering db.
func chosen(plan string) string { return `{"service_id":"db","plan_id":"` + plan + `"}` }

// ids is the query of deletions.
func ids(plan string) string { return "?service_id=db&plan_id=" + plan }

// provisioned is the step that makes a synchronous instance.
func provisioned(plan string) step {
	return step{call: "PUT " + instancePath, body: chosen(plan), status: 201}
}

// poll is a poll of the instance's last operation that has to hear a state.
func poll(state string) step {
	return step{call: "GET " + instancePath + "/last_operation", status: 200, want: `{"state":"` + state + `"}`}
}

// pollBound is the same for the binding.
func pollBound(state string) step {
	return step{call: "GET " + bindingPath + "/last_operation", status: 200, want: `{"state":"` + state + `"}`}
}
