package backends_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// guarded is a broker that serves whoever shows what it takes at the moment, and is in favour of everything.
type guarded struct {
	*httptest.Server

	mu sync.Mutex
	// takes tells whether a request shows the right credentials.
	takes func(http.Header) bool
	// behaves, if set, answers in place of the broker; it returns false to leave it to that.
	behaves func(http.ResponseWriter, *http.Request) bool
	// served are the request identities of the requests that were served, refused how many were not.
	served  map[string]int
	refused int
	last    http.Header
}

func startGuarded(t *testing.T, service string, takes func(http.Header) bool, edits ...func(*httptest.Server)) *guarded {
	t.Helper()
	b := &guarded{takes: takes, served: make(map[string]int)}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, service) }))
	if len(edits) == 0 {
		b.Start()
	}
	for _, edit := range edits {
		edit(b.Server)
	}
	t.Cleanup(b.Close)
	return b
}

func (b *guarded) serve(w http.ResponseWriter, r *http.Request, service string) {
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	takes := b.takes == nil || b.takes(r.Header)
	b.last = r.Header
	if takes {
		b.served[r.Header.Get("X-Broker-API-Request-Identity")]++
	} else {
		b.refused++
	}
	behaves := b.behaves
	b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !takes:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `{"description":"who are you?"}`)
	case behaves != nil && behaves(w, r):
	case strings.HasSuffix(r.URL.Path, "/v2/catalog"):
		_, _ = fmt.Fprintf(w, `{"services":[{"id":"%[1]s-id","name":"%[1]s","description":"d","bindable":true,`+
			`"plans":[{"id":"%[1]s-plan","name":"p","description":"d"}]}]}`, service)
	case strings.HasPrefix(r.URL.Path, "/bluemix_v1/") && r.Method == http.MethodPut:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut:
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{}`)
	default:
		_, _ = fmt.Fprint(w, `{"state":"succeeded"}`)
	}
}

// set changes what the broker takes and how it behaves.
func (b *guarded) set(change func(*guarded)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// count is how many requests with this identity were served.
func (b *guarded) count(identity string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.served[identity]
}

// issuer is a token server that knows one secret at a time. Tokens of secrets that it knew before are no good.
type issuer struct {
	*httptest.Server

	mu     sync.Mutex
	secret string
	issued int
	good   map[string]bool
	// behaves, if set, answers in place of the server.
	behaves http.HandlerFunc
}

func startIssuer(t *testing.T, secret string) *issuer {
	t.Helper()
	i := &issuer{secret: secret, good: make(map[string]bool)}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	_, secret, basic := r.BasicAuth()
	if !basic {
		secret = r.PostForm.Get("apikey")
	}
	i.mu.Lock()
	behaves := i.behaves
	i.mu.Unlock()
	if behaves != nil {
		behaves(w, r)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if secret != i.secret {
		http.Error(w, `{"error":"invalid_client","error_description":"`+secret+` is wrong"}`, http.StatusUnauthorized)
		return
	}
	i.issued++
	token := fmt.Sprintf("token-marked-%d", i.issued)
	i.good[token] = true
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
}

// takes tells whether a request has one of the good tokens.
func (i *issuer) takes(header http.Header) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.good[strings.TrimPrefix(header.Get("Authorization"), "Bearer ")]
}

// rotate has the server know another secret; with it all tokens end.
func (i *issuer) rotate(secret string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.secret, i.good = secret, make(map[string]bool)
}

func (i *issuer) set(behaves http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.behaves = behaves
}
