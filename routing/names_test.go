package routing_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// called names one thing with its former names.
func called(name string, formerly ...string) routing.NamedNow {
	return routing.NamedNow{Name: name, Formerly: formerly}
}

// entry makes an entry of a registry that has these names, the present one last.
func entry(names ...string) routing.Named {
	return routing.Named{Names: names, FirstSeen: "2026-11-01", LastSeen: "2026-11-20"}
}

func TestResolveNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		section    routing.NameSection
		configured []routing.NamedNow
		want       []routing.StableIDs
	}{
		"new":              {configured: []routing.NamedNow{called("a")}, want: []routing.StableIDs{{"a"}}},
		"new with formers": {configured: []routing.NamedNow{called("c", "a", "b")}, want: []routing.StableIDs{{"a", "b", "c"}}},
		"known": {
			section: routing.NameSection{"a": entry("a")}, configured: []routing.NamedNow{called("a")},
			want: []routing.StableIDs{{"a"}},
		},
		"renamed": {
			section: routing.NameSection{"a": entry("a")}, configured: []routing.NamedNow{called("b", "a")},
			want: []routing.StableIDs{{"a", "b"}},
		},
		"renamed from the second of two": {
			section: routing.NameSection{"a": entry("a")}, configured: []routing.NamedNow{called("b", "z", "a")},
			want: []routing.StableIDs{{"a", "z", "b"}},
		},
		"renamed earlier, formerly dropped": {
			section: routing.NameSection{"a": entry("a", "b")}, configured: []routing.NamedNow{called("b")},
			want: []routing.StableIDs{{"a", "b"}},
		},
		"renamed back": {
			section: routing.NameSection{"a": entry("a", "b")}, configured: []routing.NamedNow{called("a")},
			want: []routing.StableIDs{{"a"}},
		},
		"formerly added after the new name was used": {
			section: routing.NameSection{"a": entry("a"), "b": entry("b")}, configured: []routing.NamedNow{called("b", "a")},
			want: []routing.StableIDs{{"b", "a"}},
		},
		"two ids of one name": {
			section: routing.NameSection{"a": entry("a", "b"), "b": entry("b")}, configured: []routing.NamedNow{called("b")},
			want: []routing.StableIDs{{"b", "a"}},
		},
		"another takes the old name": {
			section:    routing.NameSection{"a": entry("a", "b")},
			configured: []routing.NamedNow{called("a"), called("b")},
			want:       []routing.StableIDs{{"a~2"}, {"a", "b"}},
		},
		"another had taken the old name": {
			section:    routing.NameSection{"a": entry("a", "b"), "a~2": entry("a")},
			configured: []routing.NamedNow{called("b"), called("a")},
			want:       []routing.StableIDs{{"a", "b"}, {"a~2"}},
		},
		"the other goes, and its name does not fall back": {
			section:    routing.NameSection{"a": entry("a", "b"), "a~2": entry("a")},
			configured: []routing.NamedNow{called("a")},
			want:       []routing.StableIDs{{"a~2", "a"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.section.Resolve(test.configured)
			if difference := cmp.Diff(test.want, got); difference != "" {
				t.Errorf("resolved otherwise (-want +got):\n%s", difference)
			}
		})
	}
}

// registered registers backends one after the other, as configurations come and go.
func registered(t *testing.T, configurations ...[]routing.NamedNow) (*routing.Names, routing.Naming) {
	t.Helper()
	names, naming := new(routing.Names), routing.Naming{}
	for _, backends := range configurations {
		names, naming = names.Register(backends, []routing.NamedNow{called("cf")}, "2026-11-20")
		data, err := names.Encode()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := routing.DecodeNames(data)
		if err != nil {
			t.Fatal(err)
		}
		if difference := cmp.Diff(names, decoded, cmpopts.IgnoreUnexported(routing.Names{}, routing.Named{})); difference != "" {
			t.Fatalf("the registry came back otherwise (-want +got):\n%s", difference)
		}
		if again, _ := decoded.Register(backends, []routing.NamedNow{called("cf")}, "2026-11-20"); again != decoded {
			t.Errorf("the same configuration registers something new: %+v", again)
		}
	}
	return names, naming
}

// TestRegisterNames follows a backend through renamings.
func TestRegisterNames(t *testing.T) {
	t.Parallel()
	one := func(now routing.NamedNow) []routing.NamedNow { return []routing.NamedNow{now} }
	names, naming := registered(t, one(called("old")), one(called("new", "old")), one(called("new")), one(called("newest", "new")),
		one(called("newest")))
	if naming.Backends[0].Primary() != "old" || !slices.Contains(naming.Backends[0], "new") {
		t.Errorf("after all renamings the ids are %q", naming.Backends[0])
	}
	if got := names.Backends["old"].Names; !slices.Equal(got, []string{"old", "new", "newest"}) {
		t.Errorf("the names of the backend are %q", got)
	}
	_, naming = registered(t, one(called("old")), one(called("other")))
	if !slices.Equal(naming.UnnamedBackends, []string{"old"}) || len(naming.UnnamedPlatforms) != 0 {
		t.Errorf("not named are %+v, want old", naming)
	}
	// The recovery of a renaming without formerly: the new name has instances already, and the old ones join them.
	_, naming = registered(t, one(called("old")), one(called("new")), one(called("new", "old")), one(called("new")))
	if !slices.Equal(naming.Backends[0], []string{"new", "old"}) || len(naming.UnnamedBackends) != 0 {
		t.Errorf("after formerly was added and dropped: %+v", naming)
	}
}

