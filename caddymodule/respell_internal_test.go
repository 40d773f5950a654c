package caddymodule

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// testSpelling spells the ids of the backend "one" with "m-" in front where they are mapped.
type testSpelling struct {
	mapped, hidden, draining bool
	// blind: no catalog is at hand.
	blind bool
}

func (s testSpelling) OwnOffering(backend, spelled string) string {
	if backend != "one" || s.blind {
		return spelled
	}
	return strings.TrimPrefix(spelled, "m-")
}

func (s testSpelling) OwnPlan(backend, spelled string) string { return s.OwnOffering(backend, spelled) }

func (s testSpelling) ExposedOffering(backend, own string) string {
	if s.mapped {
		return s.MappedOffering(backend, own)
	}
	return own
}

func (s testSpelling) ExposedPlan(backend, own string) string { return s.ExposedOffering(backend, own) }

func (testSpelling) MayBeMapped(id string) bool                       { return strings.HasPrefix(id, "m-") }
func (testSpelling) MappedOffering(_, own string) string              { return "m-" + own }
func (testSpelling) MappedPlan(_, own string) string                  { return "m-" + own }
func (s testSpelling) Draining(string) bool                           { return s.draining }
func (s testSpelling) Visible(*platformSettings, string, string) bool { return !s.hidden }

// spelledBroker notes what it is sent, and answers what it is told to.
type spelledBroker struct {
	mu     sync.Mutex
	target string
	header http.Header
	body   string
	calls  int
	// status and answer are those of the next call; gzipped has the answer compressed.
	status  int
	answer  string
	gzipped bool
}

func spelledCatalog(prefix string) string {
	return strings.ReplaceAll(`{"services":[{"name":"pg","id":"?s","description":"a service","bindable":true,"plans":[`+
		`{"id":"?p1","name":"small","description":"small"},{"id":"?p2","name":"large","description":"large"}]}]}`, "?", prefix)
}

func (b *spelledBroker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/catalog" {
		_, _ = io.WriteString(w, spelledCatalog(""))
		return
	}
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.target, b.header, b.body = r.RequestURI, r.Header, string(body)
	b.calls++
	answer := b.answer
	w.Header().Set("Content-Type", "application/json")
	if b.gzipped {
		answer = gzipped(answer)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Digest", "sha-256=:AA==:")
	}
	w.WriteHeader(b.status)
	_, _ = io.WriteString(w, answer)
}

func gzipped(text string) string {
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	_, _ = io.WriteString(writer, text)
	_ = writer.Close()
	return buffer.String()
}

// spelledGateway is a gateway before such a broker.
type spelledGateway struct {
	*testing.T
	*runtime
	broker *spelledBroker
}

func startSpelledGateway(t *testing.T) *spelledGateway {
	t.Helper()
	broker := new(spelledBroker)
	server := httptest.NewServer(broker)
	t.Cleanup(server.Close)
	rt := startGateway(t, &Gateway{
		Store: &StoreConfig{Kind: "memory"},
		Platforms: []*PlatformConfig{{Name: "cf", BasicAuth: []BasicAuthConfig{{
			User: "user", Hash: "$2a$04$VHKE4UfEPzUaYNhwnpkzpeG9tnpgNijKnPhzhrlIjJeecPRKxV.X6",
		}}}},
		Backends: []*BackendConfig{{Name: "one", URL: server.URL}},
		Catalog:  &CatalogConfig{Refresh: "1h"},
	})
	until(t, "the catalog", func() bool { return rt.catalogs.current().servable && rt.named() != nil })
	return &spelledGateway{t, rt, broker}
}

// publish has the catalog say what it would if the ids were spelled so.
func (g *spelledGateway) publish(s testSpelling) {
	g.Helper()
	prefix := ""
	if s.mapped {
		prefix = "m-"
	}
	copied, err := catalogmerge.Refresh(nil, "one", catalogmerge.Fetch{Body: []byte(spelledCatalog(prefix)), At: time.Now()})
	if err != nil {
		g.Fatal(err)
	}
	next := *g.catalogs.current()
	next.Catalog = catalogmerge.Merge([]*catalogmerge.Exposed{catalogmerge.Expose(copied, nil, nil, nil)}, nil)
	next.outlooks = map[string]*outlook{"cf": {&next, s, g.callers["cf"]}}
	g.catalogs.published.Store(&next)
}

