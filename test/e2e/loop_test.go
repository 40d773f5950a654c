package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const gatewaysHeader = "X-Osb-Gateway-Path"

// behind is a backend block for another gateway.
func behind(name string, gateway *harness.Gateway) string {
	return fmt.Sprintf("backend %s %s {\n\tbasic_auth %s %s\n}\n", name, gateway.URL, harness.User, harness.Password)
}

// wantOnce checks that a log says something once.
func wantOnce(t *testing.T, gateway *harness.Gateway, text string) {
	t.Helper()
	awaitLog(t, gateway, text)
	if got := strings.Count(gateway.Output(), text); got != 1 {
		t.Errorf("the log says %d times %q, want once", got, text)
	}
}

// TestGatewayBehindItself: a gateway that is its own backend says so, and shows what the others have.
func TestGatewayBehindItself(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore) + neverRefresh})
	w.reload(t, w.options.Block+behind("itself", w.Gateway))
	const own = `backend \"itself\": failed: the catalog was answered with 400: it is this gateway's own`
	awaitLog(t, w.Gateway, own)
	refresh := func() {
		printed, _, code := command(t, "--address", strings.TrimPrefix(w.Admin, "http://"), "refresh", "itself")
		wantText(t, "refreshing", printed, "it is this gateway's own", "correct the URL")
		if code != 1 {
			t.Errorf("got the exit code %d, want 1", code)
		}
	}
	refresh()
	wantOnce(t, w.Gateway, own)
	// The old configuration may have served the first fetch of the new one. Each says it once.
	const back = "a call has come back to this gateway"
	said := strings.Count(w.Output(), back)
	if said != 1 && said != 2 {
		t.Errorf("the log says %d times %q, want once for each configuration", said, back)
	}
	refresh()
	refresh()
	wantOnce(t, w.Gateway, own)
	if again := strings.Count(w.Output(), back) - said; again != 0 {
		t.Errorf("the log says %d more times %q", again, back)
	}
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
}

// TestGatewaysBehindEachOther: the second one to be given the other refuses its catalog, and a call that is led round
// ends where it began.
func TestGatewaysBehindEachOther(t *testing.T) {
	t.Parallel()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: w.block(fileStore) + neverRefresh})
	id := newGUID()
	w.expect(t, put(instancePath(id), create(beta, small)), http.StatusCreated, beta)
	other := harness.Start(t, harness.Options{
		Block: fileStore + "\n" + harness.Platform("gateway", "") + behind("first", w.Gateway) + neverRefresh,
	})
	checkSameCatalog(t, w.Do(t, get("/v2/catalog")), other.Do(t, get("/v2/catalog")))

	// The broker beta is said to be where the other gateway is.
	right := w.options.Block
	block := strings.Replace(right, w.brokers[beta].Backend(beta, ""), behind(beta, other), 1)
	w.reload(t, block)
	awaitLog(t, w.Gateway, `backend \"beta\": failed: the catalog was answered with 200: it is this gateway's own`)
	checkCatalog(t, w.Do(t, get("/v2/catalog")), brokerNames...)
	w.brokers[beta].ForgetRequests()
	for range 3 {
		for _, r := range []harness.Request{
			get(instancePath(id) + ids(beta, small)), patch(instancePath(id), change(beta, small, large)),
			put(instancePath(newGUID()), create(beta, small)),
		} {
			answer := w.expect(t, r, http.StatusBadRequest, "")
			refused(t, answer, "BadRequest")
			wantText(t, "the answer", answer.Body, "has come back to the gateway")
			if answer.Header.Get(gatewaysHeader) != "" {
				t.Errorf("the platform is told of gateways: %v", answer.Header)
			}
		}
	}
	wantOnce(t, w.Gateway, "a call has come back to this gateway")
	if got := w.brokers[beta].Requests(); len(got) != 0 {
		t.Errorf("the broker was asked %d times", len(got))
	}

	// Nothing has happened: with the right URL all is as it was.
	w.reload(t, right)
	w.expect(t, get(instancePath(id)), http.StatusOK, beta)
}

// TestMarksOfOthers: what a platform writes into the header gets it a refusal at the worst.
func TestMarksOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fileStore)
	marked := func(marks ...string) harness.Request {
		r := put(instancePath(newGUID()), create(alpha, small))
		r.Header = http.Header{gatewaysHeader: marks}
		return r
	}
	seen := func() string {
		requests := w.brokers[alpha].Requests()
		return requests[len(requests)-1].Header.Get(gatewaysHeader)
	}
	w.expect(t, put(instancePath(newGUID()), create(alpha, small)), http.StatusCreated, alpha)
	own := seen()
	if !strings.HasPrefix(own, "g-") {
		t.Fatalf("the broker got the mark %q", own)
	}
	for _, test := range []struct {
		marks []string
		want  string
	}{
		{[]string{""}, own},
		{[]string{"g-other"}, "g-other, " + own},
		{[]string{"a,b", "c, <script>, \"" + own}, "a, b, c, " + own},
		{[]string{strings.Repeat("a,", 31)}, strings.Repeat("a, ", 31) + own},
	} {
		w.expect(t, marked(test.marks...), http.StatusCreated, alpha)
		if got := seen(); got != test.want {
			t.Errorf("%q: the broker got %q, want %q", test.marks, got, test.want)
		}
	}
	for _, marks := range [][]string{{own}, {"a, " + own + ",b"}, {"a", own}, {strings.Repeat("a,", 32)}, {strings.Repeat("a,", 10000)}} {
		refused(t, w.expect(t, marked(marks...), http.StatusBadRequest, ""), "BadRequest")
	}
	stranger := marked(own)
	stranger.User = "-"
	refused(t, w.expect(t, stranger, http.StatusUnauthorized, ""), "Unauthorized")

	// Only a gateway is told where a catalog comes from.
	if got := w.Do(t, get("/v2/catalog")).Header.Get(gatewaysHeader); got != "" {
		t.Errorf("a platform is told of the gateways %q", got)
	}
}
