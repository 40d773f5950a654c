package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// manyOfferings are the offerings of one of many brokers, each with its plans.
func manyOfferings(broker, offerings, plans int) string {
	written := make([]string, offerings)
	for i := range written {
		id := fmt.Sprintf("b%d-o%d", broker, i)
		listed := make([]string, plans)
		for j := range listed {
			listed[j] = fmt.Sprintf(`{"id":"%s-p%d","name":"plan-%d","description":"A plan of some size.","free":false,"bindable":true}`, id, j, j)
		}
		written[i] = fmt.Sprintf(`{"id":"%s","name":"%s","description":"An offering among many.","bindable":true,"plans":[%s]}`,
			id, id, strings.Join(listed, ","))
	}
	return strings.Join(written, ",")
}

// startCatalogs starts a gateway in front of many brokers, and respond with the bytes that it shows.
func startCatalogs(b testing.TB, processors []int, brokers, offerings, plans int) (gateway, respond *estate) {
	b.Helper()
	catalogs := make(map[string]string, brokers)
	all := make([]string, brokers)
	for i := range all {
		all[i] = manyOfferings(i, offerings, plans)
		catalogs[fmt.Sprintf("/b%d/v2/catalog", i)] = `{"services":[` + all[i] + `]}`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(catalogs[r.URL.Path]))
	}))
	b.Cleanup(server.Close)
	block := []string{"store memory", harness.Platform("main", "")}
	for i := range brokers {
		block = append(block, fmt.Sprintf("backend b%d %s/b%d", i, server.URL, i))
	}
	merged := `{"services":[` + strings.Join(all, ",") + `]}`
	port := freePort(b)
	g := harness.Start(b, harness.Options{
		Processors: processors, Quiet: true, Global: "log {\n\tlevel WARN\n}", Block: strings.Join(block, "\n"),
		Sites: fmt.Sprintf("http://127.0.0.1:%d {\n\tbind 127.0.0.1\n\theader Content-Type application/json\n\t"+
			// Without it Caddy sends chunks, which the loader does not read.
			"header Content-Length %d\n\trespond `%s`\n}\n", port, len(merged), merged),
	})
	shown := g.Do(b, harness.Request{Method: http.MethodGet, Target: "/v2/catalog"})
	if shown.Status != http.StatusOK || shown.Body != merged {
		b.Fatalf("got %d and %d bytes, want %d", shown.Status, len(shown.Body), len(merged))
	}
	gateway = &estate{Gateway: g, gateway: strings.TrimPrefix(g.URL, "http://")}
	return gateway, &estate{Gateway: g, gateway: fmt.Sprintf("127.0.0.1:%d", port)}
}

// fetch asks for the catalog.
func (e *estate) fetch() Source {
	return func(buffer []byte) []byte {
		return fmt.Appendf(buffer, "GET /v2/catalog HTTP/1.1\r\nHost: %s\r\n%s\r\n", e.gateway, head)
	}
}

// BenchmarkCatalog prints how the catalog of a hundred brokers is shown, beside the same bytes of Caddy's respond.
func BenchmarkCatalog(b *testing.B) {
	gateway, respond := startCatalogs(b, divide(b), 100, 10, 5)
	c := newContest(b)
	ours := c.add(gateway, gateway.gateway, gateway.fetch())
	theirs := c.add(respond, respond.gateway, respond.fetch())
	for b.Loop() {
		c.run(b)
	}
	b.ReportMetric(ours.got.rate.over(theirs.got.rate).median(), "catalog-ratio")
	_, _ = fmt.Fprintf(os.Stdout, "\n%d rounds of %v with %d connections\n%s\n", c.rounds, c.length, connections,
		table([]row{{"catalog of 100 brokers", "respond, same bytes", ours.got, theirs.got, ">= 0.9"}}))
}

// TestCatalog measures once, so that `make bench` does not fail where nobody looks.
func TestCatalog(t *testing.T) {
	t.Parallel()
	gateway, respond := startCatalogs(t, nil, 3, 2, 2)
	c := &contest{length: 50 * time.Millisecond, rounds: 1}
	for _, e := range []*estate{gateway, respond} {
		c.add(e, e.gateway, e.fetch())
	}
	c.run(t)
	for _, cell := range c.cells {
		if len(cell.got.rate) != 1 || cell.got.rate[0] <= 0 {
			t.Errorf("measured %v", cell.got)
		}
	}
}