// spelledCall is a call, what the broker is to see of it, and what comes of its answer.
type spelledCall struct {
	method, target, body string
	// gzipped has both bodies compressed.
	gzipped bool
	// sent and sentBody are what the broker sees; empty for what the call has.
	sent, sentBody string
	status         int
	answer         string
	// want is the answer that the platform gets; empty for the broker's.
	want string
}

func (g *spelledGateway) check(name string, c spelledCall) {
	g.Run(name, func(t *testing.T) {
		body := c.body
		g.broker.mu.Lock()
		g.broker.status, g.broker.answer, g.broker.gzipped = c.status, c.answer, c.gzipped
		g.broker.mu.Unlock()
		if c.gzipped {
			body = gzipped(body)
		}
		r := httptest.NewRequestWithContext(t.Context(), c.method, c.target, strings.NewReader(body))
		r.SetBasicAuth("user", "platform-password-marked")
		if c.gzipped {
			r.Header.Set("Content-Encoding", "gzip")
			r.Header.Set("Content-Digest", "sha-256=:AA==:")
		}
		w := httptest.NewRecorder()
		if err := g.serve(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })); err != nil {
			t.Fatal(err)
		}
		g.broker.mu.Lock()
		defer g.broker.mu.Unlock()
		sent, sentBody, want := c.target, body, c.answer
		if c.sent != "" {
			sent = c.sent
		}
		if c.sentBody != "" {
			sentBody = c.sentBody
		}
		if g.broker.target != sent || g.broker.body != sentBody {
			t.Errorf("the broker got  %s %q\nwant %s %q", g.broker.target, g.broker.body, sent, sentBody)
		}
		respelled := c.sentBody != "" && c.gzipped
		if got := g.broker.header.Get("Content-Encoding") == "" && g.broker.header.Get("Content-Digest") == ""; got != (respelled || !c.gzipped) {
			t.Errorf("the broker got the header %v", g.broker.header)
		}
		if c.gzipped {
			want = gzipped(want)
		}
		if c.want != "" {
			want = c.want
		}
		if w.Code != c.status || w.Body.String() != want {
			t.Errorf("got the answer %d %q\nwant %d %q", w.Code, w.Body, c.status, want)
		}
		if plain := w.Header().Get("Content-Encoding") == "" && w.Header().Get("Content-Digest") == ""; plain != (!c.gzipped || c.want != "") {
			t.Errorf("got the header %v", w.Header())
		}
	})
}

const (
	spelledInstance = "/v2/service_instances/i"
	spelledBinding  = spelledInstance + "/service_bindings/b"
)

