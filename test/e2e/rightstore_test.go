package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// ask sends a request to the admin endpoint of a gateway and expects it to succeed.
func ask(t *testing.T, gateway *harness.Gateway, method, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, gateway.Admin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: got %d %s, %v", method, path, response.StatusCode, body, err)
	}
	return string(body)
}

// acceptStore says that the store of a gateway is the right one.
func acceptStore(t *testing.T, gateway *harness.Gateway) {
	t.Helper()
	ask(t, gateway, http.MethodPost, "/osb_gateway/store/accept")
}

// awaitStatus sends a call until it is answered with a status, and with nothing but 503 before.
func awaitStatus(t *testing.T, gateway *harness.Gateway, r harness.Request, status int) {
	t.Helper()
	harness.Await(t, fmt.Sprintf("%s %s to be answered with %d", r.Method, r.Target, status), func() bool {
		answer := gateway.Do(t, r)
		if answer.Status != status && answer.Status != http.StatusServiceUnavailable {
			t.Fatalf("%s %s: got %d %s", r.Method, r.Target, answer.Status, answer.Body)
		}
		return answer.Status == status
	})
}

// awaitLog waits until a gateway has said all of this.
func awaitLog(t *testing.T, gateway *harness.Gateway, texts ...string) {
	t.Helper()
	for _, text := range texts {
		harness.Await(t, "the log to say "+text, func() bool { return strings.Contains(gateway.Output(), text) })
	}
}

// expectUnknownStore sends calls on an instance that the store has no record of, and on a new one: each is 503, and no
// broker hears of it.
func (w *world) expectUnknownStore(t *testing.T, gateway *harness.Gateway, id string) {
	t.Helper()
	for _, r := range []harness.Request{
		get(instancePath(id)),
		get(instancePath(id) + "/last_operation" + ids(alpha, small)),
		del(instancePath(id) + ids(alpha, small)),
		put(instancePath(id), create(alpha, small)),
		put(instancePath(newGUID()), create(beta, small)),
		patch(instancePath(id), change(alpha, small, large)),
		put(bindingPath(id, "b"), bind(alpha, small)),
		del(bindingPath(id, "b") + ids(alpha, small)),
	} {
		refused(t, w.expectThrough(t, gateway, r, http.StatusServiceUnavailable, ""), "OwnershipUnavailable")
	}
}

// TestWipedRedis wipes the store of two gateways while they run. One accept serves both.
func TestWipedRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	second := w.secondGateway(t)
	lost, kept := newGUID(), newGUID()
	w.expect(t, put(instancePath(lost), create(alpha, small)), http.StatusCreated, alpha)
	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		w.expectUnknownStore(t, gateway, lost)
		awaitLog(t, gateway, "the ownership store is not known to be the right one", "caddy osb-gateway store accept")
	}
	wantText(t, "the status", operate(t, w.Gateway, "status"), "NOT KNOWN TO BE RIGHT", "the store carries no identity",
		"`caddy osb-gateway store accept`")

	wantText(t, "accepting", operate(t, w.Gateway, "store", "accept"), "The store of gateway default is accepted as it is")
	w.expect(t, get(instancePath(lost)), http.StatusNotFound, "")
	w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
	awaitStatus(t, second, get(instancePath(lost)), http.StatusNotFound)
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		wantText(t, "the status", operate(t, gateway, "status"), ", the right one", "all well")
	}
	awaitLog(t, second, "another ownership store was accepted in place of the one before")
	w.expectThrough(t, second, put(instancePath(kept), create(alpha, small)), http.StatusCreated, alpha)
	acceptStore(t, second) // which changes nothing

	// Both remember it, and what is kept beside the records is there again.
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		gateway.Kill(t)
		gateway.Restart(t)
		w.expectThrough(t, gateway, get(instancePath(kept)), http.StatusOK, alpha)
		w.expectThrough(t, gateway, get(instancePath(lost)), http.StatusNotFound, "")
	}
}

