package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// unpolledWorld is a world on a Redis of its own whose slow plans need no second poll, and whose records can be made old.
type unpolledWorld struct {
	*world
	server *redistest.Server
}

func newUnpolledWorld(t *testing.T) *unpolledWorld {
	t.Helper()
	w := &unpolledWorld{world: brokersOnly(t, nil), server: redistest.Start(t)}
	for name, broker := range w.brokers {
		catalog := strings.ReplaceAll(string(brokerCatalog(name)), `"async":true`, `"async":true,"polls":0`)
		if err := broker.SetCatalog([]byte(catalog)); err != nil {
			t.Fatal(err)
		}
	}
	w.start(t, harness.Options{Block: w.block(redisStoreAt(w.server))})
	return w
}

// records are the records in Redis, by their ids: an instance's, or an instance's and a binding's with a slash between.
func (w *unpolledWorld) records(t *testing.T) map[string]storedRecord {
	t.Helper()
	found := make(map[string]storedRecord)
	for _, key := range w.keys(t, "*:instance:*", "*:binding:*") {
		text, err := w.server.Client().Get(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		r := storedRecord{key: key, text: text}
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		name := r.Instance
		if r.Binding != "" {
			name += "/" + r.Binding
		}
		found[name] = r
	}
	return found
}

type storedRecord struct {
	Instance  string `json:"instance_id"`
	Binding   string `json:"binding_id"`
	State     string `json:"state"`
	Plan      string `json:"plan_id"`
	Updated   int64  `json:"updated_at"`
	key, text string
}

func (w *unpolledWorld) keys(t *testing.T, patterns ...string) []string {
	t.Helper()
	var keys []string
	for _, pattern := range patterns {
		found, err := w.server.Client().Keys(t.Context(), pattern).Result()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, found...)
	}
	return keys
}

