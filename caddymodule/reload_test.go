package caddymodule_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestReloadWithACreateInFlight loads another configuration while a create runs: nothing cuts it, and its outcome is
// found through the new configuration.
func TestReloadWithACreateInFlight(t *testing.T) {
	for _, test := range []struct {
		name string
		// change alters the block of the gateway.
		change func(block string) string
	}{
		{"EqualSettings", func(block string) string { return block }},
		{"OtherSettings", func(block string) string { return "max_request_body 2MiB\n" + block }},
		{"OtherTransport", func(block string) string {
			return strings.Replace(block, "basic_auth gateway", "transport http {\nversions 1.1\n}\nbasic_auth gateway", 1)
		}},
	} {
		for _, store := range []string{"file", "memory"} {
			t.Run(test.name+"/"+store, func(t *testing.T) {
				b := startBroker(t, "one")
				s := startServer(t)
				block := "store " + store + "\n" + platformBlock + b.block("one", "")
				s.mustLoad(t, s.config(block))
				answered := s.slowCreate(t, b, "slow", "one")

				s.mustLoad(t, s.config(test.change(block)))
				s.call(t, http.StatusOK, "GET", "/v2/catalog", "")
				b.letGo()
				if err := <-answered; err != nil {
					t.Errorf("the create: %v", err)
				}
				s.call(t, http.StatusOK, "GET", instancePath("slow"), "")
				s.call(t, http.StatusOK, "PUT", instancePath("slow"), createBody("one"))
				if store == "file" {
					s.stop(t)
					checkRecorded(t, s.defaultFile("default"), "slow")
				}
			})
		}
	}
}

// TestReloadWithoutTheGateway takes the gateway out of the configuration while a create runs. The store is closed after
// it.
func TestReloadWithoutTheGateway(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	config := s.config(platformBlock + b.block("one", ""))
	s.mustLoad(t, config)
	answered := s.slowCreate(t, b, "slow", "one")

	if err := s.load(t, s.options()+fmt.Sprintf("http://%s {\nbind 127.0.0.1\nrespond elsewhere 418\n}\n", s.address)); err != nil {
		t.Fatalf("loading: %v", err)
	}
	s.call(t, http.StatusTeapot, "GET", "/v2/catalog", "")
	b.letGo()
	if err := <-answered; err != nil {
		t.Errorf("the create: %v", err)
	}
	awaitEndOfGateways(t)
	checkRecorded(t, s.defaultFile("default"), "slow")

	s.mustLoad(t, config)
	s.call(t, http.StatusOK, "GET", instancePath("slow"), "")
}

// TestReloadToAnotherStore changes the store. The old one is closed when the last call on it has ended.
func TestReloadToAnotherStore(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	rest := platformBlock + b.block("one", "")
	s.mustLoad(t, s.config(rest))
	answered := s.slowCreate(t, b, "slow", "one")

	other := filepath.Join(t.TempDir(), "other.db")
	s.mustLoad(t, s.config("store file "+other+"\n"+rest))
	b.letGo()
	if err := <-answered; err != nil {
		t.Errorf("the create: %v", err)
	}
	// The instance may be recorded in the store that the gateway knows, and this one is another.
	s.call(t, http.StatusServiceUnavailable, "GET", instancePath("slow"), "")
	await(t, "the end of the old store", func() bool { return strings.Count(goroutines(), "filestore.(*file).write(") == 1 })
	checkRecorded(t, s.defaultFile("default"), "slow")

	s.mustLoad(t, s.config(rest))
	s.call(t, http.StatusOK, "GET", instancePath("slow"), "")
}

// TestReloadKeepsTheCatalog reloads while the broker is away, to a store that does not know its catalog.
func TestReloadKeepsTheCatalog(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	rest := platformBlock + b.block("one", "")
	s.mustLoad(t, s.config(rest))
	before := s.call(t, http.StatusOK, "GET", "/v2/catalog", "")

	b.server.Close()
	other := filepath.Join(t.TempDir(), "other.db")
	if err := s.load(t, s.config("store file "+other+"\n"+rest)); err != nil {
		t.Fatalf("loading: %v", err)
	}
	if after := s.call(t, http.StatusOK, "GET", "/v2/catalog", ""); after != before {
		t.Errorf("the catalog was\n%s\nand is\n%s", before, after)
	}
	s.call(t, http.StatusOK, "GET", "/healthz/ready", "")
}