// TestLastSeen registers the same names on later days: that is written once a day.
func TestLastSeen(t *testing.T) {
	t.Parallel()
	backends, platforms := []routing.NamedNow{called("a")}, []routing.NamedNow{called("cf")}
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	first, _ := new(routing.Names).Register(backends, platforms, routing.DayOf(noon))
	if same, _ := first.Register(backends, platforms, routing.DayOf(noon.Add(11*time.Hour))); same != first {
		t.Error("a later hour of the day is written")
	}
	later, _ := first.Register(backends, platforms, routing.DayOf(noon.Add(24*time.Hour)))
	if got := later.Backends["a"]; got.FirstSeen != "2026-11-20" || got.LastSeen != "2026-11-21" {
		t.Errorf("seen from %s to %s", got.FirstSeen, got.LastSeen)
	}
	if earlier, _ := later.Register(backends, platforms, "2026-11-19"); earlier != later {
		t.Error("a gateway whose clock is late takes the day back")
	}
	if first.Backends["a"].LastSeen != "2026-11-20" {
		t.Error("registering changed the registry that it began with")
	}
}

func TestNamesOfURLs(t *testing.T) {
	t.Parallel()
	names, _ := registered(t, []routing.NamedNow{called("a")})
	seen := names.SawURL("a", "https://one").SawURL("a", "https://two")
	for url, want := range map[string]bool{"https://one": true, "https://two": true, "https://three": false} {
		if seen.KnowsURL("a", url) != want {
			t.Errorf("%s is known: %t, want %t", url, !want, want)
		}
	}
	doubted := seen.DoubtURL("a", "https://one")
	if doubted.KnowsURL("a", "https://one") || !doubted.KnowsURL("a", "https://two") || !seen.KnowsURL("a", "https://one") {
		t.Error("a URL that is doubted is known, or another one is not, or the registry before was changed")
	}
	if !doubted.SawURL("a", "https://one").KnowsURL("a", "https://one") {
		t.Error("a URL that was doubted and gave a good catalog is not known")
	}
	if doubted.DoubtURL("a", "https://one") != doubted || seen.DoubtURL("nobody", "https://one") != seen {
		t.Error("doubting what is not known makes a new registry")
	}
	if seen.SawURL("a", "https://two") != seen || seen.SawURL("nobody", "https://one") != seen {
		t.Error("nothing new makes a new registry")
	}
	if names.KnowsURL("a", "https://one") {
		t.Error("the registry before was changed")
	}
}

func TestDamagedNames(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		``:                                      "damaged",
		`{}`:                                    "no version",
		`null`:                                  "no version",
		`{"v":2,"backends":[]}`:                 "update the gateway",
		`{"v":1,"backends":[]}`:                 "damaged",
		`{"v":1,"backends":{"a":null}}`:         `the entry "a"`,
		`{"v":1,"backends":{"a":{"names":[]}}}`: "no",
		`{"v":1,"backends":{"":{"names":["a"]}}}`:                                  `the entry ""`,
		`{"v":1,"backends":{"a":{"names":["a"],"first_seen":"x","last_seen":""}}}`: "the day",
		`{"v":1,"platforms":{"a":{"names":[""]}}}`:                                 "empty name",
	} {
		if _, err := routing.DecodeNames([]byte(data)); !errors.Is(err, routing.ErrBadDocument) ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: got the error %v, want one that says %q", data, err, want)
		}
	}
}

// FuzzDecodeNames: what can be read can be resolved, registered, written and read again, with what is not known.
func FuzzDecodeNames(f *testing.F) {
	f.Add([]byte(`{"v":1,"backends":{"a":{"names":["a","b"],"urls":["https://a"],"first_seen":"2026-11-20",` +
		`"last_seen":"2026-11-21","colour":"blue"}},"platforms":{},"shape":"round"}`))
	f.Add([]byte(`{"v":1,"backends":{"a":{"names":["b"],"first_seen":"2026-11-20","last_seen":"2026-11-21"}},"Backends":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := routing.DecodeNames(data)
		if err != nil {
			if !errors.Is(err, routing.ErrBadDocument) {
				t.Fatalf("the error %v is no ErrBadDocument", err)
			}
			return
		}
		next, naming := names.Register([]routing.NamedNow{called("a"), called("b", "c")}, []routing.NamedNow{called("cf")}, "2026-11-21")
		for _, ids := range naming.Backends {
			if len(ids) == 0 {
				t.Fatal("a backend has no id")
			}
		}
		encoded, err := next.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := routing.DecodeNames(encoded)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", encoded, err)
		}
		if difference := cmp.Diff(next, again, cmpopts.IgnoreUnexported(routing.Names{}, routing.Named{}),
			cmpopts.EquateEmpty()); difference != "" {
			t.Errorf("came back otherwise (-want +got):\n%s", difference)
		}
		if same, found := again.Register([]routing.NamedNow{called("a"), called("b", "c")}, []routing.NamedNow{called("cf")},
			"2026-11-21"); same != again || cmp.Diff(found.Backends, naming.Backends) != "" {
			t.Errorf("the names are resolved as %q, and as %q after they were registered", naming.Backends, found.Backends)
		}
	})
}
