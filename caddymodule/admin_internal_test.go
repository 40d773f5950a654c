package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// FuzzAdminPath: a path is refused with an error of the API, or names exactly the instance that it was made from.
func FuzzAdminPath(f *testing.F) {
	for _, seed := range []string{
		"", "/", "/osb_gateway", "/osb_gateway/", "/osb_gateway/instances/i", "/osb_gateway/instances/a%2Fb%3A%3A",
		"/osb_gateway/instances/%", "/osb_gateway/instances/a/b", "/osb_gateway/store/accept", "/osb_gatewayx",
		"/osb_gateway/backends/a%20b/accept", "//", "/osb_gateway//instances//i",
	} {
		f.Add(seed, "id=x&gateway=g")
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		request, err := parseAdmin(text, query)
		var refused caddy.APIError
		switch {
		case err != nil && (!errors.As(err, &refused) || refused.HTTPStatus/100 != 4):
			t.Errorf("%q: got %v, want a refusal", text, err)
		case err == nil && len(request.verbs) == 0:
			t.Errorf("%q: nothing can be done with it", text)
		}
		if text == "" {
			return
		}
		for _, made := range []struct{ path, query string }{
			{adminPath + "/instances/" + url.PathEscape(text), ""},
			{adminPath + "/instances", "id=" + url.QueryEscape(text)},
			{adminPath + "/instances/", "gateway=g&id=" + url.QueryEscape(text)},
		} {
			request, err := parseAdmin(made.path, made.query)
			if err != nil || request.instance != routing.InstanceID(text) {
				t.Errorf("%q: %v gives %v and %v", text, made, request, err)
			}
		}
		request, err = parseAdmin(adminPath+"/backends/"+url.PathEscape(text)+"/accept", "")
		if err != nil || request.backend != text || request.verbs[http.MethodPost] == nil {
			t.Errorf("the backend %q: got %v and %v", text, request, err)
		}
	})
}

