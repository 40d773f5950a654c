package caddymodule_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
