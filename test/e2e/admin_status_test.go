package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// TestStatusOverReloads: the status is that of the configuration that runs, after a reload and after one that failed.
func TestStatusOverReloads(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		w := newWorld(t, store)
		w.expect(t, put(instancePath("i"), create(alpha, small)), http.StatusCreated, alpha)
		want := func(when string, backends, notConfigured int) {
			t.Helper()
			status := adminStatus(t, w.Gateway, "")
			if len(status) != 1 || !status[0].Ready || !status[0].Store.Answers || !status[0].Store.Identity.Known ||
				len(status[0].Backends) != backends || status[0].Records.NotConfigured != notConfigured ||
				status[0].Records.Instances["ready"] != 1 || !status[0].Records.Complete {
				t.Errorf("%s the status is %+v, records %+v", when, status, status[0].Records)
			}
		}
		want("at first", 3, 0)
		address := strings.TrimPrefix(w.Admin, "http://")
		_, said, code := command(t, "status", "--address", address, "--timeout", "0")
		if code != 1 || !strings.Contains(said, "such as 30s") {
			t.Errorf("a timeout of 0: exit code %d, said %q", code, said)
		}
		before := adminStatus(t, w.Gateway, "")[0].Store.Identity.ID
		without := w.options
		without.Block = store + "\n" + harness.Platform("cf", "") + w.brokers[beta].Backend(beta, "")
		if err := w.Reload(t, without); err != nil {
			t.Fatal(err)
		}
		want("after a reload", 1, 1)
		broken := w.options
		broken.Block += "backend " + alpha + " http://127.0.0.1:1\n" // twice
		if err := w.Reload(t, broken); err == nil {
			t.Fatal("a broken configuration was taken")
		}
		want("after a failed reload", 1, 1)
		// This one fails only when it is started: somebody listens on the port.
		late := w.options
		late.Global += "servers {\n\tname x\n}\n"
		late.Site += "\n}\nhttp://127.0.0.1:" + w.brokers[beta].URL[strings.LastIndexByte(w.brokers[beta].URL, ':')+1:] + " {\n\tbind 127.0.0.1\n"
		if err := w.Reload(t, late); err == nil {
			t.Fatal("a configuration was taken that cannot listen")
		}
		want("after a reload that failed late", 1, 1)
		if err := w.Reload(t, w.options); err != nil {
			t.Fatal(err)
		}
		want("after the next reload", 3, 0)
		if after := adminStatus(t, w.Gateway, "")[0].Store.Identity.ID; after != before {
			t.Errorf("the store was %s and is %s", before, after)
		}
		wantText(t, "the status", operate(t, w.Gateway, "status"), "gateway default", "ready", "all well", alpha, "good")
	})
}

// TestStatusWhileRedisIsDown: it is told all the same, with the trouble in it.
func TestStatusWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	id := newGUID()
	late := w.sendHeld(t, put(instancePath(id), create(alpha, small)), alpha)
	server.Stop(t)
	late.hold.Release()
	late.answer(t)

	var down gatewayStatus
	harness.Await(t, "the outcome to wait", func() bool {
		down = adminStatus(t, w.Gateway, "")[0]
		return down.Queue.Waiting == 1 && down.Queue.LastError != ""
	})
	if down.Store.Answers || down.Store.Error == "" || down.Store.DownSince == "" || !down.Ready {
		t.Errorf("the status is %+v", down)
	}
	if down.Records == nil || down.Records.Complete || down.Records.Error == "" {
		t.Errorf("the records are %+v", down.Records)
	}
	wantText(t, "the description", down.Store.Description, server.Addr)
	printed := operate(t, w.Gateway, "status")
	wantText(t, "the table", printed, "DOES NOT ANSWER since "+down.Store.DownSince[:10], "1 outcomes wait", "not all seen")
	for _, request := range []struct{ method, verb string }{{"GET", "show"}, {"DELETE", "forget"}} {
		if answer := askAdmin(t, w.Gateway, request.method, "/osb_gateway/instances/"+id); answer.Status != 503 {
			t.Errorf("%s: got %d %s, want 503", request.verb, answer.Status, answer.Body)
		}
		wantText(t, request.verb, operateInVain(t, w.Gateway, request.verb, id), "the store does not answer")
	}

	server.Restart(t)
	harness.Await(t, "the store to answer and the outcome to be written", func() bool {
		up := adminStatus(t, w.Gateway, "")[0]
		return up.Store.Answers && up.Store.DownSince == "" && up.Queue.Waiting == 0 && up.Queue.LastError == "" &&
			up.Records.Complete && up.Records.Instances["ready"] == 1
	})
}

