package backends_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const (
	oldSecret = "old-secret-marked"
	newSecret = "new-secret-marked"
)

// TestRotation changes the secrets of brokers under load: first the file, then what the broker takes. No call fails, and
// none is served twice.
func TestRotation(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write := func(name, secret string) string {
		file := filepath.Join(directory, name)
		// Renamed into its place, as whoever mounts secrets does it.
		if err := os.WriteFile(file+".new", []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
		return "{file." + file + "}"
	}
	basic := func(secret string) func(http.Header) bool {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("gateway:"+secret))
		return func(h http.Header) bool { return h.Get("Authorization") == want }
	}
	bearer := func(secret string) func(http.Header) bool {
		return func(h http.Header) bool { return h.Get("Authorization") == "Bearer "+secret }
	}
	header := func(secret string) func(http.Header) bool {
		return func(h http.Header) bool { return h.Get("X-Api-Key") == secret }
	}
	oauth, iam := startIssuer(t, oldSecret), startIssuer(t, oldSecret)
	kinds := []struct {
		name, lines string
		takes       func(string) func(http.Header) bool
		issuer      *issuer
	}{
		{name: "basic", lines: "basic_auth gateway " + write("basic", oldSecret), takes: basic},
		{name: "bearer", lines: "bearer_token " + write("bearer", oldSecret), takes: bearer},
		{name: "header", lines: "header X-Api-Key " + write("header", oldSecret), takes: header},
		{
			name: "oauth2", issuer: oauth,
			lines: fmt.Sprintf("oauth2 %s/token {\n\tclient gateway %s\n}", oauth.URL, write("oauth2", oldSecret)),
		},
		{name: "iam", issuer: iam, lines: fmt.Sprintf("ibm_iam %s %s/token", write("iam", oldSecret), iam.URL)},
	}
	block := []string{"store memory", "catalog {\n\trefresh 1h\n}", harness.Platform("main", "")}
	brokers := make([]*guarded, len(kinds))
	for i, kind := range kinds {
		var takes func(http.Header) bool
		if kind.issuer != nil {
			takes = kind.issuer.takes
		} else {
			takes = kind.takes(oldSecret)
		}
		brokers[i] = startGuarded(t, kind.name, takes)
		block = append(block, fmt.Sprintf("backend %s %s {\n\t%s\n}", kind.name, brokers[i].URL, kind.lines))
	}
	g := harness.Start(t, harness.Options{Block: strings.Join(block, "\n"), PersistConfig: true})
	for i, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			load := startLoad(t, g, kind.name)
			load.await(t, 200)
			write(kind.name, newSecret)
			if kind.issuer != nil {
				kind.issuer.rotate(newSecret)
			} else {
				brokers[i].set(func(b *guarded) { b.takes = kind.takes(newSecret) })
			}
			load.await(t, 200)
			for _, failure := range load.stop() {
				t.Error(failure)
			}
			for _, identity := range load.identities {
				if got := brokers[i].count(identity); got != 1 {
					t.Errorf("call %s was served %d times, want once", identity, got)
				}
			}
			brokers[i].set(func(b *guarded) {
				if b.refused == 0 {
					t.Error("no call met the change")
				}
			})
		})
	}
	t.Cleanup(func() { checkNoSecrets(t, g, oldSecret, newSecret, "token-marked") })
}

// load is calls to one broker without end.
type load struct {
	calls    atomic.Int64
	ended    chan struct{}
	once     sync.Once
	group    sync.WaitGroup
	mu       sync.Mutex
	failures []string
	// identities are those of the calls.
	identities []string
}

// startLoad makes, reads, polls and deletes instances of a service all the time.
func startLoad(t *testing.T, g *harness.Gateway, service string) *load {
	t.Helper()
	l := &load{ended: make(chan struct{})}
	t.Cleanup(func() { l.stop() })
	for worker := range 6 {
		l.group.Go(func() {
			for round := 0; ; round++ {
				id := fmt.Sprintf("%s-%d-%d", service, worker, round)
				path := "/v2/service_instances/" + id
				ids := fmt.Sprintf("service_id=%[1]s-id&plan_id=%[1]s-plan", service)
				for i, r := range []harness.Request{
					{Method: "PUT", Target: path, Body: fmt.Sprintf(`{"service_id":"%[1]s-id","plan_id":"%[1]s-plan"}`, service)},
					{Method: "GET", Target: path},
					{Method: "GET", Target: path + "/last_operation"},
					{Method: "PATCH", Target: path, Body: fmt.Sprintf(`{"service_id":"%s-id"}`, service)},
					{Method: "DELETE", Target: path + "?" + ids},
				} {
					select {
					case <-l.ended:
						return
					default:
					}
					identity := fmt.Sprintf("%s-%d", id, i)
					r.Header = http.Header{"X-Broker-Api-Request-Identity": {identity}}
					answer, err := g.Try(r)
					l.calls.Add(1)
					l.note(identity, r, answer, err)
				}
			}
		})
	}
	return l
}

func (l *load) note(identity string, r harness.Request, answer harness.Response, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.identities = append(l.identities, identity)
	if err != nil || answer.Status/100 != 2 {
		l.failures = append(l.failures, fmt.Sprintf("%s %s: %d %s %v", r.Method, r.Target, answer.Status, answer.Body, err))
	}
}

// await waits for so many more calls.
func (l *load) await(t *testing.T, more int64) {
	t.Helper()
	before := l.calls.Load()
	harness.Await(t, "calls", func() bool { return l.calls.Load() >= before+more })
}

// stop ends the calls and returns the failures.
func (l *load) stop() []string {
	l.once.Do(func() { close(l.ended) })
	l.group.Wait()
	return l.failures
}

// checkNoSecrets looks for secrets where anybody could read them.
func checkNoSecrets(t *testing.T, g *harness.Gateway, secrets ...string) {
	t.Helper()
	places := map[string]string{"the log": g.Output()}
	for name, address := range map[string]string{
		"the metrics": "/metrics", "the status": "/osb_gateway/", "the configuration": "/config/",
	} {
		places[name] = get(t, g.Admin+address)
	}
	saved, err := os.ReadFile(filepath.Join(g.Directory, "config", "caddy", "autosave.json"))
	if err != nil {
		t.Fatal(err)
	}
	places["the saved configuration"] = string(saved)
	for name, text := range places {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, name)
			}
		}
	}
}