// TestEmptyMaster has Redis come back without its data, as a master without persistence does.
func TestEmptyMaster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("appendonly no"))
	w := newWorld(t, redisStoreAt(server))
	lost := newGUID()
	w.expect(t, put(instancePath(lost), create(alpha, small)), http.StatusCreated, alpha)
	server.Kill(t)
	server.Restart(t)
	harness.Await(t, "the gateway to see that the store is empty", func() bool {
		w.expectUnknownStore(t, w.Gateway, lost)
		return strings.Contains(w.Output(), "the ownership store is not known to be the right one")
	})
	w.Kill(t)
	w.Restart(t)
	w.expectUnknownStore(t, w.Gateway, lost)
	acceptStore(t, w.Gateway)
	w.expect(t, del(instancePath(lost)+ids(alpha, small)), http.StatusOK, alpha)
}

// TestOtherDatabase leads a running gateway to another database by a reload, and back.
func TestOtherDatabase(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := redisStoreAt(server)
	w := newWorld(t, store)
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	other := w.options
	other.Block = w.block(strings.Replace(store, "{\n", "{\n\tdb 1\n", 1))
	if err := w.Reload(t, other); err != nil {
		t.Fatal(err)
	}
	w.expectUnknownStore(t, w.Gateway, id)
	if err := w.Reload(t, w.options); err != nil {
		t.Fatal(err)
	}
	w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
}

// TestDeletedFile starts a gateway whose embedded store was deleted.
func TestDeletedFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	lost := newGUID()
	w.expect(t, put(instancePath(lost), create(alpha, small)), http.StatusCreated, alpha)
	w.Stop(t)
	w.AwaitEnd(t)
	directory := filepath.Join(w.Directory, "data", "caddy", "osb_gateway")
	if err := os.Remove(filepath.Join(directory, "default.db")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(directory, "default.store")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file that remembers the store: %v, %v", info, err)
	}
	w.Restart(t)
	w.expectUnknownStore(t, w.Gateway, lost)
	acceptStore(t, w.Gateway)
	w.expect(t, get(instancePath(lost)), http.StatusNotFound, "")
	w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
}

// TestPinnedStore loses the data directory: with store_id a wiped store is told all the same, and so is a new one.
func TestPinnedStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(redisStoreAt(server) + "\nstore_id estate-7")})
	id := newGUID()
	w.expectUnknownStore(t, w.Gateway, id)
	awaitLog(t, w.Gateway, "it is new, or it was wiped")
	acceptStore(t, w.Gateway)
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)

	second := w.secondGateway(t) // in a directory of its own
	w.expectThrough(t, second, get(instancePath(id)), http.StatusOK, alpha)
	if _, err := os.Stat(filepath.Join(second.Directory, "data", "caddy", "osb_gateway", "default.store")); !os.IsNotExist(err) {
		t.Errorf("with store_id something is remembered: %v", err)
	}
	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	third := w.secondGateway(t)
	w.expectUnknownStore(t, third, id)
	for _, gateway := range []*harness.Gateway{w.Gateway, second} {
		w.expectUnknownStore(t, gateway, newGUID()) // the record of the other may be cached
	}
}

// TestLostDataDirectory loses the data directory without a store_id: the store is taken for what it is.
func TestLostDataDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redisStore(t))
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	w.Stop(t)
	w.AwaitEnd(t)
	if err := os.RemoveAll(filepath.Join(w.Directory, "data")); err != nil {
		t.Fatal(err)
	}
	w.Restart(t)
	w.expect(t, get(instancePath(id)), http.StatusOK, alpha)
	w.expect(t, get(instancePath(newGUID())), http.StatusNotFound, "")
}

// TestStoreAwayAtStart starts a gateway before its store: nothing is believed to be absent until the store was seen.
func TestStoreAwayAtStart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorld(t, redisStoreAt(server))
	id := newGUID()
	w.expect(t, put(instancePath(id), create(alpha, small)), http.StatusCreated, alpha)
	w.Kill(t)
	w.AwaitEnd(t)
	server.Freeze(t)
	w.Relaunch(t)
	harness.Await(t, "the gateway to listen", func() bool {
		answer, err := w.Try(get(instancePath(id)))
		return err == nil && answer.Status == http.StatusServiceUnavailable
	})
	server.Thaw(t)
	awaitStatus(t, w.Gateway, get(instancePath(id)), http.StatusOK)
	awaitStatus(t, w.Gateway, get(instancePath(newGUID())), http.StatusNotFound)
}
