package backend_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

// tokensFrom asks a server for tokens with the same grant each time.
func tokensFrom(address string, grant backend.Grant) *backend.TokenConfig {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return &backend.TokenConfig{
		URL: u, Grant: func() (backend.Grant, error) { return grant, nil }, Transport: http.DefaultTransport,
	}
}

func tokenURL(address string) func(*backend.Config) {
	return func(c *backend.Config) { c.Token = tokensFrom(address, backend.Grant{APIKey: "topsecret"}) }
}

func withTokens(tb testing.TB, address string, grant backend.Grant) func(*backend.Config) {
	return func(c *backend.Config) {
		c.Token = tokensFrom(address, grant)
		c.Token.Transport = newTransport(tb)
	}
}

// newTokenBackend is a backend that is closed with the test.
func newTokenBackend(tb testing.TB, address string, edits ...func(*backend.Config)) *backend.Backend {
	tb.Helper()
	b := newBackend(tb, address, edits...)
	tb.Cleanup(b.Close)
	return b
}

// echoing is a broker that answers with the Authorization header that it got.
func echoing(tb testing.TB, arrived *atomic.Int32) string {
	return serve(tb, func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"))
	})
}

var (
	client = backend.Grant{ClientID: "the client", ClientSecret: "top:secret", Scopes: []string{"broker.read", "broker.write"}}
	apiKey = backend.Grant{APIKey: "top+secret"}
)

// What goes to a token server, and the token to the broker.
func TestTokenRequest(t *testing.T) {
	t.Parallel()
	type seen struct {
		Method, Target, Authorization, ContentType, Accept, UserAgent string
		Form                                                          url.Values
	}
	form := "application/x-www-form-urlencoded"
	for name, test := range map[string]struct {
		grant backend.Grant
		want  seen
	}{
		"client credentials": {client, seen{
			"POST", "/oauth/token?zone=a", "Basic dGhlK2NsaWVudDp0b3AlM0FzZWNyZXQ=", form, "application/json", "", url.Values{
				"grant_type": {"client_credentials"}, "scope": {"broker.read broker.write"},
			},
		}},
		"without scopes": {backend.Grant{ClientID: "c", ClientSecret: "s"}, seen{
			"POST", "/oauth/token?zone=a", "Basic Yzpz", form, "application/json", "", url.Values{"grant_type": {"client_credentials"}},
		}},
		"IBM": {apiKey, seen{"POST", "/oauth/token?zone=a", "", form, "application/json", "", url.Values{
			"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {"top+secret"},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := make(chan seen, 1)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				query := r.URL.RequestURI()
				_ = r.ParseForm()
				got <- seen{
					r.Method, query, r.Header.Get("Authorization"), r.Header.Get("Content-Type"), r.Header.Get("Accept"),
					r.Header.Get("User-Agent"), r.PostForm,
				}
				_, _ = fmt.Fprint(w, `{"access_token":"a.b-c","token_type":"Bearer","expires_in":3600,"expiration":1,"x":[]}`)
			})
			var arrived atomic.Int32
			b := newTokenBackend(t, echoing(t, &arrived), withTokens(t, server+"/oauth/token?zone=a", test.grant))
			for range 3 { // with one token
				resp, err := b.Do(t.Context(), backend.Request{
					Method: "GET", Path: "/v2/x", Header: http.Header{"Authorization": {"Basic of-the-platform"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := string(resp.Body); got != "Bearer a.b-c" {
					t.Errorf("the broker got %q", got)
				}
			}
			if diff := cmp.Diff(test.want, <-got); diff != "" {
				t.Errorf("asked otherwise (-want +got):\n%s", diff)
			}
			if status := b.Status(); status.TokenUntil.IsZero() || status.TokenError != nil {
				t.Errorf("got the state %+v, want a token", status)
			}
		})
	}
}

// Some servers take the client's secret in the body only. What worked is asked first from then on.
func TestTokenSecretInBody(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(http.ResponseWriter){
		"401":            func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"invalid_client": func(w http.ResponseWriter) { http.Error(w, `{"error":"invalid_client"}`, http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_ = r.ParseForm()
				if _, _, basic := r.BasicAuth(); basic || r.PostForm.Get("client_secret") != "top:secret" ||
					r.PostForm.Get("client_id") != "the client" {
					refuse(w)
					return
				}
				_, _ = fmt.Fprintf(w, `{"access_token":"t%d"}`, asked.Load())
			})
			var arrived atomic.Int32
			broker := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if arrived.Add(1) == 2 {
					w.WriteHeader(http.StatusUnauthorized) // has a new one fetched
				}
			})
			b := newTokenBackend(t, broker, withTokens(t, server, client))
			for range 2 {
				resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
				if err != nil || resp.Status != 200 {
					t.Fatalf("got %v, %v", resp, err)
				}
			}
			if got := asked.Load(); got != 3 {
				t.Errorf("the server was asked %d times, want 3", got)
			}
		})
	}
}