// TestFailedReload loads configurations that cannot run. The one before goes on, its store open and its calls whole.
func TestFailedReload(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	block := platformBlock + b.block("one", "")
	config := s.config(block)
	s.mustLoad(t, config)
	taken := listenInVain(t)
	second := fmt.Sprintf("http://%s {\nbind 127.0.0.1\nosb_gateway {\nname second\nstore file /proc/none/owners.db\n%s\n}\n}\n",
		freeAddress(t), block)
	for i, test := range []struct{ name, config, want string }{
		{"BackendURL", s.config(platformBlock + "backend one ftp://broker.example.com\n"), "the URL must begin with http"},
		{"NoPlatform", s.config(b.block("one", "")), "no platform"},
		{"PortTaken", s.config(block, fmt.Sprintf("http://%s {\nbind 127.0.0.1\n}\n", taken.Addr())), "address already in use"},
		{"StoreOfTheSecond", s.config(block, second), `osb_gateway "second": store file: `},
		{"OtherModule", s.config(block, "https://localhost:1 {\nbind 127.0.0.1\ntls /nowhere/cert.pem /nowhere/key.pem\n}\n"), "/nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := fmt.Sprintf("slow-%d", i)
			answered := s.slowCreate(t, b, id, "one")
			checkProblem(t, s.load(t, test.config), test.want)
			b.letGo()
			if err := <-answered; err != nil {
				t.Errorf("the create: %v", err)
			}
			s.call(t, http.StatusOK, "GET", "/healthz/ready", "")
			s.call(t, http.StatusOK, "GET", instancePath(id), "")
			s.call(t, http.StatusCreated, "PUT", instancePath(id+"-more"), createBody("one"))
			s.call(t, http.StatusOK, "GET", instancePath(id+"-more"), "")
			if metrics := s.call(t, http.StatusOK, "GET", "/metrics", ""); !strings.Contains(metrics,
				`caddy_osb_gateway_backend_up{backend="one",gateway="default"} 1`) {
				t.Errorf("the metrics lack the backend:\n%s", metrics)
			}
		})
	}
	s.mustLoad(t, config)
	s.call(t, http.StatusOK, "GET", instancePath("slow-0"), "")
}

// TestManyReloads reloads again and again under load: no call fails, and nothing piles up.
func TestManyReloads(t *testing.T) {
	b := startBroker(t, "one")
	s := startServer(t)
	configs := [2]string{
		s.config(platformBlock + b.block("one", "")),
		s.config("max_request_body 2MiB\n" + platformBlock + b.block("one", "timeout 40s\n")),
	}
	reload := func(times int) {
		for i := range times {
			if err := s.load(t, configs[i%2]); err != nil {
				t.Fatalf("reload %d: %v", i, err)
			}
		}
	}
	s.mustLoad(t, configs[1])
	reload(4)
	s.call(t, http.StatusCreated, "PUT", instancePath("before"), createBody("one"))
	awaitOneGateway(t)
	before := runtime.NumGoroutine()

	stop := make(chan struct{})
	var callers sync.WaitGroup
	for caller := range 2 {
		callers.Go(func() {
			for number := 0; ; number++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("i-%d-%d", caller, number)
				if status, answer, err := try(s.address, "PUT", instancePath(id), createBody("one")); err != nil || status != http.StatusCreated {
					t.Errorf("creating %s: got %d %s (%v), want 201", id, status, answer, err)
				}
				if status, answer, err := try(s.address, "GET", instancePath(id), ""); err != nil || status != http.StatusOK {
					t.Errorf("fetching %s: got %d %s (%v), want 200", id, status, answer, err)
				}
			}
		})
	}
	reload(50)
	close(stop)
	callers.Wait()
	s.call(t, http.StatusOK, "GET", instancePath("before"), "")
	awaitOneGateway(t)
	// Each caller, and the catalog, may have left a connection to the broker that can be used again: three goroutines.
	most := before + 3*3
	await(t, fmt.Sprintf("as few goroutines as before, %d", most), func() bool { return runtime.NumGoroutine() <= most })
}

// awaitOneGateway waits until only the background work of the last configuration is left.
func awaitOneGateway(t *testing.T) {
	t.Helper()
	await(t, "the end of the configurations before", func() bool {
		stacks := goroutines()
		return strings.Count(stacks, "caddymodule.(*catalogs).follow(") == 1 && !strings.Contains(stacks, "caddymodule.(*runtime).letGo(")
	})
}
