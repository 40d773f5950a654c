package answers_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestExamples replays documented calls and compares the bytes at the broker and those at the platform. It does so with
// the gateway and the broker at the root of their hosts, and beneath paths.
func TestExamples(t *testing.T) {
	t.Parallel()
	t.Run("at the root", func(t *testing.T) { testExamples(t, "", "") })
	t.Run("beneath paths", func(t *testing.T) { testExamples(t, "/osb/main", "/tenant~1/broker") })
}

// replay is a gateway and its brokers.
type replay struct {
	*harness.Gateway
	java, compose *rawBroker
	// base is what the gateway's paths begin with, prefix what the broker's do.
	base, prefix string
}

func testExamples(t *testing.T, base, prefix string) {
	t.Parallel()
	java := startRawBroker(t, catalogOf(
		offering(exampleService, "testjavaresourceservicebrokername", examplePlan, exampleNewPlan)))
	compose := startRawBroker(t, catalogOf(offering(composeService, "compose-redis", composePlan)))
	node := startRawBroker(t, "{\n  \"services\": [\n    "+exampleOffering+"\n  ]\n}")
	java.URL += prefix
	compose.URL += prefix
	block := []string{
		"store memory", "platform ibm {", credentials(t, exampleUser, composeUser, templateUser), "}",
		java.backend("java", ""), compose.backend("compose", ""), node.backend("node", ""),
	}
	if base != "" {
		block = append(block, "base_path "+base)
	}
	g := harness.Start(t, harness.Options{
		Block: strings.Join(block, "\n"), Site: fmt.Sprintf("respond %q 299", nextHandler),
	})
	r := &replay{Gateway: g, java: java, compose: compose, base: base, prefix: prefix}
	t.Run("state of an instance made before", r.testStateFirst)
	t.Run("catalog", r.testExampleCatalog)
	for _, x := range examples {
		t.Run(x.name, func(t *testing.T) { r.try(t, x) })
	}
	t.Run("another API", r.testOtherAPI)
	if base != "" {
		t.Run("outside the base path", r.testOutside)
	}
}

// credentials are lines of basic_auth for these users.
func credentials(t *testing.T, users ...string) string {
	t.Helper()
	var lines strings.Builder
	for _, credential := range users {
		user, password, _ := strings.Cut(credential, ":")
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "\tbasic_auth %s %s\n", user, hash)
	}
	return lines.String()
}

// text is the example as it is written to the wire.
func (x example) text(host, base string) string {
	scheme := "Basic"
	if x.lowerCase {
		scheme = "basic"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s %s\r\n", x.method, base, x.target, host, scheme,
		base64.StdEncoding.EncodeToString([]byte(x.user)))
	b.WriteString("User-Agent: curl/8.5.0\r\nConnection: close\r\n")
	for _, line := range x.header {
		b.WriteString(line + "\r\n")
	}
	if x.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(x.body))
	}
	return b.String() + "\r\n" + x.body
}

