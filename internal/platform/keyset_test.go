package platform_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// fakeTransport is a network in which no real time passes. The handler answers.
type fakeTransport struct {
	asked atomic.Int32
	mu    sync.Mutex
	serve http.HandlerFunc // nil for nobody there
}

func (f *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	f.asked.Add(1)
	f.mu.Lock()
	serve := f.serve
	f.mu.Unlock()
	if serve == nil {
		return nil, errors.New("connection refused")
	}
	recorder := httptest.NewRecorder()
	serve(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

func (f *fakeTransport) set(serve http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serve = serve
}

func (f *fakeTransport) keys(keys ...keyPair) {
	f.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(setOf(keys...)) })
}

func (f *fakeTransport) wantAsked(t *testing.T, want int32) {
	t.Helper()
	if got := f.asked.Load(); got != want {
		t.Errorf("key sets fetched: got %d, want %d", got, want)
	}
}

// reports collects what is said of looks at the keys.
type reports struct {
	mu  sync.Mutex
	all []platform.KeyReport
}

func (r *reports) add(report platform.KeyReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, report)
}

func (r *reports) last() platform.KeyReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return platform.KeyReport{}
	}
	return r.all[len(r.all)-1]
}

func fakeRule(f *fakeTransport, r *reports) platform.TokenRule {
	rule := platform.TokenRule{
		Issuer: issuerName, Keys: platform.KeySource{URL: "https://keys.example.net/keys", Transport: f},
		Audience: []string{audience}, Algorithms: platform.DefaultAlgorithms(), Leeway: time.Second,
	}
	if r != nil {
		rule.Keys.Report = r.add
	}
	return rule
}

// inBubble runs a test in which time is what the test makes it, with keys that are made outside.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, make := range []func() keyPair{rsaOne, rsaTwo, ecOne, ecTwo} {
		make()
	}
	synctest.Test(t, test)
}

// fresh are claims of a token that is good for days, in the time of the bubble.
func fresh() object { return claims(object{"exp": time.Now().Add(100 * time.Hour).Unix()}) }

// withKnownKeys returns an authenticator that has fetched the key of rsaOne, and what it fetches keys through.
func withKnownKeys(t *testing.T) (*fakeTransport, *platform.Authenticator) {
	t.Helper()
	f := new(fakeTransport)
	f.keys(rsaOne())
	a := withTokens(t, fakeRule(f, nil))
	synctest.Wait()
	return f, a
}

func wantUndecided(t *testing.T, a *platform.Authenticator, token string) {
	t.Helper()
	if _, err := a.Authenticate(t.Context(), bearer(token), nil); !errors.Is(err, platform.ErrUndecided) || errors.Is(err, platform.ErrUnauthorized) {
		t.Errorf("got %v, want that it cannot be told", err)
	}
}

func TestKnownTokensCostNoNetwork(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		for i := range 100 {
			claims := fresh()
			claims["jti"] = i % 50
			want(t, a, bearer(rsaOne().sign(nil, claims)), "cf")
			want(t, a, bearer(rsaOne().sign(nil, object{"iss": issuerName, "exp": 1})), "")
			want(t, a, bearer(rsaTwo().sign(object{"kid": "rsa-1"}, claims)), "")
		}
		f.wantAsked(t, 1)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		one, two := rsaOne().sign(nil, fresh()), rsaTwo().sign(nil, fresh())
		want(t, a, bearer(one), "cf")

		// A token that comes before its key is published, and when no look is due, is refused, and not held against it.
		for range 3 {
			want(t, a, bearer(ecOne().sign(nil, fresh())), "")
		}
		f.keys(rsaOne(), ecOne())
		time.Sleep(11 * time.Second)
		want(t, a, bearer(ecOne().sign(nil, fresh())), "cf")
		f.wantAsked(t, 2)
		time.Sleep(time.Minute)

		// A new key is found when the first token comes that is signed with it, by one fetch for all.
		f.keys(rsaOne(), rsaTwo())
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { want(t, a, bearer(two), "cf") })
		}
		all.Wait()
		f.wantAsked(t, 3)

		// A key that has left is good for a moment more, for servers that do not agree.
		f.keys(rsaTwo())
		time.Sleep(16 * time.Minute) // the next fetch
		f.wantAsked(t, 4)
		want(t, a, bearer(two), "cf")
		time.Sleep(2 * time.Minute)
		want(t, a, bearer(one), "")
		want(t, a, bearer(two), "cf")
	})
}