// Answers of a token server that are of no use: nothing is sent to the broker, and nothing secret is said.
func TestTokenServerMisbehaves(t *testing.T) {
	t.Parallel()
	says := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) }
	}
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			_, _ = fmt.Fprint(w, body)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not JSON":        {says("topsecret"), "not what RFC 6749 has"},
		"empty":           {says(""), "not what RFC 6749 has"},
		"array":           {says(`["topsecret"]`), "not what RFC 6749 has"},
		"no token":        {says(`{"expires_in":3600}`), "has no access_token"},
		"null token":      {says(`{"access_token":null}`), "has no access_token"},
		"number as token": {says(`{"access_token":1}`), "not what RFC 6749 has"},
		"token of words":  {says(`{"access_token":"topsecret b"}`), "cannot be sent in a header"},
		"token of lines":  {says(`{"access_token":"topsecret\r\nX-A: b"}`), "cannot be sent in a header"},
		"huge token":      {says(`{"access_token":"` + strings.Repeat("x", 40<<10) + `"}`), "larger than"},
		"huge answer":     {says(strings.Repeat("topsecret", 100_000)), "larger than"},
		"other type":      {says(`{"access_token":"topsecret","token_type":"mac"}`), "not a bearer token"},
		"life in words":   {says(`{"access_token":"topsecret","expires_in":"soon"}`), "expires_in is not a number"},
		"life below zero": {says(`{"access_token":"topsecret","expires_in":-5}`), "expires_in is not a number"},
		"life no number":  {says(`{"access_token":"topsecret","expires_in":"NaN"}`), "expires_in is not a number"},
		"life of an hour": {says(`{"access_token":"topsecret","expires_in":{"hours":1}}`), "expires_in is not a number"},
		"refused":         {status(400, `{"error":"invalid_grant","error_description":"topsecret"}`), "answered 400, invalid_grant"},
		"its own error":   {status(400, `{"error":"topsecret"}`), "answered 400: check the secret"},
		"forbidden":       {status(403, "topsecret"), "answered 403: check the secret"},
		"unknown":         {status(401, "topsecret"), "answered 401: check the secret"},
		"redirect":        {status(307, "topsecret"), "answered 307: redirects are not followed"},
		"trouble":         {status(503, "<html>topsecret"), "answered 503"},
		"other success":   {status(201, `{"access_token":"topsecret"}`), "answered 201"},
		"hangs up": {func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}, "no answer"},
		"hangs up within": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = fmt.Fprint(w, `{"access_token":"topsecret"}`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "reading the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var elsewhere, arrived atomic.Int32
			mux := http.NewServeMux()
			mux.Handle("/token", test.handler)
			mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			b := newTokenBackend(t, echoing(t, &arrived), withTokens(t, server.URL+"/token", apiKey))
			resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
			checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: test.want})
			if strings.Contains(err.Error(), "secret\"") || strings.Contains(err.Error(), "topsecret") ||
				strings.Contains(err.Error(), apiKey.APIKey) {
				t.Errorf("the error says too much: %v", err)
			}
			if arrived.Load() != 0 || elsewhere.Load() != 0 {
				t.Errorf("the broker got %d requests, and the place of the redirect %d", arrived.Load(), elsewhere.Load())
			}
			if got := b.Status().TokenError; got == nil || !strings.Contains(got.Error(), test.want) {
				t.Errorf("the state tells %v", got)
			}
		})
	}
}

// Nobody there, and a certificate that nobody vouches for.
func TestTokenServerNotReached(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	for name, address := range map[string]string{
		"refused": "http://" + nobody, "certificate": quietTLSServer(t, http.NotFoundHandler()).URL,
	} {
		b := newTokenBackend(t, echoing(t, &arrived), withTokens(t, address, client))
		resp, err := b.Do(t.Context(), backend.Request{Method: "PUT", Path: "/v2/x"})
		checkFailure(t, resp, err, wantFailure{kind: backend.NotReached, text: "no answer"})
		if arrived.Load() != 0 {
			t.Errorf("%s: the broker got the call", name)
		}
	}
}

func FuzzTokenAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"a","expires_in":3600}`, `{"access_token":"a","expires_in":"3600"}`, `{"access_token":"a"}`,
		`{"access_token":"a","expires_in":1e400}`, `{"access_token":"a b"}`, `{"access_token":"a","token_type":"BEARER"}`,
		`{`, ``, `null`, `{"access_token":"a","expires_in":-1}`, `{"access_token":"a","expires_in":"\u0031"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var sent string
		b := newBackend(t, "http://broker.invalid", func(c *backend.Config) {
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent = r.Header.Get("Authorization")
				return ok(200), nil
			})
			c.Token = tokensFrom("http://token.invalid", apiKey)
			c.Token.Transport = roundTripFunc(func(*http.Request) (*http.Response, error) {
				resp := ok(200)
				resp.Body = http.NoBody
				if len(answer) > 0 {
					resp.Body = readCloser(answer)
				}
				return resp, nil
			})
		})
		defer b.Close()
		_, err := b.Do(t.Context(), backend.Request{Method: "GET", Path: "/v2/x"})
		word := strings.TrimPrefix(sent, "Bearer ")
		switch {
		case err != nil && sent != "":
			t.Errorf("sent %q and failed: %v", sent, err)
		case err == nil && (word == sent || word == "" || strings.ContainsAny(word, " \r\n\x00")):
			t.Errorf("sent %q", sent)
		}
	})
}
