package samplebroker_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func TestCatalog(t *testing.T) {
	t.Parallel()
	content := readTestCatalog(t)
	c := start(t, samplebroker.Options{Catalog: content})
	first := c.do(t, "GET /v2/catalog", "", nil)
	if first.body != string(content) {
		t.Error("the catalog was not answered byte for byte")
	}
	etag := first.header.Get("ETag")
	for _, test := range []struct {
		name, condition string
		want            int
	}{
		{"same", etag, 304},
		{"any", "*", 304},
		{"weak and listed", `"other", W/` + etag, 304},
		{"other", `"other"`, 200},
	} {
		r := c.do(t, "GET /v2/catalog", "", map[string]string{"If-None-Match": test.condition})
		if r.status != test.want || r.header.Get("ETag") != etag || (r.body == "") != (test.want == 304) {
			t.Errorf("%s: got status %d, ETag %s, %d bytes; want status %d, ETag %s",
				test.name, r.status, r.header.Get("ETag"), len(r.body), test.want, etag)
		}
	}

	if err := c.broker.SetCatalog([]byte(`{"services":[{}]}`)); err == nil {
		t.Error("a broken catalog was taken")
	}
	if r := c.do(t, "GET /v2/catalog", "", nil); r.header.Get("ETag") != etag {
		t.Error("a broken catalog replaced the one before")
	}
	if err := c.broker.SetCatalog([]byte(`{"services":[]}`)); err != nil {
		t.Errorf("an empty catalog was refused: %v", err)
	}
	r := c.do(t, "GET /v2/catalog", "", map[string]string{"If-None-Match": etag})
	if r.status != 200 || r.body != `{"services":[]}` {
		t.Errorf("a new catalog: got status %d, body %s", r.status, r.body)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	get := "GET /v2/catalog"
	named := func(name, value string) map[string]string { return map[string]string{name: value} }
	challenge := map[string]string{"WWW-Authenticate": `Basic realm="samplebroker", charset="UTF-8"`}
	identity := map[string]string{"X-Broker-API-Request-Identity": "request-1"}
	without := map[string]string{"X-Broker-API-Version": "", "X-Broker-API-Request-Identity": "request-1"}
	runScenarios(t, []scenario{
		{name: "credentials", steps: []step{
			{call: get, change: named("Authorization", ""), status: 401, header: challenge},
			{call: get, change: named("Authorization", "Basic cGxhdGZvcm06d3Jvbmc="), status: 401, header: challenge},
			{call: get, change: named("Authorization", "Basic b3RoZXI6cDRzczp3b3Jk"), status: 401, header: challenge},
			{call: get, change: named("Authorization", "Basic !"), status: 401, header: challenge},
			{call: get, change: named("Authorization", "Bearer p4ss:word"), status: 401, header: challenge},
			{call: get, change: named("Authorization", "basic cGxhdGZvcm06cDRzczp3b3Jk"), status: 200},
			{call: "GET /nowhere", change: named("Authorization", ""), status: 401},
			{call: "GET /debug/state", change: named("Authorization", ""), status: 401},
			{call: "PUT /debug/faults", body: "[]", change: named("Authorization", ""), status: 401},
			{call: "GET " + statePath, change: named("Authorization", ""), status: 401},
		}},
		{name: "version", steps: []step{
			{call: get, change: named("X-Broker-API-Version", ""), status: 400},
			{call: get, change: named("X-Broker-API-Version", "2"), status: 400},
			{call: get, change: named("X-Broker-API-Version", "2.x"), status: 400},
			{call: get, change: named("X-Broker-API-Version", "1.17"), status: 412},
			{call: get, change: named("X-Broker-API-Version", "3.0"), status: 412},
			{call: get, change: named("X-Broker-API-Version", "2.2"), status: 200},
			{call: get, change: named("X-Broker-API-Version", "2.99"), status: 200},
			{call: "GET /debug/state", change: named("X-Broker-API-Version", ""), status: 200},
			{call: "GET " + statePath, change: named("X-Broker-API-Version", ""), status: 404},
		}},
		{name: "version optional", options: samplebroker.Options{VersionOptional: true}, steps: []step{
			{call: get, change: named("X-Broker-API-Version", ""), status: 200},
			{call: get, change: named("X-Broker-API-Version", "3.0"), status: 412},
		}},
		{name: "request identity", steps: []step{
			{call: get, change: identity, status: 200, header: identity},
			{call: get, change: without, status: 400, header: identity},
			{call: "PUT " + instancePath, body: chosen("sync"), change: identity, status: 201, header: identity},
			{call: "PUT " + instancePath, body: chosen("sync2"), change: identity, status: 409, header: identity},
			{call: get, status: 200, header: map[string]string{"X-Broker-API-Request-Identity": ""}},
		}, instances: []string{"i"}},
		{name: "methods", steps: []step{
			{call: "POST /v2/catalog", status: 405, header: map[string]string{"Allow": "GET"}},
			{call: "POST " + instancePath, status: 405, header: map[string]string{"Allow": "DELETE, GET, PATCH, PUT"}},
			{call: "PATCH " + bindingPath, status: 405, header: map[string]string{"Allow": "DELETE, GET, PUT"}},
			{call: "PUT " + instancePath + "/last_operation", status: 405, header: map[string]string{"Allow": "GET"}},
			{call: "DELETE " + statePath, status: 405, header: map[string]string{"Allow": "GET, PUT"}},
			{call: "POST /debug/faults", status: 405, header: map[string]string{"Allow": "GET, PUT"}},
		}},
		{name: "base path", options: samplebroker.Options{BasePath: "/brokers/one"}, steps: []step{
			{call: get, status: 200}, provisioned("sync"), {call: "GET /debug/state", status: 200},
		}, instances: []string{"i"}},
	})
}

func TestBasePathAlone(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{BasePath: "/brokers/one"})
	c.url = strings.TrimSuffix(c.url, "/brokers/one")
	step{call: "GET /v2/catalog", status: 404}.run(t, c)
}