// TestOverlap: servers that disagree make nobody fail, and no more fetches than allowed.
func TestOverlap(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f := new(fakeTransport)
		var flip atomic.Int32
		f.set(func(w http.ResponseWriter, _ *http.Request) {
			keys := []keyPair{rsaOne(), rsaTwo()}
			_, _ = w.Write(setOf(keys[flip.Add(1)%2]))
		})
		a := withTokens(t, fakeRule(f, nil))
		synctest.Wait()
		time.Sleep(11 * time.Second)
		one, two := bearer(rsaOne().sign(nil, fresh())), bearer(rsaTwo().sign(nil, fresh()))
		for range 100 {
			want(t, a, one, "cf")
			want(t, a, two, "cf")
			if t.Failed() {
				return
			}
			time.Sleep(61 * time.Second)
			// By now the overlap is over: one of the two is fetched anew, the first time that it is needed.
		}
		if got, most := f.asked.Load(), int32(100*61/10); got > most {
			t.Errorf("key sets fetched: got %d, want at most %d", got, most)
		}
	})
}

// TestUnknownKeyIDs: made-up names lead to one fetch in ten seconds at most, however many come.
func TestUnknownKeyIDs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		good := rsaOne().sign(nil, fresh())
		for i := range 60 {
			for j := range 20 {
				want(t, a, bearer(ecTwo().sign(object{"kid": fmt.Sprint("made-up-", i, "-", j)}, fresh())), "")
			}
			want(t, a, bearer(good), "cf")
			time.Sleep(time.Second)
		}
		if got := f.asked.Load(); got < 2 || got > 7 {
			t.Errorf("key sets fetched in a minute: got %d, want about one in ten seconds", got)
		}
	})
}

// TestAbsentKeyID: one name that is not there is looked for once a minute only.
func TestAbsentKeyID(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		time.Sleep(11 * time.Second)
		for range 59 {
			want(t, a, bearer(rsaTwo().sign(nil, fresh())), "")
			time.Sleep(time.Second)
		}
		f.wantAsked(t, 2)
		time.Sleep(2 * time.Second)
		want(t, a, bearer(rsaTwo().sign(nil, fresh())), "")
		f.wantAsked(t, 3)
		// What is refused for another reason is no cause to look.
		time.Sleep(11 * time.Second)
		for _, other := range []object{{"aud": "x"}, {"exp": 1}, {"iss": "x"}} {
			want(t, a, bearer(ecTwo().sign(nil, claims(other))), "")
		}
		f.wantAsked(t, 3)
	})
}

func TestKeysThatCannotBeHad(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, r := new(fakeTransport), new(reports)
		a := withTokens(t, fakeRule(f, r))
		synctest.Wait()
		good := rsaOne().sign(nil, fresh())
		wantUndecided(t, a, good)
		if got := r.last(); got.Err == nil || got.Issuer != issuerName || got.Platform != "cf" || got.Keys != 0 {
			t.Errorf("the report is %+v", got)
		}
		// What is wrong anyway is wrong now too.
		want(t, a, bearer(rsaOne().sign(nil, claims(object{"exp": 1}))), "")
		f.keys(rsaOne())
		time.Sleep(time.Minute) // it is tried again soon
		want(t, a, bearer(good), "cf")
		if got := r.last(); got.Err != nil || got.Keys != 1 {
			t.Errorf("the report is %+v", got)
		}

		// Keys that are known go on when the source is gone, but not for ever.
		f.set(nil)
		time.Sleep(23 * time.Hour)
		want(t, a, bearer(good), "cf")
		if got := r.last(); got.Err == nil || got.Keys != 1 {
			t.Errorf("the report is %+v", got)
		}
		wantUndecided(t, a, rsaTwo().sign(nil, fresh())) // it may be a new key
		time.Sleep(2 * time.Hour)
		wantUndecided(t, a, good)
		f.keys(rsaOne())
		time.Sleep(6 * time.Minute)
		want(t, a, bearer(good), "cf")
	})
}