// TestDescribe: a store is described without its secrets.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for want, store := range map[string]storeSettings{
		"/data/x.db":                       {Kind: "file", Path: "/data/x.db"},
		"in memory, gone with the process": {Kind: "memory"},
		"at h:1, db 3, keys osb:g":         {Addresses: []string{"h:1"}, DB: 3, Password: "secret"},
		"at h:2, db 5, keys osb:g":         {URL: "redis://user:secret@h:2/5?password=secret"},
		"at its URL, db 0, keys osb:g":     {URL: "redis://user:secret@h:2\x00/5"},
		"cluster at h:1, h:2, keys osb:g":  {Addresses: []string{"h:1", "h:2"}, Cluster: true},
		"master m, by sentinels at h:1, h:2, db 0, keys osb:g": {
			Addresses: []string{"h:1", "h:2"}, SentinelMaster: "m", SentinelPassword: "secret",
		},
	} {
		if store.Kind == "" {
			store.Kind, store.KeyPrefix, store.Gateway = "redis", "osb", "g"
		}
		if got := store.describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestOutage: since when the store does not answer.
func TestOutage(t *testing.T) {
	t.Parallel()
	var o outage
	down := errors.New("down")
	check := func(when string, want bool) time.Time {
		t.Helper()
		since := o.since()
		if since.IsZero() == want {
			t.Errorf("%s it is down since %v", when, since)
		}
		return since
	}
	check("at first", false)
	o.note(down)
	began := check("after a failure", true)
	o.note(down)
	if again := check("after another failure", true); again != began {
		t.Errorf("it was down since %v and is since %v", began, again)
	}
	o.note(routing.ErrUnknownStore)
	check("after an answer of a store that is not known", false)
	o.note(nil)
	check("after an answer", false)
}

var updateGolden = flag.Bool("update-status", false, "rewrite the golden file of the status")

// fullStatus has a value in every field of a status.
func fullStatus() *statusView {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	key := routing.Key{Instance: "crn:v1:x:a/1::", Binding: "b"}
	view := viewCensus(routing.Census{
		Instances: map[routing.State]int{routing.Ready: 2}, Bindings: map[routing.State]int{routing.Gone: 1},
		Owners:      []routing.OwnerCount{{Platform: "cf", Backend: "db", PlatformKnown: true, Live: 2, Gone: 1}},
		OtherOwners: 1,
		Strays: routing.Findings[routing.StrayFinding]{Count: 1, Examples: []routing.StrayFinding{
			{Key: key, Owner: "db", Strays: []routing.Stray{{Backend: "other", Life: "l"}}},
		}},
		Leftovers: routing.Findings[routing.LeftoverFinding]{Count: 1, Examples: []routing.LeftoverFinding{
			{Key: key, Backend: "db", Reason: routing.LeftoverInstanceGone},
		}},
		Unfinished: routing.Findings[routing.UnfinishedFinding]{Count: 1, Examples: []routing.UnfinishedFinding{
			{Key: key, Backend: "db", State: routing.Creating, Kind: routing.KindCreate, Since: routing.At(at)},
		}},
		Unreadable: routing.Findings[routing.UnreadableFinding]{Count: 1, Examples: []routing.UnreadableFinding{
			{Key: key, Newer: true, Problem: "newer"},
		}},
	}, "cut short")
	view.NamesNotConfigured = []missingName{
		{Kind: "backend", ID: "db", Names: []string{"db", "sql"}, LastSeen: "2026-11-19", Live: 2, Gone: 1},
	}
	return &statusView{Gateways: []*gatewayView{{
		Name: "default", Ready: true, NamesRegistered: true,
		Store: storeView{
			Kind: "redis", Description: "at redis:6379, db 0, keys osb:default", Error: "connection refused", DownSince: &at,
			Identity: identityView{ID: "a", Found: "b", Unmarked: 1, Parts: 256, Trouble: "wiped"},
		},
		Cache: routing.CacheStatus{Enabled: true, Ready: true, Entries: 1, Capacity: 2, Hits: 3, Misses: 4, Invalidations: 5, Outdated: 6},
		Queue: queueView{
			Waiting: 1, Capacity: 10_000, OldestAgeSeconds: 1.5, Retries: 2, Dropped: 3, LastError: "connection refused",
		},
		Platforms: []platformView{{Name: "cf", ID: "pcf", Formerly: []string{"pcf"}}},
		Backends: []backendView{{
			Name: "db", ID: "sql", Formerly: []string{"sql"}, Suspect: true,
			Catalog:  catalogView{Known: true, FetchedAt: &at, AgeSeconds: 2.5, Error: "timeout"},
			InFlight: 3, MaxInFlight: 256, Breaker: breakerView{State: backend.BreakerOpen, Failures: 5, RetryAt: &at},
			Credentials: credentialsView{Kind: "oauth2", ExpiresAt: &at, Error: "fetching a token: 503"},
		}},
		Records: view,
	}}}
}

// TestStatusJSON: the names of the fields are an interface, and docs/admin.md explains each of them.
func TestStatusJSON(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(fullStatus()); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "admin", "status.json")
	if *updateGolden {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the status has become\n%s", got.String())
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "admin.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fieldNames(reflect.TypeFor[statusView](), reflect.TypeFor[shownInstance](),
		reflect.TypeFor[forgottenInstance](), reflect.TypeFor[acceptedStore](), reflect.TypeFor[acceptedBackend]()) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/admin.md does not explain the field `%s`", name)
		}
	}
}

// fieldNames are the JSON names of all fields of types and of what they hold.
func fieldNames(types ...reflect.Type) []string {
	var names []string
	seen := make(map[reflect.Type]bool)
	for len(types) > 0 {
		next := types[0]
		types = types[1:]
		switch next.Kind() {
		case reflect.Pointer, reflect.Slice:
			types = append(types, next.Elem())
		case reflect.Struct:
			if seen[next] || next == reflect.TypeFor[time.Time]() {
				continue
			}
			seen[next] = true
			for field := range next.Fields() {
				if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
					names = append(names, name)
				}
				types = append(types, field.Type)
			}
		default:
		}
	}
	return names
}

// TestPrintStatus prints a status that has something of everything.
func TestPrintStatus(t *testing.T) {
	t.Parallel()
	answer, err := json.Marshal(fullStatus())
	if err != nil {
		t.Fatal(err)
	}
	var printed bytes.Buffer
	if err := printStatus(&printed, answer); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "admin", "status.txt")
	if *updateGolden {
		if err := os.WriteFile(golden, printed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if printed.String() != string(want) {
		t.Errorf("it prints\n%s", printed.String())
	}
	for _, foreign := range []string{"", "{}", "[]", "<html>"} {
		if err := printStatus(&printed, []byte(foreign)); !errors.Is(err, errForeignAnswer) {
			t.Errorf("%q: got %v", foreign, err)
		}
	}
}

// TestPrintable: what comes from elsewhere does not move the cursor.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"é/日本 \"": "é/日本 \"", "a\x1b[2Jb": `a\x1b[2Jb`, "a\tb\n": `a\tb\n`} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %q, want %q", text, got, want)
		}
	}
}