// age makes every record and its place in the index of unfinished ones look as old as if nobody had written it since.
func (w *unpolledWorld) age(t *testing.T, by time.Duration) {
	t.Helper()
	client := w.server.Client()
	for _, r := range w.records(t) {
		old := strings.Replace(r.text, fmt.Sprintf(`"updated_at":%d`, r.Updated),
			fmt.Sprintf(`"updated_at":%d`, r.Updated-by.Milliseconds()), 1)
		if err := client.SetArgs(t.Context(), r.key, old, redis.SetArgs{KeepTTL: true}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range w.keys(t, "*:unfinished") {
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

// states are the states of all records.
func (w *unpolledWorld) states(t *testing.T) map[string]string {
	t.Helper()
	states := make(map[string]string)
	for name, r := range w.records(t) {
		states[name] = r.State
	}
	return states
}

var unfinishedAsked = regexp.MustCompile(`caddy_osb_gateway_store_operations_total\{[^}]*operation="unfinished"[^}]*\} [1-9]`)

// awaitSweep waits until a gateway has asked for operations that nobody polls.
func awaitSweep(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	harness.Await(t, "a gateway to look for operations that nobody polls", func() bool {
		answer, err := http.Get(gateway.Admin + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		return err == nil && unfinishedAsked.Match(text)
	})
}

// TestUnpolledOperations: operations that nobody polls for an hour come to an end all the same, whoever of two gateways
// polls them, and each is polled once.
func TestUnpolledOperations(t *testing.T) {
	t.Parallel()
	w := newUnpolledWorld(t)
	// What becomes of each, and the operation that it is polled for.
	want := make(map[string]string)
	operations := make(map[string]string)
	accept := func(name, state string, r harness.Request) {
		t.Helper()
		answer := w.Do(t, r)
		if answer.Status != http.StatusAccepted {
			t.Fatalf("%s %s: got %d %s", r.Method, r.Target, answer.Status, answer.Body)
		}
		want[name], operations[name] = state, operation(t, answer)
	}
	poll := func(broker, path, name string) {
		t.Helper()
		w.expect(t, get(path+"/last_operation"+ids(broker, slow)+"&operation="+url.QueryEscape(operations[name])),
			http.StatusOK, broker)
	}
	created := func(broker, id string) {
		t.Helper()
		accept(id, "ready", put(instancePath(id)+asynchronous, create(broker, slow)))
		poll(broker, instancePath(id), id)
	}
	remove := func(broker, id, state string) {
		t.Helper()
		accept(id, state, del(instancePath(id)+ids(broker, slow)+"&accepts_incomplete=true"))
	}
	answer := func(id string, status int, body string) samplebroker.Fault {
		return samplebroker.Fault{
			Method: http.MethodGet, Path: id + "/last_operation$", Action: samplebroker.ActionAnswer, BeforeWork: true,
			Status: status, Body: body,
		}
	}

	accept("creation", "ready", put(instancePath("creation")+asynchronous, create(alpha, slow)))
	accept("failed-creation", "claimed", put(instancePath("failed-creation")+asynchronous, create(alpha, slow)))
	accept("odd%20id", "ready", put(instancePath("odd%2520id")+asynchronous, create(alpha, slow)))
	for _, id := range []string{"deletion", "failed-deletion", "unknown-deletion", "broken-deletion", "slow-deletion"} {
		created(alpha, id)
	}
	remove(alpha, "deletion", "gone")
	remove(alpha, "failed-deletion", "ready")
	remove(alpha, "unknown-deletion", "deleting")
	remove(alpha, "broken-deletion", "deleting")
	remove(alpha, "slow-deletion", "deleting")
	w.expect(t, put(instancePath("update"), create(beta, small)), http.StatusCreated, beta)
	accept("update", "ready", patch(instancePath("update")+asynchronous, change(beta, small, slow)))
	created(beta, "parent")
	accept("parent/bind", "ready", put(bindingPath("parent", "bind")+asynchronous, bind(beta, slow)))
	accept("parent/unbind", "ready", put(bindingPath("parent", "unbind")+asynchronous, bind(beta, slow)))
	poll(beta, bindingPath("parent", "unbind"), "parent/unbind")
	accept("parent/unbind", "gone", del(bindingPath("parent", "unbind")+ids(beta, slow)+"&accepts_incomplete=true"))
	want["parent"] = "ready"
	delete(operations, "parent")
	created(gamma, "unreachable")
	remove(gamma, "unreachable", "deleting")
	if err := w.brokers[alpha].SetFaults([]samplebroker.Fault{
		answer("failed-creation", http.StatusOK, `{"state":"failed"}`),
		answer("failed-deletion", http.StatusOK, `{"state":"failed"}`),
		answer("unknown-deletion", http.StatusNotFound, `{}`),
		answer("broken-deletion", http.StatusBadRequest, `{}`),
		answer("slow-deletion", http.StatusOK, `{"state":"in progress"}`),
	}); err != nil {
		t.Fatal(err)
	}

	// What is not old is left to its platform.
	w.forget()
	awaitSweep(t, w.Gateway)
	w.age(t, 50*time.Minute)
	w.Stop(t)
	w.Restart(t)
	awaitSweep(t, w.Gateway)
	w.Stop(t)
	for _, name := range brokerNames {
		if arrived := w.arrivals(name); len(arrived) > 0 {
			t.Fatalf("%s got %s %s before anything was due", name, arrived[0].Method, arrived[0].RequestURI)
		}
	}

	w.age(t, 20*time.Minute)
	w.brokers[gamma].Down(t)
	w.Restart(t)
	second := w.secondGateway(t)
	harness.Await(t, "the records to settle", func() bool { return cmp.Equal(want, w.states(t)) })
	awaitSweep(t, w.Gateway)
	awaitSweep(t, second)
	w.Stop(t)
	second.Stop(t) // so that nobody polls any more
	if diff := cmp.Diff(want, w.states(t)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if plan := w.records(t)["update"].Plan; plan != planID(beta, slow) {
		t.Errorf("the updated instance has the plan %s", plan)
	}

	var got []string
	for _, name := range []string{alpha, beta} {
		for _, r := range w.arrivals(name) {
			got = append(got, checkOwnPoll(t, r, name, operations))
		}
	}
	delete(operations, "unreachable")
	var polled []string
	for name := range operations {
		polled = append(polled, name)
	}
	slices.Sort(polled)
	slices.Sort(got)
	if diff := cmp.Diff(polled, got); diff != "" {
		t.Errorf("own polls (-want +got):\n%s", diff)
	}
	w.checkOwnPollLog(t, w.Output()+second.Output())

	// The deletion that ended so is over for the platform, too.
	w.Restart(t)
	w.expect(t, del(instancePath("deletion")+ids(alpha, slow)), http.StatusGone, alpha)
}

// checkOwnPoll checks a poll of the gateway's own and returns the name of what was polled.
func checkOwnPoll(t *testing.T, r samplebroker.RecordedRequest, broker string, operations map[string]string) string {
	t.Helper()
	target, err := url.Parse(r.RequestURI)
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(target.EscapedPath(), "/v2/service_instances/")
	path, isPoll := strings.CutSuffix(strings.Replace(path, "/service_bindings/", "/", 1), "/last_operation")
	if r.Method != http.MethodGet || !isPoll {
		t.Errorf("%s got %s %s, want nothing but polls", broker, r.Method, r.RequestURI)
	}
	name := strings.ReplaceAll(path, "%2520", "%20")
	want := url.Values{
		"service_id": {serviceID(broker)}, "plan_id": {planID(broker, slow)}, "operation": {operations[name]},
	}
	if name == "update" {
		want.Set("plan_id", planID(broker, small)) // that before the update
	}
	if diff := cmp.Diff(want, target.Query()); diff != "" {
		t.Errorf("%s: query (-want +got):\n%s", name, diff)
	}
	if strings.Contains(r.RequestURI, "+") {
		t.Errorf("%s: a plus sign, which may be read as one, in %s", name, r.RequestURI)
	}
	if version := r.Header.Get("X-Broker-API-Version"); version != "2.17" {
		t.Errorf("%s: version %q", name, version)
	}
	if r.Header.Get(identityHeader) != "" || r.Header.Get(requestIdentityHeader) == "" {
		t.Errorf("%s: an end user's identity, or none of the request, in %v", name, r.Header)
	}
	if r.Header.Get("Authorization") != brokerAuthorization {
		t.Errorf("%s: not the credentials of the backend", name)
	}
	return name
}

// checkOwnPollLog checks what the gateways say of their polls.
func (w *unpolledWorld) checkOwnPollLog(t *testing.T, output string) {
	t.Helper()
	line := func(words ...string) bool {
		return slices.ContainsFunc(strings.Split(output, "\n"), func(line string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		})
	}
	for _, words := range [][]string{
		{
			`"info"`, `.audit"`, `osb operation ended`, `"instance_id":"deletion"`, `"state_before":"deleting"`, `"state":"gone"`,
			`"backend":"alpha"`, `"platform":"cf"`,
		},
		{`osb operation ended`, `"binding_id":"bind"`, `"state_before":"creating"`, `"state":"ready"`},
		{`"warn"`, `settles nothing`, `"instance_id":"unknown-deletion"`},
		{`"warn"`, `failed a poll`, `"instance_id":"broken-deletion"`, `"status":400`},
		{`"warn"`, `could not be polled`, `"instance_id":"unreachable"`},
	} {
		if !line(words...) {
			t.Errorf("no line in the log has %q", words)
		}
	}
}
