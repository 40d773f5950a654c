package samplebroker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

func (c *caller) setFaults(t *testing.T, faults ...samplebroker.Fault) {
	t.Helper()
	content, err := json.Marshal(faults)
	if err != nil {
		t.Fatal(err)
	}
	want := unescaped.Replace(string(content))
	step{call: "PUT /debug/faults", body: string(content), status: 200}.exactBody(t, c, want)
}

// unescaped undoes what json.Marshal does beyond need.
var unescaped = strings.NewReplacer(`\u0026`, "&")

// exactBody is for answers that are not objects.
func (s step) exactBody(t *testing.T, c *caller, want string) {
	t.Helper()
	r := c.do(t, s.call, s.body, nil)
	if r.status != s.status || r.body != want {
		t.Fatalf("%s: got %d %s, want %d %s", s.call, r.status, r.body, s.status, want)
	}
}

func TestFaultAnswers(t *testing.T) {
	t.Parallel()
	const page = "busy & closed"
	answer := samplebroker.Fault{
		Method: "PUT", Path: "^/v2/service_instances/i$", Times: 1, Action: samplebroker.ActionAnswer,
		Status: 503, Body: page, ContentType: "text/html", Headers: map[string]string{"Retry-After": "3"},
	}
	for _, test := range []struct {
		name      string
		before    bool
		instances []string
	}{
		{"instead of the work", true, []string{}},
		{"after the work", false, []string{"i"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, samplebroker.Options{})
			fault := answer
			fault.BeforeWork = test.before
			c.setFaults(t, fault)
			step{call: "PUT /v2/service_instances/i%2F", body: `{}`, status: 400}.run(t, c)
			step{call: "GET " + instancePath, status: 404}.run(t, c)
			r := c.do(t, "PUT "+instancePath, chosen("sync"), nil)
			if r.status != 503 || r.body != page || r.header.Get("Content-Type") != "text/html" ||
				r.header.Get("Retry-After") != "3" {
				t.Errorf("got %d %s with %v, want the fault", r.status, r.body, r.header)
			}
			if diff := cmp.Diff(test.instances, c.broker.Instances()); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			if got := c.do(t, "PUT "+instancePath, chosen("sync"), nil).status; got != 201 && got != 200 {
				t.Errorf("after the fault: got status %d, want 200 or 201", got)
			}
			if left := c.broker.Faults(); len(left) != 0 {
				t.Errorf("got faults %v left, want none", left)
			}
			if got := len(c.broker.Requests()); got != 4 {
				t.Errorf("got %d requests recorded, want 4", got)
			}
		})
	}
}

func TestFaultsCutAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault samplebroker.Fault
		// body is what arrives of it.
		body string
		want error
		done bool
	}{
		{
			name:  "closed before the work",
			fault: samplebroker.Fault{Action: samplebroker.ActionClose, BeforeWork: true}, want: io.EOF,
		},
		{
			name: "closed after the work", fault: samplebroker.Fault{Action: samplebroker.ActionClose}, want: io.EOF,
			done: true,
		},
		{
			name: "truncated instead of the work", want: io.ErrUnexpectedEOF, body: "{\"a\"",
			fault: samplebroker.Fault{
				Action: samplebroker.ActionTruncate, BeforeWork: true, Status: 201,
				Body: `{"a":"b"}`,
			},
		},
		{
			name: "truncated and empty", want: io.ErrUnexpectedEOF,
			fault: samplebroker.Fault{Action: samplebroker.ActionTruncate, BeforeWork: true, Status: 200},
		},
		{
			name: "truncated after the work", want: io.ErrUnexpectedEOF, done: true,
			body:  `{"dashboard_url":"https://dashboard.example.com/instances/i","metadata"`,
			fault: samplebroker.Fault{Action: samplebroker.ActionTruncate},
		},
		{
			name: "another answer truncated after the work", want: io.ErrUnexpectedEOF, done: true, body: "a",
			fault: samplebroker.Fault{Action: samplebroker.ActionTruncate, Status: 200, Body: "ab"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fault := test.fault
			fault.Method = "PUT"
			c := start(t, samplebroker.Options{Faults: []samplebroker.Fault{fault}})
			for range 2 {
				r, err := c.try(t.Context(), "PUT "+instancePath, chosen("sync"), nil)
				if !errors.Is(err, test.want) {
					t.Errorf("got error %v, want %v", err, test.want)
				}
				if test.body != "" && !strings.HasPrefix(r.body, test.body) || test.body == "" && r.body != "" {
					t.Errorf("got body %s, want %s", r.body, test.body)
				}
			}
			if got := len(c.broker.Instances()) == 1; got != test.done {
				t.Errorf("got work done %v, want %v", got, test.done)
			}
		})
	}
}

func TestFaultHangs(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} {
		c := start(t, samplebroker.Options{
			Faults: []samplebroker.Fault{{Method: "PUT", Action: samplebroker.ActionHang, BeforeWork: before}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := c.try(ctx, "PUT "+instancePath, chosen("sync"), nil)
			result <- err
		}()
		eventually(t, func() bool {
			return len(c.broker.Requests()) == 1 && (before || len(c.broker.Instances()) == 1)
		})
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("before work %v: got error %v, want the cancellation", before, err)
		}
		if got := len(c.broker.Instances()) == 0; got != before {
			t.Errorf("before work %v: got nothing done %v", before, got)
		}
	}
}

