package catalogmerge_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestRejoin: of two copies that do not follow each other, the later one says what there is; what the other one alone
// has stays like something that is missing, and what left does not come back.
func TestRejoin(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	a, b, c, d := service("a", "a", "pa"), service("b", "b", "pb"), service("c", "c", "pc"), service("d", "d", "pd")
	newer := strings.Replace(a, "an offering", "another one", 1)
	broken := strings.Replace(b, `"name":"b",`, "", 1)
	taking := service("e", "b", "pe")
	// steps are the answers that a copy is made of, each with its time in minutes.
	type step struct {
		minute   int
		services []string
	}
	for _, test := range []struct {
		name        string
		stored, own []step
		want        []string
		missing     []string
		known       []string
	}{
		{"the same", []step{{0, []string{a}}}, []step{{1, []string{a}}}, []string{a}, nil, []string{"a"}},
		{"a new version", []step{{0, []string{a}}}, []step{{1, []string{newer}}}, []string{newer}, nil, []string{"a"}},
		{"an old version", []step{{2, []string{a}}}, []step{{1, []string{newer}}}, []string{a}, nil, []string{"a"}},
		{
			"one that is not there now",
			[]step{{0, []string{a, b}}},
			[]step{{1, []string{a, c}}},
			[]string{a, b, c},
			[]string{"b"},
			[]string{"a", "b", "c"},
		},
		{
			"one that is broken now",
			[]step{{0, []string{a, b}}},
			[]step{{1, []string{broken, a}}},
			[]string{a, b},
			[]string{"b"},
			[]string{"a", "b"},
		},
		{
			"one that was withdrawn",
			[]step{{0, []string{a, b}}, {1, []string{a}}, {12, []string{a}}},
			[]step{{13, []string{c}}},
			[]string{a, c},
			[]string{"a"},
			[]string{"a", "b", "c"},
		},
		{
			"one that was withdrawn elsewhere",
			[]step{{0, []string{a, b}}},
			[]step{{1, []string{a, b}}, {2, []string{a}}, {13, []string{a}}},
			[]string{a},
			nil,
			[]string{"a", "b"},
		},
		{
			"one that was missing elsewhere",
			[]step{{0, []string{a}}},
			[]step{{1, []string{a, d}}, {2, []string{a}}},
			[]string{a, d},
			[]string{"d"},
			[]string{"a", "d"},
		},
		{
			"one that takes the name of another",
			[]step{{0, []string{a, b}}},
			[]step{{1, []string{a, taking}}},
			[]string{a, b},
			[]string{"b"},
			[]string{"a", "b", "e"},
		},
		{"nothing now", []step{{0, []string{a}}}, []step{{1, nil}}, []string{a}, []string{"a"}, []string{"a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			made := func(steps []step) *catalogmerge.Copy {
				var c *catalogmerge.Copy
				for _, s := range steps {
					c = refresh(t, c, "x", at(s.minute), s.services...)
				}
				return c
			}
			stored, own := made(test.stored), made(test.own)
			before := []string{string(encode(t, stored)), string(encode(t, own))}
			got, err := catalogmerge.Rejoin(stored, own, fetch(nil, "", time.Time{}))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, []string{string(encode(t, stored)), string(encode(t, own))}); diff != "" {
				t.Errorf("a copy was changed (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, raws(got.Offerings)); diff != "" {
				t.Errorf("offerings (-want +got):\n%s", diff)
			}
			var missing []string
			for _, o := range got.Offerings {
				if !o.MissingSince.IsZero() {
					missing = append(missing, o.ID)
				}
			}
			if diff := cmp.Diff(test.missing, missing); diff != "" {
				t.Errorf("missing ones (-want +got):\n%s", diff)
			}
			if len(got.Known.Offerings) != len(test.known) {
				t.Errorf("got %v, want %v", got.Known.Offerings, test.known)
			}
			checkKnownByBoth(t, got, stored, own)
			again, err := catalogmerge.Rejoin(got, got, fetch(nil, "", time.Time{}))
			if err != nil || !again.Same(got) {
				t.Errorf("a copy and itself give %+v, %v; want %+v", again, err, got)
			}
		})
	}
}

