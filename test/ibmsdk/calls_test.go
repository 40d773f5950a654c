package ibmsdk

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/go-sdk-core/v5/core"
)

const (
	serviceID = "cb55391b-3416-4943-a6a6-a541778c1924"
	planID    = "e62e2c19-0c3b-41e3-b8b3-c71762ecd489"
	instance  = "crn:v1:bluemix:public:example:us-south:a/499b176abb3e1c9727df87ae48b27c7b:7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7::"
	binding   = "crn:v1:bluemix:public:example:us-south:a/499b176abb3e1c9727df87ae48b27c7b:7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7:" +
		"resource-key:92dba2e9-86e7-4bb6-8e9f-b14294a41cbd"
	identity = "ibmcloud eyJpYW1faWQiOiJJQk1pZC01MEdOUjcxN1lFIn0="
	region   = "ibm:yp:us-south"
)

// seen is a request as the broker got it.
type seen struct {
	Method, Target, Body, Version, Encoding, Identity, Region, Authorization string
}

// broker is one that answers what IBM documents, and keeps the last request.
type broker struct {
	mu   sync.Mutex
	last seen
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	content, _ := io.ReadAll(body)
	b.mu.Lock()
	if !strings.HasSuffix(r.URL.Path, "/v2/catalog") {
		b.last = seen{
			r.Method, r.RequestURI, string(content), r.Header.Get("X-Broker-API-Version"), r.Header.Get("Content-Encoding"),
			r.Header.Get("X-Broker-API-Originating-Identity"), r.Header.Get("X-Bluemix-Region"), r.Header.Get("Authorization"),
		}
	}
	b.mu.Unlock()
	status, answer := http.StatusOK, `{}`
	switch path := r.URL.EscapedPath(); {
	case path == "/v2/catalog":
		answer = fmt.Sprintf(`{"services":[{"id":%q,"name":"example","description":"d","bindable":true,"plan_updateable":true,`+
			`"plans":[{"id":%q,"name":"p","description":"d"}]}]}`, serviceID, planID)
	case strings.HasPrefix(path, "/bluemix_v1/") && r.Method == http.MethodPut:
		status, answer = http.StatusNoContent, ""
	case strings.HasPrefix(path, "/bluemix_v1/"):
		answer = `{"active":true,"enabled":true,"last_active":1538764800}`
	case strings.HasSuffix(path, "/last_operation"):
		answer = `{"state":"succeeded","description":"done"}`
	case strings.Contains(path, "/service_bindings/") && r.Method == http.MethodPut:
		status, answer = http.StatusCreated, `{"credentials":{"port":12345678901234567890}}`
	case r.Method == http.MethodPut:
		status, answer = http.StatusCreated, `{"dashboard_url":"https://dashboard.example.com"}`
	}
	if status != http.StatusNoContent {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (b *broker) got() seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// call is one of the nine.
type call struct {
	name, method, path string
	query              map[string]string
	body               map[string]any
	status             int
	// want is a field of the answer and its value in JSON.
	field, want string
}

const (
	instancePath = "/v2/service_instances/{instance_id}"
	bindingPath  = instancePath + "/service_bindings/{binding_id}"
	statePath    = "/bluemix_v1/service_instances/{instance_id}"
)

var ids = map[string]string{"service_id": serviceID, "plan_id": planID}

// the nine calls, in an order in which a platform might make them.
var calls = []call{
	{name: "list catalog", method: core.GET, path: "/v2/catalog", status: 200, field: "services"},
	{
		name: "replace service instance", method: core.PUT, path: instancePath, query: map[string]string{"accepts_incomplete": "true"},
		body: map[string]any{
			"service_id": serviceID, "plan_id": planID, "parameters": map[string]any{"parameter1": "1"},
			"context": map[string]any{"account_id": "a", "crn": instance, "platform": "ibmcloud"},
		},
		status: 201, field: "dashboard_url", want: `"https://dashboard.example.com"`,
	},
	{
		name: "get last operation", method: core.GET, path: instancePath + "/last_operation",
		query: map[string]string{"operation": "Provision 45", "service_id": serviceID, "plan_id": planID}, status: 200, field: "state",
		want: `"succeeded"`,
	},
	{name: "get service instance state", method: core.GET, path: statePath, status: 200, field: "enabled", want: `true`},
	{
		name: "replace state", method: core.PUT, path: statePath,
		body:   map[string]any{"enabled": false, "initiator_id": "null", "reason_code": "IBMCLOUD_ACCT_SUSPEND"},
		status: 200, field: "active", want: `false`,
	},
	{
		name: "update service instance", method: core.PATCH, path: instancePath, query: map[string]string{"accepts_incomplete": "true"},
		body:   map[string]any{"service_id": serviceID, "plan_id": planID, "previous_values": map[string]any{"plan_id": planID}},
		status: 200,
	},
	{
		name: "replace service binding", method: core.PUT, path: bindingPath,
		body: map[string]any{
			"service_id": serviceID, "plan_id": planID, "bind_resource": map[string]any{"account_id": "a", "serviceid_crn": "crn"},
		},
		status: 201, field: "credentials", want: `{"port":12345678901234567890}`,
	},
	{name: "delete service binding", method: core.DELETE, path: bindingPath, query: ids, status: 200},
	{name: "delete service instance", method: core.DELETE, path: instancePath, query: ids, status: 200},
}

// TestCalls makes the nine calls through the gateway, with plain bodies and with compressed ones, and with no version at
// all, as the SDK sends none.
func TestCalls(t *testing.T) {
	b := new(broker)
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	address := startGateway(t, server.URL)
	for name, compressed := range map[string]bool{"plain": false, "compressed": true} {
		service, err := core.NewBaseService(&core.ServiceOptions{
			URL: address, Authenticator: &core.BasicAuthenticator{Username: user, Password: password}, EnableGzipCompression: compressed,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			for _, c := range calls {
				t.Run(c.name, func(t *testing.T) { c.try(t, service, b) })
			}
		})
	}
}

func (c call) try(t *testing.T, service *core.BaseService, b *broker) {
	t.Helper()
	builder := core.NewRequestBuilder(c.method)
	builder.EnableGzipCompression = service.GetEnableGzipCompression()
	parameters := map[string]string{"instance_id": instance, "binding_id": binding}
	if _, err := builder.ResolveRequestURL(service.GetServiceURL(), c.path, parameters); err != nil {
		t.Fatal(err)
	}
	builder.AddHeader("Accept", "application/json")
	builder.AddHeader("X-Broker-Api-Originating-Identity", identity)
	builder.AddHeader("X-Bluemix-Region", region)
	for name, value := range c.query {
		builder.AddQuery(name, value)
	}
	if c.body != nil {
		builder.AddHeader("Content-Type", "application/json")
		if _, err := builder.SetBodyContentJSON(c.body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	sentTarget := request.URL.RequestURI()
	var answer map[string]json.RawMessage
	response, err := service.Request(request, &answer)
	if err != nil {
		t.Fatalf("the SDK says: %v (%+v)", err, response)
	}
	if response.StatusCode != c.status {
		t.Errorf("got %d, want %d", response.StatusCode, c.status)
	}
	if got := string(answer[c.field]); c.field != "" && (got == "" || c.want != "" && got != c.want) {
		t.Errorf("%s: got %s, want %s", c.field, got, c.want)
	}
	if c.path == "/v2/catalog" {
		return
	}
	got := b.got()
	want := seen{
		Method: c.method, Target: sentTarget, Identity: identity, Region: region, Body: got.Body,
	}
	if c.body != nil && service.GetEnableGzipCompression() {
		want.Encoding = "gzip"
	}
	if got != want {
		t.Errorf("the broker got\n%+v, want\n%+v", got, want)
	}
	if c.body != nil && !sameJSON(t, got.Body, c.body) {
		t.Errorf("the broker got the body %s", got.Body)
	}
	if !strings.Contains(got.Target, url.PathEscape("/499b176abb3e1c9727df87ae48b27c7b")) {
		t.Errorf("the id is not escaped in %s", got.Target)
	}
}

func sameJSON(t *testing.T, text string, value any) bool {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(text) == string(data)
}
