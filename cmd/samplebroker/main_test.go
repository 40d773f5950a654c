package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const emptyCatalog = `{"services":[]}`

func noEnvironment(string) string { return "" }

// program is a run of the whole program.
type program struct {
	url    string
	hangup chan os.Signal
	errors *output
	stop   context.CancelFunc
	status chan int
}

// output may be written to by one goroutine and read by another.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(content []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(content)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin runs the program until it listens.
func begin(t *testing.T, getenv func(string) string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{hangup: make(chan os.Signal), errors: &output{}, stop: cancel, status: make(chan int, 1)}
	reader, writer := io.Pipe()
	go func() {
		p.status <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), getenv, writer, p.errors, p.hangup)
		_ = writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatalf("waiting for the line that it listens: %v\n%s", err, p.errors)
	}
	form := regexp.MustCompile(`^samplebroker listening on (http://127\.0\.0\.1:[1-9][0-9]*\S*)\n$`)
	match := form.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("got line %q", line)
	}
	p.url = match[1]
	return p
}

// end stops the program and checks its exit status.
func (p *program) end(t *testing.T) {
	t.Helper()
	p.stop()
	if status := <-p.status; status != 0 {
		t.Errorf("got exit status %d, want 0: %s", status, p.errors)
	}
}

// catalog fetches the catalog.
func (p *program) catalog(t *testing.T, user, password, version string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v2/catalog", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	if version != "" {
		request.Header.Set("X-Broker-API-Version", version)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRun(t *testing.T) {
	t.Parallel()
	file := write(t, "catalog.json", emptyCatalog)
	environment := func(name string) string { return map[string]string{"SAMPLEBROKER_PASSWORD": "secret"}[name] }
	for _, test := range []struct {
		name           string
		getenv         func(string) string
		args           []string
		user, password string
		version        string
		want           int
	}{
		{"open", noEnvironment, nil, "", "", "2.17", 200},
		{"password of the flag", noEnvironment, []string{"-user", "u", "-password", "p"}, "u", "p", "2.17", 200},
		{"password of the environment", environment, []string{"-user", "u"}, "u", "secret", "2.17", 200},
		{"the flag wins", environment, []string{"-user", "u", "-password", "p"}, "u", "secret", "2.17", 401},
		{"no password given", environment, []string{"-user", "u"}, "", "", "2.17", 401},
		{"no version", noEnvironment, nil, "", "", "", 400},
		{"version optional", noEnvironment, []string{"-require-version=false"}, "", "", "", 200},
		{"base path", noEnvironment, []string{"-base-path", "/one"}, "", "", "2.17", 200},
		{
			"faults", noEnvironment, []string{
				"-fault", `{"method":"PUT","action":"close"}`, "-fault",
				`{"action":"answer","status":503}`,
			}, "", "", "2.17", 503,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, test.getenv, append([]string{"-catalog", file}, test.args...)...)
			if got, body := p.catalog(t, test.user, test.password, test.version); got != test.want {
				t.Errorf("got status %d (%s), want %d", got, body, test.want)
			}
			p.end(t)
		})
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	file := write(t, "catalog.json", emptyCatalog)
	p := begin(t, noEnvironment, "-catalog", file)
	for _, test := range []struct{ content, want, says string }{
		{`{ "services": [] }`, `{ "services": [] }`, "the catalog was read again"},
		{`{"services":1}`, `{ "services": [] }`, "the catalog stays as it was: reading the catalog: services"},
	} {
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		p.hangup <- syscall.SIGHUP
		eventually(t, func() bool { return strings.Contains(p.errors.String(), test.says) })
		if status, got := p.catalog(t, "", "", "2.17"); status != 200 || got != test.want {
			t.Errorf("got %d %s, want %s", status, got, test.want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.hangup <- syscall.SIGHUP
	eventually(t, func() bool { return strings.Contains(p.errors.String(), "no such file") })
	p.end(t)
}

func TestInstances(t *testing.T) {
	t.Parallel()
	catalog := write(t, "catalog.json", `{"services":[{"id":"s","name":"s","description":"d","bindable":true,`+
		`"plans":[{"id":"p","name":"p","description":"d"}]}]}`)
	instances := write(t, "instances.json", `[{"instance_id":"a/b","service_id":"s","plan_id":"p"}]`)
	p := begin(t, noEnvironment, "-catalog", catalog, "-instances", instances, "-state-status", "200")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut,
		p.url+"/bluemix_v1/service_instances/a%2Fb", strings.NewReader(`{"enabled":false}`))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("got status %d, want 200", response.StatusCode)
	}
	p.end(t)
}

// TestStopEndsHangs holds that a call that hangs by a fault does not keep the program.
func TestStopEndsHangs(t *testing.T) {
	t.Parallel()
	p := begin(t, noEnvironment, "-catalog", write(t, "catalog.json", emptyCatalog), "-fault", `{"action":"hang"}`)
	var dialer net.Dialer
	connection, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	fmt.Fprint(connection, "GET /v2/catalog HTTP/1.1\r\nHost: broker\r\n\r\n")
	p.end(t)
	if _, err := io.ReadAll(connection); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading what is left: %v", err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	file := write(t, "catalog.json", emptyCatalog)
	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	environment := func(string) string { return "secret" }
	for _, test := range []struct {
		name   string
		getenv func(string) string
		args   []string
		status int
		says   string
	}{
		{"help", noEnvironment, []string{"-h"}, 0, "-catalog file"},
		{"unknown flag", noEnvironment, []string{"-what"}, 2, "-what"},
		{"argument", noEnvironment, []string{"what"}, 2, `unexpected argument "what"`},
		{"fault that is none", noEnvironment, []string{"-fault", "x"}, 2, "invalid value"},
		{"no catalog", noEnvironment, nil, 1, "-catalog is required"},
		{"no catalog file", noEnvironment, []string{"-catalog", file + "x"}, 1, "no such file"},
		{"broken catalog", noEnvironment, []string{"-catalog", write(t, "x", "{}")}, 1, "services: it has to be"},
		{"no instances file", noEnvironment, []string{"-catalog", file, "-instances", "x"}, 1, "no such file"},
		{
			"broken instances", noEnvironment,
			[]string{"-catalog", file, "-instances", file},
			1,
			"cannot unmarshal object",
		},
		{"no user", environment, []string{"-catalog", file}, 1, "a password a user"},
		{"no password", noEnvironment, []string{"-catalog", file, "-user", "u"}, 1, "a user needs a password"},
		{"state status", noEnvironment, []string{"-catalog", file, "-state-status", "201"}, 1, "it is 204 or 200"},
		{"broken fault", noEnvironment, []string{"-catalog", file, "-fault", `{"action":"x"}`}, 1, `no action "x"`},
		{
			"port taken", noEnvironment,
			[]string{"-catalog", file, "-listen", taken.Addr().String()},
			1,
			"address already in use",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			// Should it begin to serve, it has to end.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var stdout, stderr strings.Builder
			status := run(ctx, test.args, test.getenv, &stdout, &stderr, nil)
			if status != test.status || !strings.Contains(stderr.String(), test.says) {
				t.Errorf("got exit status %d and %q, want %d and %q in it",
					status, stderr.String(), test.status, test.says)
			}
			if lines := strings.Count(stderr.String(), "\n"); status == 1 && lines != 1 {
				t.Errorf("got %d lines %q, want one", lines, stderr.String())
			}
			if stdout.Len() > 0 {
				t.Errorf("got output %q, want none", stdout.String())
			}
		})
	}
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
