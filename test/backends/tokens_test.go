package backends_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func get(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// backendStatus is what the admin API tells of a backend.
type backendStatus struct {
	Name        string `json:"name"`
	InFlight    int64  `json:"in_flight"`
	MaxInFlight int64  `json:"max_in_flight"`
	Breaker     struct {
		State    string     `json:"state"`
		Failures int        `json:"failures"`
		RetryAt  *time.Time `json:"retry_at"`
	} `json:"breaker"`
	Credentials struct {
		Kind      string     `json:"kind"`
		ExpiresAt *time.Time `json:"expires_at"`
		Error     string     `json:"error"`
	} `json:"credentials"`
}

func statusOf(t *testing.T, g *harness.Gateway, name string) backendStatus {
	t.Helper()
	var status struct {
		Gateways []struct {
			Backends []backendStatus `json:"backends"`
		} `json:"gateways"`
	}
	if err := json.Unmarshal([]byte(get(t, g.Admin+"/osb_gateway/?census=false")), &status); err != nil {
		t.Fatal(err)
	}
	for _, b := range status.Gateways[0].Backends {
		if b.Name == name {
			return b
		}
	}
	t.Fatalf("the status does not tell of backend %s", name)
	return backendStatus{}
}

// metric is the value of a backend's series; "" if there is none.
func metric(t *testing.T, g *harness.Gateway, name, backend string) string {
	t.Helper()
	for line := range strings.Lines(get(t, g.Admin+"/metrics")) {
		if strings.HasPrefix(line, "caddy_osb_gateway_"+name+"{") && strings.Contains(line, `backend="`+backend+`"`) {
			return strings.TrimSpace(line[strings.LastIndexByte(line, ' '):])
		}
	}
	return ""
}

func provision(service, id string) harness.Request {
	return harness.Request{
		Method: "PUT", Target: "/v2/service_instances/" + id,
		Body: fmt.Sprintf(`{"service_id":"%[1]s-id","plan_id":"%[1]s-plan"}`, service),
	}
}

func deprovision(service, id string) harness.Request {
	return harness.Request{
		Method: "DELETE", Target: fmt.Sprintf("/v2/service_instances/%s?service_id=%[2]s-id&plan_id=%[2]s-plan", id, service),
	}
}

// wantUnavailable wants an answer that has the platform come again, of a call that no broker heard of.
func wantUnavailable(t *testing.T, what string, response harness.Response) {
	t.Helper()
	if response.Status != http.StatusServiceUnavailable || !strings.Contains(response.Body, `"BackendUnavailable"`) ||
		response.Header.Get("Retry-After") == "" {
		t.Errorf("%s: got %d %s, Retry-After %q; want 503 BackendUnavailable with Retry-After",
			what, response.Status, response.Body, response.Header.Get("Retry-After"))
	}
}

// TestTokenServer has a token server that is down, says nonsense, and works again; the broker is there all the time.
func TestTokenServer(t *testing.T) { //nolint:tparallel // the subtests follow one another
	t.Parallel()
	server := startIssuer(t, oldSecret)
	broker := startGuarded(t, "db", server.takes)
	other := startGuarded(t, "other", nil)
	options := harness.Options{
		Environment: []string{"SECRET=" + oldSecret}, PersistConfig: true,
		Block: strings.Join([]string{
			"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", "unknown_instances forward"),
			fmt.Sprintf("backend db %s {\n\toauth2 %s/token {\n\t\tclient gateway {env.SECRET}\n\t\tscopes a b\n\t}\n}", broker.URL, server.URL),
			fmt.Sprintf("backend other %s", other.URL),
		}, "\n"),
	}
	g := harness.Start(t, options)
	harness.Await(t, "the catalog of the broker", func() bool {
		return strings.Contains(g.Do(t, harness.Request{Method: "GET", Target: "/v2/catalog"}).Body, "db-id")
	})
	if got := g.Do(t, provision("db", "one")); got.Status != http.StatusCreated {
		t.Fatalf("got %d %s", got.Status, got.Body)
	}
	status := statusOf(t, g, "db")
	if status.Credentials.Kind != "oauth2" || status.Credentials.ExpiresAt == nil || status.Credentials.Error != "" {
		t.Errorf("got the status %+v", status.Credentials)
	}
	if metric(t, g, "backend_token_expiry_timestamp_seconds", "db") == "" {
		t.Error("the metrics do not tell when the token ends")
	}
	if got := statusOf(t, g, "other").Credentials; got.Kind != "none" || got.ExpiresAt != nil {
		t.Errorf("got the status %+v for a backend without credentials", got)
	}

	// A reload keeps the token: nobody is there to give another one.
	server.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if err := g.Reload(t, options); err != nil {
		t.Fatal(err)
	}
	if got := g.Do(t, provision("db", "two")); got.Status != http.StatusCreated {
		t.Errorf("after a reload: got %d %s", got.Status, got.Body)
	}

	// A restart loses it.
	for name, behaves := range map[string]http.HandlerFunc{
		"down":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"malformed": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"access_token":12}`) },
		"refuses": func(w http.ResponseWriter, r *http.Request) {
			_, secret, _ := r.BasicAuth()
			http.Error(w, `{"error":"invalid_client","error_description":"`+secret+`"}`, http.StatusUnauthorized)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			server.set(behaves)
			g.Stop(t)
			g.Restart(t)
			before := func() (served int) {
				broker.set(func(b *guarded) { served = len(b.served) + b.refused })
				return served
			}()
			for _, r := range []harness.Request{
				provision("db", "three"), deprovision("db", "one"),
				{Method: "GET", Target: "/v2/service_instances/one/last_operation?service_id=db-id"},
			} {
				if g.Do(t, harness.Request{Method: "GET", Target: "/v2/catalog"}).Status == http.StatusOK {
					// Without a catalog of the broker the ids lead nowhere yet; either way nothing is invented.
					if got := g.Do(t, r); got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
						t.Errorf("%s: got %d %s", r.Method, got.Status, got.Body)
					}
				}
			}
			if got := g.Do(t, provision("other", "o-"+strings.ReplaceAll(name, " ", "-"))); got.Status != http.StatusCreated {
				t.Errorf("the other broker: got %d %s", got.Status, got.Body)
			}
			broker.set(func(b *guarded) {
				if got := len(b.served) + b.refused; got != before {
					t.Errorf("the broker got %d requests without a token", got-before)
				}
			})
			if got := statusOf(t, g, "db").Credentials.Error; !strings.Contains(got, "fetching a token") {
				t.Errorf("the status says %q", got)
			}
			server.set(nil)
			harness.Await(t, "the broker to be called again", func() bool {
				return g.Do(t, provision("db", "four")).Status/100 == 2
			})
		})
	}
	checkNoSecrets(t, g, oldSecret, "token-marked")
}

// A token server that fails while a broker's catalog is known: calls get 503, and the broker hears nothing.
func TestTokenServerDownLater(t *testing.T) {
	t.Parallel()
	server := startIssuer(t, oldSecret)
	broker := startGuarded(t, "db", server.takes)
	g := harness.Start(t, harness.Options{
		Environment: []string{"SECRET=" + oldSecret},
		Block: strings.Join([]string{
			"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", ""),
			fmt.Sprintf("backend db %s {\n\tibm_iam {env.SECRET} %s/token\n}", broker.URL, server.URL),
		}, "\n"),
	})
	// The life of the next token is over before it can be used once more.
	server.rotate(oldSecret)
	short := true
	server.set(func(w http.ResponseWriter, _ *http.Request) {
		if short {
			short = false
			_, _ = io.WriteString(w, `{"access_token":"short","expires_in":0.001}`)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	broker.set(func(b *guarded) {
		b.takes = func(h http.Header) bool { return h.Get("Authorization") == "Bearer short" }
	})
	if got := g.Do(t, provision("db", "one")); got.Status != http.StatusCreated {
		t.Fatalf("with a token of a millisecond: got %d %s", got.Status, got.Body)
	}
	harness.Await(t, "the token to end", func() bool {
		at := statusOf(t, g, "db").Credentials.ExpiresAt
		return at != nil && time.Now().After(*at)
	})
	var before int
	broker.set(func(b *guarded) { before = len(b.served) + b.refused })
	for _, r := range []harness.Request{
		provision("db", "two"), deprovision("db", "one"),
		{Method: "GET", Target: "/v2/service_instances/one/last_operation"},
		{Method: "GET", Target: "/v2/service_instances/one"},
	} {
		wantUnavailable(t, r.Method, g.Do(t, r))
	}
	broker.set(func(b *guarded) {
		if got := len(b.served) + b.refused; got != before {
			t.Errorf("the broker got %d requests without a token", got-before)
		}
	})
	server.set(nil)
	broker.set(func(b *guarded) { b.takes = server.takes })
	harness.Await(t, "the broker to be called again", func() bool {
		return g.Do(t, deprovision("db", "one")).Status == http.StatusOK
	})
}