// TestCloseEndsWaits would last for an hour if it did not.
func TestCloseEndsWaits(t *testing.T) {
	t.Parallel()
	hour := samplebroker.Duration(time.Hour)
	for name, fault := range map[string]samplebroker.Fault{
		"delay before": {DelayBefore: hour},
		"delay after":  {DelayAfter: hour},
		"hang":         {Action: samplebroker.ActionHang},
	} {
		c := start(t, samplebroker.Options{Faults: []samplebroker.Fault{fault}})
		result := make(chan error, 1)
		go func() {
			_, err := c.try(t.Context(), "PUT "+instancePath, chosen("sync"), nil)
			result <- err
		}()
		eventually(t, func() bool { return len(c.broker.Requests()) == 1 })
		c.broker.Close()
		if err := <-result; !errors.Is(err, io.EOF) {
			t.Errorf("%s: got error %v, want %v", name, err, io.EOF)
		}
		if got := len(c.broker.Instances()); (got == 0) != (name == "delay before") {
			t.Errorf("%s: got %d instances", name, got)
		}
	}
}

// TestDelayOutlivesTheCaller holds that a broker begins the work of a caller that gave it up.
func TestDelayOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{
		Faults: []samplebroker.Fault{{Times: 1, DelayBefore: samplebroker.Duration(100 * time.Millisecond)}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.try(ctx, "PUT "+instancePath, chosen("sync"), nil)
		result <- err
	}()
	eventually(t, func() bool { return len(c.broker.Requests()) == 1 })
	cancel()
	if err := <-result; err == nil {
		t.Log("the caller was answered before it could hang up")
	}
	eventually(t, func() bool { return len(c.broker.Instances()) == 1 })
}

func TestFaultEndless(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{Faults: []samplebroker.Fault{{Times: 1, Action: samplebroker.ActionEndless}}})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/v2/catalog", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = c.header
	response, err := c.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content := readTestCatalog(t)
	got := make([]byte, 4<<20)
	if _, err := io.ReadFull(response.Body, got); err != nil {
		t.Fatalf("reading 4 MiB of it: %v", err)
	}
	if !strings.HasPrefix(string(got), string(content)) || strings.TrimSpace(string(got[len(content):])) != "" {
		t.Error("the body is not the catalog and spaces")
	}
}

func TestFaultDropsContentType(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{Faults: []samplebroker.Fault{{DropContentType: true}}})
	r := c.do(t, "GET /v2/catalog", "", nil)
	if values, found := r.header["Content-Type"]; found || r.status != 200 || r.body != string(readTestCatalog(t)) {
		t.Errorf("got status %d, Content-Type %q, want the catalog without", r.status, values)
	}
}

func TestFaultsAreTakenInOrder(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	answer := func(times, status int) samplebroker.Fault {
		return samplebroker.Fault{Times: times, Action: samplebroker.ActionAnswer, BeforeWork: true, Status: status}
	}
	other := samplebroker.Fault{Method: "PUT", Path: "service_bindings", Headers: map[string]string{"X-A": "b"}}
	c.setFaults(t, other, answer(2, 500), answer(0, 502), answer(0, 504))
	for _, want := range []int{500, 500, 502, 502} {
		if got := c.do(t, "GET /v2/catalog", "", nil).status; got != want {
			t.Errorf("got status %d, want %d", got, want)
		}
	}
	if r := c.do(t, "PUT "+bindingPath, "", nil); r.status != 400 || r.header.Get("X-A") != "b" {
		t.Errorf("got status %d and X-A %q, want 400 and b", r.status, r.header.Get("X-A"))
	}
	if diff := cmp.Diff([]samplebroker.Fault{other, answer(0, 502), answer(0, 504)}, c.broker.Faults()); diff != "" {
		t.Errorf("faults left (-want +got):\n%s", diff)
	}
	if err := c.broker.SetFaults(nil); err != nil {
		t.Error(err)
	}
	step{call: "GET /debug/faults", status: 200}.exactBody(t, c, "[]")
}

func TestFaultsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	c.setFaults(t, samplebroker.Fault{Path: "kept", DelayAfter: samplebroker.Duration(time.Second)})
	for _, body := range []string{
		``, `{}`, `[] []`, `[{"methode":"PUT"}]`, `[{"path":"("}]`, `[{"times":-1}]`, `[{"delay_before":"soon"}]`,
		`[{"delay_before":"-1s"}]`, `[{"action":"explode"}]`, `[{"action":"answer"}]`,
		`[{"action":"answer","status":99}]`,
		`[{"action":"close","status":500}]`, `[{"status":500}]`, `[{"before_work":true}]`,
		`[{"action":"endless","before_work":true}]`, `[{"action":"truncate","body":"x"}]`,
	} {
		step{call: "PUT /debug/faults", body: body, status: 400}.run(t, c)
	}
	step{call: "GET /debug/faults", status: 200}.exactBody(t, c, `[{"path":"kept","delay_after":"1s"}]`)
}

// eventually waits for a condition. It gives up only when something is broken.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatal("the condition never came true")
		case <-ticker.C:
		}
	}
}

// TestCallsThatWaitedTooLongAreDropped has the broker do nothing for a call that it could not begin in time.
func TestCallsThatWaitedTooLongAreDropped(t *testing.T) {
	t.Parallel()
	c := start(t, samplebroker.Options{})
	waits := samplebroker.Duration(20 * time.Millisecond)
	c.setFaults(t,
		samplebroker.Fault{Method: "PUT", Times: 1, DelayBefore: waits, DropAfter: waits / 2},
		samplebroker.Fault{Method: "PUT", Times: 1, DelayBefore: waits, DropAfter: samplebroker.Duration(time.Hour)},
	)
	if r, err := c.try(t.Context(), "PUT "+instancePath, chosen("sync"), nil); err == nil {
		t.Errorf("got %d, want a connection that ends", r.status)
	}
	if held := c.broker.Instances(); len(held) != 0 {
		t.Errorf("got %v, want nothing done", held)
	}
	provisioned("sync").run(t, c)
}
