package caddymodule_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// keepers counts the goroutines that keep the keys of issuers.
func keepers() int { return strings.Count(goroutines(), "platform.(*keySet).run(") }

// TestKeysEndWithTheirConfiguration loads one configuration after another, each with two issuers: there are never more
// caches of keys than the present configuration has, and none when it has ended.
func TestKeysEndWithTheirConfiguration(t *testing.T) {
	b := startBroker(t, "one")
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}]}`))
	}))
	t.Cleanup(keys.Close)
	s := startServer(t)
	block := func(n int) string {
		return fmt.Sprintf("max_request_body %d\nplatform cf {\n\tbasic_auth user %s\n\tjwt https://one {\n\tjwks_url %s/one\n\taudience a\n}\n"+
			"\tjwt https://two {\n\tjwks_url %[3]s/two\n\taudience a\n}\n}\n%s", 1000+n, secretHash, keys.URL, b.block("one", ""))
	}
	for n := range 8 {
		s.mustLoad(t, s.config(block(n)))
		s.call(t, http.StatusOK, "GET", "/v2/catalog", "")
		await(t, "the caches of the configurations before to end", func() bool { return keepers() == 2 })
	}
	// A configuration that is refused leaves nothing.
	if err := s.load(t, s.config(strings.Replace(block(8), "audience a", "", 1))); err == nil {
		t.Error("tokens that anybody can have were taken")
	}
	s.call(t, http.StatusOK, "GET", "/v2/catalog", "")
	if got := keepers(); got != 2 {
		t.Errorf("caches of keys after a configuration that was refused: got %d, want 2", got)
	}
	s.stop(t) // waits for all of the package's goroutines
	if got := keepers(); got != 0 {
		t.Errorf("caches of keys at the end: got %d", got)
	}
}

// TestKeysOfAnUntrustedTransportEnd: whoever stood between the gateway and an issuer could give it keys of his own as long
// as no certificate was asked for. They must not outlive the reload that asks for one.
func TestKeysOfAnUntrustedTransportEnd(t *testing.T) {
	b := startBroker(t, "one")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(keys.Close)
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "https://one", "aud": "a", "exp": time.Now().Add(time.Hour).Unix(),
	}).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t)
	load := func(transport string) {
		t.Helper()
		s.mustLoad(t, s.config(fmt.Sprintf("platform cf {\n\tbasic_auth user %s\n\tjwt https://one {\n\tjwks_url %s\n\taudience a\n"+
			"\talgorithms EdDSA\n%s\n}\n}\n%s", secretHash, keys.URL, transport, b.block("one", ""))))
	}
	want := func(status int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+"/v2/catalog", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Close = true
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != status {
			t.Errorf("got %d, want %d", response.StatusCode, status)
		}
	}
	insecure := "transport http {\n\ttls_insecure_skip_verify\n}"
	load(insecure)
	want(http.StatusOK)
	load(insecure + "\nleeway 10s")
	want(http.StatusOK)
	load("")
	want(http.StatusServiceUnavailable)
}
