package platform_test

import (
	"context"
	"net/http"
	"testing"
)

// BenchmarkTokens has a token that is known, one that has to be checked, and one that is refused for its time.
func BenchmarkTokens(b *testing.B) {
	server := startKeyServer(b, rsaOne())
	a := withTokens(b, server.rule(nil))
	fresh := make([]http.Header, 100) // more than are remembered
	for i := range fresh {
		fresh[i] = bearer(rsaOne().sign(nil, claims(object{"jti": i})))
	}
	for name, headers := range map[string][]http.Header{
		"known": fresh[:1], "checked": fresh, "expired": {bearer(rsaOne().sign(nil, claims(object{"exp": 1})))},
	} {
		b.Run(name, func(b *testing.B) {
			_, _ = a.Authenticate(b.Context(), headers[0], nil)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = a.Authenticate(context.Background(), headers[i%len(headers)], nil)
			}
		})
	}
}