// TestRespelled takes instances through their lives while their ids are published in one way and in the other.
func TestRespelled(t *testing.T) {
	g := startSpelledGateway(t)
	g.publish(testSpelling{mapped: true})
	const fetched = `{ "plan_id":"p1",  "service_id" : "s", "parameters":{"service_id":"s","n":1.0} }`
	const mapped = `{ "plan_id":"m-p1",  "service_id" : "m-s", "parameters":{"service_id":"s","n":1.0} }`
	const binding = spelledBinding + "?x=a+b%20c&service_id="
	get := func(target, answer, want string) spelledCall {
		return spelledCall{method: "GET", target: target, status: 200, answer: answer, want: want}
	}
	g.check("Create", spelledCall{
		method: "PUT", target: spelledInstance + "?accepts_incomplete=true", status: 202, answer: `{"operation":"o"}`,
		body:     "{ \"plan_id\":\"m-p1\",\n\"parameters\":{\"plan_id\":\"m-p1\",\"n\":12345678901234567890}, \"service_id\":\"m-\\u0073\" }",
		sentBody: "{ \"plan_id\":\"p1\",\n\"parameters\":{\"plan_id\":\"m-p1\",\"n\":12345678901234567890}, \"service_id\":\"s\" }",
	})
	g.check("Poll", spelledCall{
		method: "GET", target: spelledInstance + "/last_operation?operation=m-s&plan_id=m-p1&service_id=m-s", status: 200,
		sent: spelledInstance + "/last_operation?operation=m-s&plan_id=p1&service_id=s", answer: `{"state":"succeeded","plan_id":"p1"}`,
	})
	g.check("FetchWithoutIDs", get(spelledInstance, fetched, mapped))
	g.check("FetchCompressed", spelledCall{
		method: "GET", target: spelledInstance, status: 200, answer: fetched, want: mapped, gzipped: true,
	})
	g.check("FetchCompressedWithoutIDs", spelledCall{
		method: "GET", target: spelledInstance, status: 200, answer: `{"parameters":{}}`, gzipped: true,
	})
	g.check("FetchOfAPlanThatNobodyNamed", get(spelledInstance, `{"plan_id":"p2"}`, `{"plan_id":"m-p2"}`))
	g.check("FetchAmbiguous", get(spelledInstance, `{"plan_id":"p1","plan_id":"p2"}`, ""))
	g.check("FetchOfNoObject", get(spelledInstance, `["s"]`, ""))
	g.check("FetchByMappedIDs", spelledCall{
		method: "GET", target: spelledInstance + "?service_id=m-s&plan_id=m-p1", status: 200, answer: fetched, want: mapped,
		sent: spelledInstance + "?service_id=s&plan_id=p1",
	})
	g.check("FetchByOwnIDs", get(spelledInstance+"?service_id=s&plan_id=p1", fetched, ""))
	g.check("FetchFails", spelledCall{method: "GET", target: spelledInstance, status: 422, answer: fetched})
	g.check("Update", spelledCall{
		method: "PATCH", target: spelledInstance, status: 200, answer: `{"plan_id":"p2"}`,
		body:     `{"service_id":"m-s","plan_id":"m-p2","previous_values":{"plan_id":"m-p1","service_id":"m-s","x":"m-s"}}`,
		sentBody: `{"service_id":"s","plan_id":"p2","previous_values":{"plan_id":"p1","service_id":"s","x":"m-s"}}`,
	})
	g.check("UpdateOfOneID", spelledCall{
		method: "PATCH", target: spelledInstance, status: 200, answer: `{}`,
		body: `{"service_id":"s","previous_values":{"plan_id":"m-p1"}}`, sentBody: `{"service_id":"s","previous_values":{"plan_id":"p1"}}`,
	})
	g.check("BindCompressed", spelledCall{
		method: "PUT", target: spelledBinding, status: 201, answer: `{"service_id":"s"}`, gzipped: true,
		body: `{"service_id":"m-s","plan_id":"m-p2"}`, sentBody: `{"service_id":"s","plan_id":"p2"}`,
	})
	g.check("BindCompressedByOwnIDs", spelledCall{
		method: "PUT", target: spelledBinding, status: 200, answer: `{}`, gzipped: true, body: `{"service_id":"s","plan_id":"p2"}`,
	})

	// The policy is taken back; the platform knows the old ids only.
	g.publish(testSpelling{})
	g.check("FetchAfterwards", get(spelledInstance, `{"plan_id":"p2","service_id":"s"}`, `{"plan_id":"m-p2","service_id":"m-s"}`))
	g.check("FetchBindingAfterwards", spelledCall{
		method: "GET", target: binding + "m-s&plan_id=m%2Dp2", sent: binding + "s&plan_id=p2", status: 200, answer: `{"plan_id":"p2"}`,
	})
	g.check("UnbindAfterwards", spelledCall{
		method: "DELETE", target: binding + "m-s&plan_id=m-p2", sent: binding + "s&plan_id=p2", status: 200, answer: "{}",
	})
	g.check("DeleteAfterwards", spelledCall{
		method: "DELETE", target: spelledInstance + "?service_id=m-s&plan_id=m-p2", status: 200, answer: "{}",
		sent: spelledInstance + "?service_id=s&plan_id=p2",
	})

	// And the other way round.
	g.check("CreateByOwnIDs", spelledCall{
		method: "PUT", target: spelledInstance, status: 201, answer: "{}", body: `{"service_id":"s","plan_id":"p1"}`,
	})
	g.publish(testSpelling{mapped: true})
	g.check("FetchOfWhatWasCreatedByOwnIDs", get(spelledInstance, fetched, ""))
	g.check("FetchOfWhatWasCreatedByOwnIDsByOthers", spelledCall{
		method: "GET", target: spelledInstance + "?service_id=m-s", status: 200, answer: fetched, want: mapped,
		sent: spelledInstance + "?service_id=s",
	})
	g.publish(testSpelling{mapped: true, blind: true})
	g.check("UpdateWithoutACatalog", spelledCall{
		method: "PATCH", target: spelledInstance, status: 200, answer: `{}`,
		body: `{"service_id":"m-s","previous_values":{"plan_id":"m-p1"}}`, sentBody: `{"service_id":"s","previous_values":{"plan_id":"p1"}}`,
	})
	g.check("DeleteByOwnIDs", spelledCall{
		method: "DELETE", target: spelledInstance + "?service_id=s&plan_id=p1", status: 200, answer: "{}",
	})
}