// TestSlowKeys: who knows the keys does not wait for them, and who waits may give up.
func TestSlowKeys(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		time.Sleep(11 * time.Second)
		f.set(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		begun := time.Now()
		known, unknown := bearer(rsaOne().sign(nil, fresh())), rsaTwo().sign(nil, fresh())
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() { wantUndecided(t, a, unknown) })
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			if _, err := a.Authenticate(ctx, bearer(unknown), nil); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up: got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		for range 100 {
			want(t, a, known, "cf")
		}
		if passed := time.Since(begun); passed != 0 {
			t.Errorf("a known key was waited for, %s", passed)
		}
		waiting.Wait()
		if passed := time.Since(begun); passed != 10*time.Second {
			t.Errorf("a look took %s, want that it is given up after 10s", passed)
		}
		f.wantAsked(t, 2)
	})
}

func TestRefreshTimes(t *testing.T) {
	t.Parallel()
	for control, between := range map[string][2]time.Duration{
		"": {13 * time.Minute, 17 * time.Minute}, "max-age=1": {4 * time.Minute, 6 * time.Minute},
		"public, max-age=1800": {26 * time.Minute, 34 * time.Minute}, "max-age=864000": {53 * time.Minute, 67 * time.Minute},
		"no-store": {4 * time.Minute, 6 * time.Minute}, "max-age=no": {13 * time.Minute, 17 * time.Minute},
		`Max-Age="1800"`: {26 * time.Minute, 34 * time.Minute},
	} {
		inBubble(t, func(t *testing.T) {
			f := new(fakeTransport)
			f.set(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", control)
				_, _ = w.Write(setOf(rsaOne()))
			})
			withTokens(t, fakeRule(f, nil))
			synctest.Wait()
			f.wantAsked(t, 1)
			time.Sleep(between[0])
			synctest.Wait()
			f.wantAsked(t, 1)
			time.Sleep(between[1] - between[0])
			synctest.Wait()
			f.wantAsked(t, 2)
		})
	}
}

// TestInherit: a new configuration knows the keys at once, of the same source only.
func TestInherit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, before := withKnownKeys(t)
		f.set(nil)
		a := mustNew(t, platform.Platform{Name: "cf", Tokens: []platform.TokenRule{fakeRule(f, nil)}})
		defer a.Close()
		a.Inherit(before)
		good := rsaOne().sign(nil, fresh())
		want(t, a, bearer(good), "cf")

		elsewhere := fakeRule(f, nil)
		elsewhere.Keys.URL += "/elsewhere"
		b := mustNew(t, platform.Platform{Name: "cf", Tokens: []platform.TokenRule{elsewhere}})
		defer b.Close()
		b.Inherit(before)
		wantUndecided(t, b, good)

		// Keys that came over a transport which was not to be trusted must not outlive it.
		stricter := fakeRule(f, nil)
		stricter.Keys.Over = "another authority"
		c := mustNew(t, platform.Platform{Name: "cf", Tokens: []platform.TokenRule{stricter}})
		defer c.Close()
		c.Inherit(before)
		wantUndecided(t, c, good)
	})
}

