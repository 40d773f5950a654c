package caddymodule

import (
	"crypto/tls"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestEarlyData(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		state  *tls.ConnectionState
		header string
		early  bool
	}{
		{"no TLS", nil, "", false},
		{"handshake over", &tls.ConnectionState{HandshakeComplete: true}, "", false},
		{"early data", new(tls.ConnectionState), "", true},
		{"early data of a proxy's client", &tls.ConnectionState{HandshakeComplete: true}, "1", true},
		{"early data, by http from a proxy", nil, "1", true},
	} {
		for operation := range kinds {
			r := httptest.NewRequest("GET", "http://gateway.example.net/", nil)
			r.TLS = test.state
			if test.header != "" {
				r.Header.Set("Early-Data", test.header)
			}
			c := &call{r: r, path: osb.Path{Operation: operation}}
			want := test.early && operation.Mutating()
			if err := c.checkEarlyData(); errors.Is(err, errTooEarly) != want {
				t.Errorf("%s, %s: got %v, want a refusal: %t", test.name, operation, err, want)
			}
		}
	}
}