// TestFetchedUnknown: what is fetched by a hint alone comes back with the ids that the call names or, if it names none,
// with those that are published.
func TestFetchedUnknown(t *testing.T) {
	g := startSpelledGateway(t)
	const crn = "/v2/service_instances/crn%3Av1%3Abluemix%3Apublic%3Apg%3Aus-south%3Aa%2F42%3Ai%3A%3A"
	g.publish(testSpelling{mapped: true})
	g.check("ByCRN", spelledCall{
		method: "GET", target: crn, status: 200, answer: `{"service_id":"s","plan_id":"p1"}`, want: `{"service_id":"m-s","plan_id":"m-p1"}`,
	})
	g.check("ByPlan", spelledCall{
		method: "GET", target: crn + "?plan_id=m-p1", sent: crn + "?plan_id=p1", status: 200,
		answer: `{"service_id":"s","plan_id":"p1"}`, want: `{"service_id":"m-s","plan_id":"m-p1"}`,
	})
	g.publish(testSpelling{})
	g.check("ByCRNPlain", spelledCall{method: "GET", target: crn, status: 200, answer: `{"service_id":"s","plan_id":"p1"}`})
	g.check("ByMappedID", spelledCall{
		method: "GET", target: crn + "?service_id=m-s", sent: crn + "?service_id=s", status: 200,
		answer: `{"service_id":"s","plan_id":"p1"}`, want: `{"service_id":"m-s","plan_id":"m-p1"}`,
	})
}

// TestRecordedSpelling: records hold the backend's own ids, and the others beside them.
func TestRecordedSpelling(t *testing.T) {
	g := startSpelledGateway(t)
	g.publish(testSpelling{mapped: true})
	g.check("Create", spelledCall{
		method: "PUT", target: spelledInstance, status: 201, answer: "{}", body: `{"service_id":"m-s","plan_id":"m-p1"}`,
		sentBody: `{"service_id":"s","plan_id":"p1"}`,
	})
	snapshot, err := g.store.store.Read(t.Context(), routing.Key{Instance: "i"})
	if err != nil {
		t.Fatal(err)
	}
	record, err := routing.DecodeRecord(snapshot.Instance)
	if err != nil {
		t.Fatal(err)
	}
	view := g.viewRecord(record)
	got := [...]string{
		string(view.ServiceID), string(view.PlanID), string(view.SpelledServiceID), string(view.SpelledPlanID),
	}
	if want := [...]string{"s", "p1", "m-s", "m-p1"}; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var printed bytes.Buffer
	table := newTable(&printed)
	table.record(view)
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"known as service id", "m-s\n", "known as plan id", "m-p1\n"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("%q is missing from\n%s", want, &printed)
		}
	}
}