// TestTokenOfTwoPlatformsAtTheStart: a token of two is refused also while one of them has no keys yet.
func TestTokenOfTwoPlatformsAtTheStart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, slow := new(fakeTransport), new(fakeTransport)
		f.keys(rsaOne())
		slow.set(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		rule := func(f *fakeTransport, claim string) []platform.TokenRule {
			r := fakeRule(f, nil)
			r.Require = []platform.Requirement{{Claim: claim, Values: []string{"x"}}}
			return []platform.TokenRule{r}
		}
		a := started(t,
			platform.Platform{Name: "slow", Tokens: rule(slow, "one")}, platform.Platform{Name: "quick", Tokens: rule(f, "two")})
		synctest.Wait()
		of := func(more object) http.Header {
			all := fresh()
			maps.Copy(all, more)
			return bearer(rsaOne().sign(nil, all))
		}
		both := errorOf(t, a, of(object{"one": "x", "two": "x"}), "")
		if conflict, ok := errors.AsType[*platform.ConflictError](both); !ok || strings.Join(conflict.Platforms, " ") != "slow quick" {
			t.Errorf("got %v, want a conflict of both", both)
		}
		begun := time.Now()
		want(t, a, of(object{"two": "x"}), "quick")
		if passed := time.Since(begun); passed != 0 {
			t.Errorf("the other platform's keys were waited for, %s", passed)
		}
	})
}

// TestClose: nothing is left, and nothing begins any more.
func TestClose(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f := new(fakeTransport)
		f.set(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		a := mustNew(t, platform.Platform{Name: "cf", Tokens: []platform.TokenRule{fakeRule(f, nil)}})
		var waiting sync.WaitGroup
		waiting.Go(func() { wantUndecided(t, a, rsaOne().sign(nil, fresh())) })
		synctest.Wait()
		begun := time.Now()
		a.Close()
		waiting.Wait()
		if passed := time.Since(begun); passed != 0 {
			t.Errorf("closing took %s", passed)
		}
		time.Sleep(time.Hour)
		wantUndecided(t, a, rsaOne().sign(nil, fresh()))
		f.wantAsked(t, 1)
	})
}

// TestVerifiedTokensEnd: what is remembered of a token lasts neither longer than it nor than its key.
func TestVerifiedTokensEnd(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		_, a := withKnownKeys(t)
		short := rsaOne().sign(nil, claims(object{"exp": time.Now().Add(20 * time.Second).Unix()}))
		want(t, a, bearer(short), "cf")
		time.Sleep(20 * time.Second)
		want(t, a, bearer(short), "cf") // within the leeway
		time.Sleep(time.Second)
		want(t, a, bearer(short), "")
	})
}

// writes answers with raw bytes, with the token of the request where the format has it.
func writes(format string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(buffered, format, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		_ = buffered.Flush()
	}
}