func (r *replay) send(t *testing.T, x example) answer {
	t.Helper()
	a, err := exchange(r.Gateway, x.method, x.text(host(r.Gateway), r.base))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try replays an example.
func (r *replay) try(t *testing.T, x example) {
	t.Helper()
	b := r.compose
	if strings.Contains(x.target, exampleInstance) {
		b = r.java
	}
	b.on(x.target, says(reply(x.status, x.answerHeader, x.answer)))
	defer b.off(x.target)
	before := len(b.got(""))
	a := r.send(t, x)
	sent := b.got("")[before:]
	if len(sent) != 1 {
		t.Fatalf("the broker got %d calls, want one; the platform got %d %q", len(sent), a.status, a.body)
	}
	r.checkRequest(t, x, sent[0], a)
	checkAnswer(t, x, a)
	if x.audited != "" {
		identity := a.header.Get("X-Broker-API-Request-Identity")
		harness.Await(t, "the audit line", func() bool {
			return logged(r.Gateway, "gateway.audit", identity, `"identity_platform":"ibmcloud"`,
				`"identity_user":"`+x.audited+`"`)
		})
	}
}

// checkRequest compares what the broker got with what the platform sent.
func (r *replay) checkRequest(t *testing.T, x example, got rawRequest, a answer) {
	t.Helper()
	line := fmt.Sprintf("%s %s%s HTTP/1.1", x.method, r.prefix, x.target)
	if gotLine, _, _ := strings.Cut(got.Head, "\r\n"); gotLine != line {
		t.Errorf("got the request line\n%q, want\n%q", gotLine, line)
	}
	if got.Body != x.body {
		t.Errorf("got the body\n%q, want\n%q", got.Body, x.body)
	}
	parsed, err := http.ReadRequest(newReader(x.text("broker", "")))
	if err != nil {
		t.Fatal(err)
	}
	want := parsed.Header.Clone()
	want.Del("Connection")                                              // is between two neighbours
	want.Set("Authorization", basic("gateway", harness.BrokerPassword)) // the broker's instead of the platform's
	checkMark(t, got.Header)
	want["X-Osb-Gateway-Path"] = got.Header["X-Osb-Gateway-Path"]
	// Generated where the platform sends none.
	want.Set("X-Broker-API-Request-Identity", a.header.Get("X-Broker-API-Request-Identity"))
	if want.Get("Accept-Encoding") == "" {
		want.Set("Accept-Encoding", "identity") // or the answer might come compressed, which nobody asked for
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("the header differs (-platform +broker):\n%s", diff)
	}
}

// markPattern is how a gateway knows its own calls again.
var markPattern = regexp.MustCompile(`^g-[0-9a-f]{24}$`)

// checkMark expects the mark of one gateway, which has its calls refused should they come back to it.
func checkMark(t *testing.T, header http.Header) {
	t.Helper()
	if marks := header["X-Osb-Gateway-Path"]; len(marks) != 1 || !markPattern.MatchString(marks[0]) {
		t.Errorf("got the marks of gateways %q, want one", marks)
	}
}

// checkAnswer compares what the platform got with what the broker answered.
func checkAnswer(t *testing.T, x example, a answer) {
	t.Helper()
	if status := fmt.Sprint(a.status); !strings.HasPrefix(x.status, status) {
		t.Errorf("got status %s, want %s", status, x.status)
	}
	if a.body != x.answer {
		t.Errorf("got the body\n%q, want\n%q", a.body, x.answer)
	}
	parsed, err := parseAnswer(x.method, reply(x.status, x.answerHeader, x.answer))
	if err != nil {
		t.Fatal(err)
	}
	want := parsed.header
	for _, name := range []string{
		"X-Broker-Api-Request-Identity", // is the gateway's
		"Server", "Date", "Connection",  // are those of the connection to the gateway
	} {
		if values := a.header.Values(name); len(values) > 0 {
			want[name] = values
		}
	}
	if diff := cmp.Diff(want, a.header); diff != "" {
		t.Errorf("the header differs (-broker +platform):\n%s", diff)
	}
}

// A call on an instance that no gateway made, without any service_id, goes by the service name in the instance's CRN.
func (r *replay) testStateFirst(t *testing.T) {
	for _, x := range examples {
		if x.name == "state" || x.name == "enable" {
			r.try(t, x)
		}
	}
}

func (r *replay) testExampleCatalog(t *testing.T) {
	a := r.send(t, example{
		method: "GET", target: "/v2/catalog", header: []string{acceptJSON, version212}, user: exampleUser,
	})
	if a.status != http.StatusOK || !strings.HasSuffix(a.body, ","+exampleOffering+"]}") {
		t.Errorf("got %d %q, want a catalog that ends with\n%s", a.status, a.body, exampleOffering)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("got Content-Type %q", got)
	}
}

// The API of a cloud controller is not that of a broker.
func (r *replay) testOtherAPI(t *testing.T) {
	text := "GET " + r.base + "/v3/service_plans/guid HTTP/1.1\r\nHost: " + host(r.Gateway) +
		"\r\nAuthorization: any-value\r\nConnection: close\r\n\r\n"
	a, err := exchange(r.Gateway, "GET", text)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != 299 || a.body != nextHandler {
		t.Errorf("got %d %q, want that of the next handler", a.status, a.body)
	}
}

// What is not beneath the base path is for the next handler.
func (r *replay) testOutside(t *testing.T) {
	for path, own := range map[string]bool{
		"/v2/catalog": false, "/bluemix_v1/service_instances/x": false, "/osb/v2/catalog": false, "/osb/main": false,
		"/osb/main/": false, "/osb/mainv2/catalog": false, "/osb/main2/v2/catalog": false, "/osb/%6dain/v2/catalog": false,
		"/osb//main/v2/catalog": false, "/OSB/main/v2/catalog": false, "/osb/main/v3/x": false,
		"/x/osb/main/v2/catalog": false,
		"/osb/main/v2":           true, "/osb/main/v2/nothing": true, "/osb/main/bluemix_v1/x": true,
	} {
		text := "GET " + path + " HTTP/1.1\r\nHost: " + host(r.Gateway) + "\r\nConnection: close\r\n\r\n"
		a, err := exchange(r.Gateway, "GET", text)
		if err != nil {
			t.Fatal(err)
		}
		if own {
			unauthorized.check(t, a, "")
		} else if a.status != 299 || a.body != nextHandler {
			t.Errorf("%s: got %d %q, want that of the next handler", path, a.status, a.body)
		}
	}
}