// checkKnownByBoth checks that a copy knows what two others know, each thing since the earlier time.
func checkKnownByBoth(t *testing.T, got, a, b *catalogmerge.Copy) {
	t.Helper()
	older := func(what string, got time.Time, times ...time.Time) {
		t.Helper()
		for _, since := range times {
			if !since.IsZero() && (got.IsZero() || got.After(since)) {
				t.Errorf("%s counts as seen since %s, want %s at the latest", what, got, since)
			}
		}
	}
	for _, from := range []*catalogmerge.Copy{a, b} {
		for id, known := range from.Known.Offerings {
			is, ok := got.Known.Offerings[id]
			if !ok {
				t.Errorf("offering %s is not known", id)
			}
			older("offering "+id, is.FirstSeen, known.FirstSeen)
			older("offering "+id+", mapped,", is.MappedSince, known.MappedSince)
			if is.Withheld && !known.Withheld {
				t.Errorf("offering %s counts as never shown as it is", id)
			}
			for name, since := range known.Names {
				shown, ok := is.Names[name]
				if !ok {
					t.Errorf("offering %s lost its name %s", id, name)
				}
				older("name "+name+" of "+id, shown, since)
			}
			for _, name := range known.OwnNames {
				_, shown := is.Names[name]
				if held := strings.Contains(strings.Join(is.OwnNames, " "), name); held == shown {
					t.Errorf("offering %s has %v and %v, want %s in one of them", id, is.Names, is.OwnNames, name)
				}
			}
		}
		for id, known := range from.Known.Plans {
			is, ok := got.Known.Plans[id]
			if !ok || is.Offering == "" {
				t.Errorf("plan %s is known: %t, of %q", id, ok, is.Offering)
			}
			older("plan "+id, is.FirstSeen, known.FirstSeen)
			older("plan "+id+", mapped,", is.MappedSince, known.MappedSince)
			if is.Withheld && !known.Withheld {
				t.Errorf("plan %s counts as never shown as it is", id)
			}
		}
	}
}

// TestRejoinRandom: whatever two copies are like, and under whatever policies they were made, nothing that either knows
// is lost, and the result can be stored.
func TestRejoinRandom(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 17))
	ids := []string{"a", "b", "c", "d"}
	policies := []catalogmerge.Policy{
		{},
		{NamespaceIDs: true},
		{Prefix: "p-"},
		{Exclude: all("a", "n-b")},
		{Rename: map[string]string{"n-c": "x"}},
		{Exclude: some("n-d", "plan-a")},
	}
	made := func() *catalogmerge.Copy {
		var c *catalogmerge.Copy
		for i := range 1 + random.IntN(4) {
			var services []string
			for _, id := range ids {
				switch random.IntN(4) {
				case 0:
				case 1:
					services = append(services, strings.Replace(service(id, "n-"+id, "plan-"+id), "true", "1", 1))
				default:
					services = append(services, service(id, "n-"+ids[random.IntN(len(ids))], "plan-"+ids[random.IntN(len(ids))]))
				}
			}
			f := fetch(body(services...), "", noon.Add(time.Duration(random.IntN(4)+7*i)*time.Minute))
			f.Policy = &policies[random.IntN(len(policies))]
			next, err := catalogmerge.Refresh(c, "x", f)
			if err != nil {
				t.Fatal(err)
			}
			c = next
		}
		return c
	}
	for range 2000 {
		stored, own := made(), made()
		f := fetch(nil, "", time.Time{})
		f.Policy = &policies[random.IntN(len(policies))]
		got, err := catalogmerge.Rejoin(stored, own, f)
		if err != nil {
			t.Fatal(err)
		}
		checkKnownByBoth(t, got, stored, own)
		if again := decode(t, encode(t, got)); !again.Same(got) {
			t.Fatalf("read from the store it is\n%+v\nwant\n%+v", again, got)
		}
		if t.Failed() {
			t.Fatalf("stored:\n%s\nown:\n%s\ngot:\n%s", encode(t, stored), encode(t, own), encode(t, got))
		}
	}
}