// TestKeyServers has servers that do not answer as they should. Keys that are known stay, and nothing that the servers
// sent is told.
func TestKeyServers(t *testing.T) {
	t.Parallel()
	good := setOf(rsaOne())
	elsewhere := startKeyServer(t, rsaOne())
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		problem string
	}{
		{"status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "the server answered 500"},
		{"not found with keys", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			_, _ = w.Write(good)
		}, "the server answered 404"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "the server answered 302"},
		{"permanent redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusPermanentRedirect)
		}, "the server answered 308"},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[`))
			space := []byte(strings.Repeat(" ", 64<<10))
			for range 64 {
				if _, err := w.Write(space); err != nil {
					return
				}
			}
			_, _ = w.Write([]byte("]}"))
		}, "larger than 1 MiB"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10000")
			_, _ = w.Write(good)
		}, "unexpected EOF"},
		{"empty", func(http.ResponseWriter, *http.Request) {}, "not a JSON Web Key Set"},
		{"HTML", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "not a JSON Web Key Set"},
		{"no keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) }, "no key that tokens"},
		{"a discovery document", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"issuer":"x"}`) }, "no key that tokens"},
		{"too many", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{}`+strings.Repeat(",{}", 128)+`]}`)
		}, "more than 128 keys"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"a malformed status", writes("HTTP/1.1 %s\r\n\r\n"), "malformed HTTP status code"},
		{"a malformed header", writes("HTTP/1.1 200 OK\r\nX-%s\r\n\r\n"), "malformed"},
		{"a malformed chunk", writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n"), "reading the key set"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, r := startKeyServer(t), new(reports)
			server.handle(test.handler)
			rule := server.rule(nil)
			rule.Keys.Report = r.add
			rule.Keys.Token = func() (string, error) { return "topsecret", nil }
			a := withTokens(t, rule)
			wantUndecided(t, a, rsaOne().sign(nil, claims(nil)))
			if got := r.last(); got.Err == nil || !strings.Contains(got.Err.Error(), test.problem) {
				t.Errorf("got %v, want %q in it", got.Err, test.problem)
			} else if strings.Contains(got.Err.Error(), "topsecret") {
				t.Errorf("the error repeats what the server sent: %v", got.Err)
			}
			if got := elsewhere.asked.Load(); got != 0 {
				t.Errorf("a redirect was followed")
			}
		})
	}
}

// TestKeysUnderLoad flips the keys while tokens come from many callers at once.
func TestKeysUnderLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, a := withKnownKeys(t)
		pairs := []keyPair{rsaOne(), rsaTwo()}
		tokens := []string{pairs[0].sign(nil, fresh()), pairs[1].sign(nil, fresh())}
		for round := range 20 {
			current := round % 2
			f.keys(pairs[current])
			time.Sleep(20 * time.Minute)
			var callers sync.WaitGroup
			for i := range 12 {
				callers.Go(func() {
					want(t, a, bearer(tokens[current]), "cf")
					forged := pairs[1-current].sign(object{"kid": pairs[current].id, "n": i}, fresh())
					want(t, a, bearer(forged), "")
				})
			}
			callers.Wait()
		}
	})
}

// TestKeyToken: the token is read anew for each fetch.
func TestKeyToken(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		f, r := new(fakeTransport), new(reports)
		var mu sync.Mutex
		var got []string
		f.set(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, r.Header.Get("Authorization"))
			_, _ = w.Write(setOf(rsaOne()))
		})
		rule := fakeRule(f, r)
		tokens := []string{"one", "two", "", "th ree", "f\nour"}
		rule.Keys.Token = func() (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(tokens) == 0 {
				return "", errors.New("no such file")
			}
			token := tokens[0]
			tokens = tokens[1:]
			return token, nil
		}
		a := withTokens(t, rule)
		synctest.Wait()
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if strings.Join(got, ",") != "Bearer one,Bearer two" {
			t.Errorf("sent: %q", got)
		}
		mu.Unlock()
		time.Sleep(time.Hour)
		synctest.Wait()
		var problems []string
		for _, report := range r.all[2:6] {
			problems = append(problems, fmt.Sprint(report.Err))
		}
		said := strings.Join(problems, "\n")
		if strings.Count(said, "jwks_token is empty or holds") != 3 || strings.Count(said, "no such file") != 1 ||
			strings.Contains(said, "ree") || strings.Contains(said, "our") {
			t.Errorf("the problems are %q", problems)
		}
		want(t, a, bearer(rsaOne().sign(nil, fresh())), "cf")
	})
}

// TestKeyFileChanges reads a file again, and keeps what it knows when the file is broken.
func TestKeyFileChanges(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		file, r := filepath.Join(t.TempDir(), "key.pem"), new(reports)
		write := func(content []byte) {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		of := func(k keyPair) []byte {
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: mustPKIX(t, k)})
		}
		write(of(rsaOne()))
		rule := fakeRule(nil, r)
		rule.Keys.URL, rule.Keys.Transport, rule.Keys.File = "", nil, file
		a := withTokens(t, rule)
		want(t, a, bearer(rsaOne().sign(nil, fresh())), "cf")
		write(of(rsaTwo()))
		time.Sleep(2 * time.Minute)
		want(t, a, bearer(rsaOne().sign(nil, fresh())), "")
		want(t, a, bearer(rsaTwo().sign(nil, fresh())), "cf")
		write([]byte("broken"))
		time.Sleep(2 * time.Minute)
		if r.last().Err == nil {
			t.Error("nothing is said of a broken file")
		}
		want(t, a, bearer(rsaTwo().sign(nil, fresh())), "cf")
	})
}
