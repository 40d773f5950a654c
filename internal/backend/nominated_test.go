package backend_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// TestManyNominatedHeaders has a Connection header that names as many headers as fit into what Caddy takes by default,
// beside as many others. Comparing each with each would take minutes.
func TestManyNominatedHeaders(t *testing.T) {
	t.Parallel()
	const n = 60_000
	header := make(http.Header, n)
	for i := range n {
		header["N"+strconv.Itoa(i)] = []string{""}
	}
	header["Connection"] = []string{strings.Repeat("a,", 4*n) + "N0"}
	b := newBackend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header) < n-1 || r.Header["N0"] != nil {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	request := backend.Request{Method: "GET", Path: "/", Header: header, Deadline: time.Now().Add(time.Minute)}
	resp, err := b.Do(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != http.StatusOK {
		t.Errorf("got %d, want 200", resp.Status)
	}
}