func TestBodies(t *testing.T) {
	t.Parallel()
	put := "PUT " + instancePath
	refused := func(body string) step { return step{call: put, body: body, status: 400} }
	typed := func(value string, status int) step {
		change := map[string]string{"Content-Type": value}
		return step{call: put, body: chosen("sync"), change: change, status: status}
	}
	encoded := func(value, body string, status int) step {
		return step{call: put, body: body, change: map[string]string{"Content-Encoding": value}, status: status}
	}
	packed := zip(t, chosen("sync"))
	runScenarios(t, []scenario{
		{name: "malformed", steps: []step{
			refused(""), refused("{"), refused("null"), refused("[]"), refused(`"x"`),
			refused(chosen("sync") + "{}"), refused(chosen("sync") + "x"),
			refused(`{"service_id":"db","plan_id":"sync","plan_id":"sync"}`),
			refused(`{"service_id":"db","plan_id":"sync","pl\u0061n_id":"sync"}`),
			refused(`{"service_id":"db","plan_id":"sync","context":{"a":1,"b":[{"c":1,"c":2}]}}`),
			refused(`{"SERVICE_ID":"db","plan_id":"sync"}`),
			refused(`{"service_id":1,"plan_id":"sync"}`),
			refused(`{"service_id":"db","plan_id":"sync","parameters":[]}`),
			refused("{\"service_id\":\"db\",\"plan_id\":\"sync\",\"x\":\"\xff\"}"),
		}},
		{name: "fields with one name in several objects", steps: []step{
			{
				call:   put,
				body:   `{"service_id":"db","plan_id":"sync","context":{"plan_id":"x","a":["plan_id","plan_id"]}}`,
				status: 201,
			},
		}, instances: []string{"i"}},
		{name: "types", steps: []step{
			typed("text/plain", 400), typed("application/x-www-form-urlencoded", 400), typed(";", 400),
			typed("", 201), typed("application/json; charset=utf-8", 200), typed("Application/JSON", 200),
		}, instances: []string{"i"}},
		{name: "encodings", steps: []step{
			encoded("br", "x", 415), encoded("gzip, gzip", packed, 415),
			encoded("gzip", chosen("sync"), 400), encoded("gzip", packed[:len(packed)-4], 400),
			encoded("gzip", packed, 201),
			encoded("x-gzip", packed, 200), encoded("identity", chosen("sync"), 200),
		}, instances: []string{"i"}},
		{name: "too large", steps: []step{
			{call: put, body: `{"x":"` + strings.Repeat("x", 9<<20) + `"}`, status: 413},
			encoded("gzip", zip(t, strings.Repeat(" ", 9<<20)), 413),
		}},
		{name: "queries", steps: []step{
			{call: put + "?accepts_incomplete=yes", body: chosen("sync"), status: 400},
			{call: put + "?accepts_incomplete=true&accepts_incomplete=true", body: chosen("sync"), status: 400},
			{call: put + "?a;b", body: chosen("sync"), status: 400},
			{call: put + "?a=%ff", body: chosen("sync"), status: 400},
			{call: put + "?accepts_incomplete=false&unknown=1", body: chosen("sync"), status: 201},
		}, instances: []string{"i"}},
	})
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.String()
}

func TestRequests(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	target := "/v2/service_instances/crn%3av1%3A:a%2Fb%7E?x=%20+&x"
	packed := zip(t, chosen("sync"))
	c.do(t, "PUT "+target, packed, map[string]string{"Content-Encoding": "gzip", "X-Own": "1"})
	c.do(t, "GET /debug/state", "", nil)
	c.do(t, "GET /v2/catalog", "", map[string]string{"Authorization": ""})

	type seen struct{ Method, RequestURI, Host, Own, Body string }
	var got []seen
	for _, r := range c.broker.Requests() {
		got = append(got, seen{r.Method, r.RequestURI, r.Host, r.Header.Get("X-Own"), string(r.Body)})
	}
	host := strings.TrimPrefix(c.url, "http://")
	want := []seen{{"PUT", target, host, "1", packed}, {http.MethodGet, "/v2/catalog", host, "", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	c.broker.ForgetRequests()
	if got := c.broker.Requests(); len(got) != 0 {
		t.Errorf("got %d requests after forgetting them, want none", len(got))
	}
}

func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	body := strings.Repeat(" ", 7<<20)
	for range 6 {
		c.do(t, "PUT "+instancePath, body, nil)
	}
	if got := len(c.broker.Requests()); got != 4 {
		t.Errorf("got %d requests of 7 MiB each, want 4", got)
	}
}