// TestStatusOfSeveralGateways: all are told of, and who asks about an instance has to say which is meant.
func TestStatusOfSeveralGateways(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{
		Block: "name first\n" + w.block(redisStore(t)),
		Site: "handle /other/* {\n\tosb_gateway {\n\tname second\n\tbase_path /other\n" + redisStore(t) + "\n" +
			harness.Platform("cf", "") + w.brokers[alpha].Backend(alpha, "") + "}\n}\n",
	})
	w.expect(t, put(instancePath("i"), create(beta, small)), http.StatusCreated, beta)
	harness.Await(t, "the start of the second gateway", func() bool {
		return len(adminStatus(t, w.Gateway, "?census=false")) == 2
	})
	status := adminStatus(t, w.Gateway, "")
	if len(status) != 2 || status[0].Name != "first" || status[1].Name != "second" ||
		status[0].Records.Instances["ready"] != 1 || status[1].Records.Instances["ready"] != 0 {
		t.Errorf("the status is %+v", status)
	}
	if status := adminStatus(t, w.Gateway, "?gateway=second&census=false"); len(status) != 1 ||
		status[0].Name != "second" || status[0].Records != nil {
		t.Errorf("the status of one is %+v", status)
	}
	for _, target := range []string{"/osb_gateway/instances/i", "/osb_gateway/instances/i?gateway=third"} {
		answer := askAdmin(t, w.Gateway, "GET", target)
		if answer.Status != http.StatusBadRequest {
			t.Errorf("%s: got %d %s, want 400", target, answer.Status, answer.Body)
		}
		wantText(t, target, answer.Body, "first, second")
	}
	wantText(t, "show", operateInVain(t, w.Gateway, "show", "i"), "first, second")
	wantText(t, "show", operateInVain(t, w.Gateway, "show", "i", "--gateway", "second"), "no record", `"second"`)
	wantText(t, "show", operate(t, w.Gateway, "show", "i", "--gateway", "first"), "ready")
	wantText(t, "status", operate(t, w.Gateway, "status"), "gateway first", "gateway second")
}

// TestCommandFindsTheEndpoint: by its address, by the configuration, on a unix socket; and says what to do if it does not.
func TestCommandFindsTheEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	config := filepath.Join(w.Directory, "Caddyfile")
	if printed, said, code := command(t, "status", "--config", config); code != 0 || !strings.Contains(printed, "gateway default") {
		t.Errorf("by the configuration: exit code %d, printed %s, said %s", code, printed, said)
	}

	// The socket's path may not be long.
	directory, err := os.MkdirTemp("", "osb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	socket := filepath.Join(directory, "admin.sock")
	config = filepath.Join(directory, "Caddyfile")
	if err := os.WriteFile(config, []byte("{\n\tadmin unix/"+socket+"|0600\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	onSocket := w.options
	onSocket.Directory, onSocket.AdminSocket = "", socket
	harness.Start(t, onSocket)
	for _, arguments := range [][]string{
		{"--address", "unix/" + socket}, {"--address", "unix/" + socket + "|0200"}, {"--config", config},
	} {
		printed, said, code := command(t, append([]string{"status"}, arguments...)...)
		if code != 0 || !strings.Contains(printed, "gateway default") {
			t.Errorf("%v: exit code %d, printed %s, said %s", arguments, code, printed, said)
		}
	}

	for _, test := range []struct {
		name, address string
		said          []string
	}{
		{"nobody listens", "127.0.0.1:1", []string{"127.0.0.1:1 cannot be reached", "connection refused", "admin off"}},
		{"no socket", "unix/" + socket + ".none", []string{"cannot be reached", "no such file"}},
		{"no address", "1:2:3", []string{"no address of an admin endpoint"}},
		{"the gateway itself", strings.TrimPrefix(w.URL, "http://"), []string{"no Caddy"}},
		{"another host name", "[::ffff:127.0.0.1]" + w.Admin[strings.LastIndexByte(w.Admin, ':'):], []string{"host not allowed", "origins"}},
	} {
		printed, said, code := command(t, "status", "--address", test.address)
		if code != 1 || printed != "" {
			t.Errorf("%s: exit code %d, printed %s", test.name, code, printed)
		}
		wantText(t, test.name, said, test.said...)
	}
}

// TestStatusOfIssuers: whether the keys of an issuer can be read, and how many are known meanwhile.
func TestStatusOfIssuers(t *testing.T) {
	t.Parallel()
	w := newTokenWorld(t, "require sub cf")
	await := func(what, problem string) {
		t.Helper()
		harness.Await(t, what, func() bool {
			issuers := adminStatus(t, w.Gateway, "?census=false")[0].Platforms[0].Issuers
			return len(issuers) == 1 && issuers[0].Issuer == tokenIssuer && issuers[0].Keys == 1 &&
				(issuers[0].ReadAt != "") == (problem == "") && strings.Contains(issuers[0].Error, problem)
		})
	}
	await("the keys to be read", "")
	if text := operate(t, w.Gateway, "status"); strings.Contains(text, "KEYS") {
		t.Errorf("good keys are told of: %s", text)
	}
	w.issuer.Serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if err := w.Reload(t, w.tokenOptions("require sub cf other")); err != nil {
		t.Fatal(err)
	}
	await("the trouble with the keys to show", "502")
	wantText(t, "the status", operate(t, w.Gateway, "status"), "cf: THE KEYS of "+tokenIssuer+" cannot be read, 1 known ones are used", "502")
}