// TestNotAllowed has the 403s, and that all else goes on.
func TestNotAllowed(t *testing.T) {
	g := startSpelledGateway(t)
	create := spelledCall{
		method: "PUT", target: spelledInstance, status: 201, answer: "{}", body: `{"service_id":"s","plan_id":"p1"}`,
	}
	bind := create
	bind.target = spelledBinding
	g.check("Create", create)
	refuse := func(name, method, target, body, description string) {
		g.Run(name, func(t *testing.T) {
			before := g.broker.calls
			r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
			r.SetBasicAuth("user", "platform-password-marked")
			w := httptest.NewRecorder()
			if err := g.serve(w, r, nil); err != nil {
				t.Fatal(err)
			}
			want := `{"error":"NotAllowed","description":"` + description + `"}`
			if w.Code != http.StatusForbidden || w.Body.String() != want {
				t.Errorf("got %d %s, want 403 %s", w.Code, w.Body, want)
			}
			if g.broker.calls != before {
				t.Error("the broker was asked")
			}
		})
	}
	goesOn := func() {
		again := create
		again.status = 200
		g.check("CreateAgain", again)
		g.check("UpdateOfParameters", spelledCall{
			method: "PATCH", target: spelledInstance, status: 200, answer: "{}", body: `{"service_id":"s","plan_id":"p1","parameters":{}}`,
		})
		g.check("Fetch", spelledCall{method: "GET", target: spelledInstance, status: 200, answer: "{}"})
	}
	const other = "/v2/service_instances/other"

	g.publish(testSpelling{draining: true})
	refuse("CreateOnADrainingBackend", "PUT", other, create.body, drainingDescription)
	goesOn()
	g.check("UpdateOnADrainingBackend", spelledCall{
		method: "PATCH", target: spelledInstance, status: 200, answer: "{}", body: `{"service_id":"s","plan_id":"p2"}`,
	})
	g.check("UpdateBack", spelledCall{
		method: "PATCH", target: spelledInstance, status: 200, answer: "{}", body: `{"service_id":"s","plan_id":"p1"}`,
	})
	g.check("BindOnADrainingBackend", bind)

	g.publish(testSpelling{hidden: true, draining: true})
	refuse("CreateOfWhatIsNotVisible", "PUT", other, create.body, notVisibleDescription)
	refuse("ChangeOfPlan", "PATCH", spelledInstance, `{"service_id":"s","plan_id":"p2"}`, notVisibleDescription)
	refuse("Bind", "PUT", spelledInstance+"/service_bindings/new", bind.body, notVisibleDescription)
	goesOn()
	again := bind
	again.status = 200
	g.check("BindAgain", again)
	g.check("Unbind", spelledCall{
		method: "DELETE", target: spelledBinding + "?service_id=s&plan_id=p1", status: 200, answer: "{}",
	})
	refuse("BindOfWhatIsGone", "PUT", spelledBinding, bind.body, notVisibleDescription)
	g.check("Delete", spelledCall{
		method: "DELETE", target: spelledInstance + "?service_id=s&plan_id=p1", status: 200, answer: "{}",
	})
	refuse("CreateOfWhatIsGone", "PUT", spelledInstance, create.body, notVisibleDescription)
}

// TestOwnIDsCostNothing: where ids are published as they are, to look for others allocates nothing.
func TestOwnIDsCostNothing(t *testing.T) {
	g := startSpelledGateway(t)
	const ids = `{"service_id":"s","plan_id":"p1","previous_values":{"plan_id":"p1"}}`
	g.check("Create", spelledCall{method: "PUT", target: spelledInstance, status: 201, answer: "{}", body: ids})
	for _, method := range []string{http.MethodPatch, http.MethodGet} {
		r := httptest.NewRequestWithContext(t.Context(), method, spelledInstance+"?service_id=s&plan_id=p1", strings.NewReader(ids))
		path, err := osb.ParsePath(method, spelledInstance)
		if err != nil {
			t.Fatal(err)
		}
		c := &call{rt: g.runtime, r: r, w: httptest.NewRecorder(), path: path, start: time.Now(), platform: g.callers["cf"]}
		if err := c.readIDs(); err != nil {
			t.Fatal(err)
		}
		if err := c.begin(false); err != nil {
			t.Fatal(err)
		}
		request := backend.Request{Query: r.URL.RawQuery, Body: c.body}
		response := &backend.Response{Status: http.StatusOK, Header: make(http.Header), Body: []byte(ids)}
		if got := testing.AllocsPerRun(100, func() {
			c.askWithOwnIDs(&request)
			c.answerWithKnownIDs(response)
		}); got != 0 {
			t.Errorf("%s: got %v allocations, want none", method, got)
		}
		if string(request.Body) != ids || request.Query != r.URL.RawQuery || string(response.Body) != ids {
			t.Errorf("%s: got %+v and %+v, want what was given", method, request, response)
		}
	}
}
