package catalogmerge_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

func encode(t testing.TB, c *catalogmerge.Copy) []byte {
	t.Helper()
	data, err := c.Encode()
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return data
}

func decode(t testing.TB, data []byte) *catalogmerge.Copy {
	t.Helper()
	c, err := catalogmerge.DecodeCopy(data)
	if err != nil {
		t.Fatalf("DecodeCopy: %v", err)
	}
	return c
}

// TestEncode pins the encoding: stores hold it, and replicas of different versions read each other's.
func TestEncode(t *testing.T) {
	t.Parallel()
	offering := `{ "id":"a", "name":"<a&b>", "n":18446744073709551617,
"description":"d", "bindable":true, "plans":[{"id":"p","name":"p","description":"d"}]}`
	c := refresh(t, nil, "x", noon, offering, `{}`)
	c = refresh(t, c, "x", noon.Add(1500*time.Millisecond), `{}`)
	want := `{"v":1,"backend":"x","fetched_at":"2031-05-04T12:00:01.5Z","etag":"",` +
		`"offerings":[{"raw":"{ \"id\":\"a\", \"name\":\"<a&b>\", \"n\":18446744073709551617,\n` +
		`\"description\":\"d\", \"bindable\":true, \"plans\":[{\"id\":\"p\",\"name\":\"p\",\"description\":\"d\"}]}",` +
		`"missing_since":"2031-05-04T12:00:01.5Z"}],` +
		`"known":{"offerings":{"a":{"first_seen":"2031-05-04T12:00:00Z","names":{"<a&b>":"2031-05-04T12:00:00Z"}}},` +
		`"plans":{"p":{"offering":"a","first_seen":"2031-05-04T12:00:00Z"}}},` +
		`"problems":[`
	got := string(encode(t, c))
	if diff := cmp.Diff(want, got[:min(len(got), len(want))]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(c, decode(t, []byte(got))); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestUnknownFieldsSurvive(t *testing.T) {
	t.Parallel()
	data := encode(t, refresh(t, nil, "x", noon, service("a", "a", "p")))
	newer := strings.Replace(string(data), `{"v":1,`, `{"zeta":[18446744073709551617,"<"],"v":1,"ETAG":"other",`, 1)
	c := decode(t, []byte(newer))
	if c.ETag != "" {
		t.Errorf("got ETag %q from a field that only looks like it", c.ETag)
	}
	c = refresh(t, c, "x", noon.Add(time.Minute), service("b", "b", "q"))
	c = touch(c, noon.Add(2*time.Minute))
	got := string(encode(t, c))
	if want := `,"ETAG":"other","zeta":[18446744073709551617,"<"]}`; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want the end %s", got, want)
	}
	if diff := cmp.Diff(c, decode(t, []byte(got))); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeCopyRefuses(t *testing.T) {
	t.Parallel()
	good := string(encode(t, refresh(t, nil, "x", noon, service("a", "a", "p"))))
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, with, 1)
	}
	tests := []struct{ name, data, want string }{
		{"nothing", ``, "unexpected end"},
		{"null", `null`, "v is missing"},
		{"an array", `[]`, "cannot unmarshal"},
		{"a newer version", replace(`"v":1`, `"v":2`), "version 2"},
		{"no backend", replace(`"backend":"x",`, ``), "backend is missing"},
		{"a wrong type", replace(`"etag":""`, `"etag":1`), "reading etag"},
		{"a cut offering", replace(`}]}"}]`, `"}]`), "not JSON"},
		{"an offering without id", replace(`\"id\":\"a\",`, ``), "lacks an id or a name"},
		{"a plan without name", replace(`\"id\":\"p\",\"name\":\"p\",`, `\"id\":\"p\",`), "lacks an id or a name"},
		{"white space around an offering", replace(`"raw":"{`, `"raw":" {`), "begin and end"},
		{"an offering that is a number", `{"v":1,"backend":"x","fetched_at":"2031-05-04T12:00:00Z","etag":"",` +
			`"offerings":[{"raw":"1"}],"known":{"offerings":{},"plans":{}},"problems":[]}`, "lacks an id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := catalogmerge.DecodeCopy([]byte(tt.data))
			if !errors.Is(err, catalogmerge.ErrBadCopy) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestDecodeCopyOutlivesRules: an offering that was published under looser rules stays published.
func TestDecodeCopyOutlivesRules(t *testing.T) {
	t.Parallel()
	data := string(encode(t, refresh(t, nil, "x", noon, service("a", "a", "p"))))
	c := decode(t, []byte(strings.Replace(data, `\"bindable\":true`, `\"bindable\":1`, 1)))
	if got := len(c.Offerings); got != 1 {
		t.Fatalf("got %d offerings, want 1", got)
	}
}

// TestCopyWithDoubles: a copy that somebody else wrote, with offerings that claim the same, leads to no catalog with
// doubles.
func TestCopyWithDoubles(t *testing.T) {
	t.Parallel()
	data := string(encode(t, refresh(t, nil, "x", noon, service("a", "a", "p"), service("b", "b", "q"))))
	for _, change := range [][2]string{
		{`\"id\":\"b\"`, `\"id\":\"a\"`},
		{`\"name\":\"b\"`, `\"name\":\"a\"`},
		{`\"id\":\"q\"`, `\"id\":\"p\"`},
	} {
		c := decode(t, []byte(strings.Replace(data, change[0], change[1], 1)))
		if got := len(c.Offerings); got != 2 {
			t.Fatalf("%s: the copy holds %d offerings, want 2", change[1], got)
		}
		if got := publishedIDs(merge([]*catalogmerge.Copy{c})); len(got) != 1 || got[0] != "x:a" {
			t.Errorf("%s: merged to %v", change[1], got)
		}
		if next := refresh(t, c, "x", noon.Add(time.Minute)); len(next.Offerings) != 1 || next.Offerings[0].ID != "a" {
			t.Errorf("%s: refreshed to %q", change[1], raws(next.Offerings))
		}
	}
}

// TestEncodePolicies pins how what came with policies is encoded: in a field of its own at the top, which versions that
// do not know it carry along.
func TestEncodePolicies(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{Exclude: append(all("two"), some("one", "b")...), NamespaceIDs: true, Prefix: "x-"}
	c := refreshWith(t, nil, "x", policy, noon, service("1", "one", "a", "b"), service("2", "two", "c"))
	data := string(encode(t, c))
	want := `"known":{"offerings":{"1":{"names":{"x-one":"2031-05-04T12:00:00Z"}},"2":{}},` +
		`"plans":{"a":{"offering":"1"},"b":{"offering":"1"},"c":{"offering":"2"}}},"problems":[],` +
		`"exposures":{"offerings":{` +
		`"1":{"mapped_since":"2031-05-04T12:00:00Z","withheld":true,"own_names":["one"]},` +
		`"2":{"withheld":true,"own_names":["two"]}},` +
		`"plans":{"a":{"mapped_since":"2031-05-04T12:00:00Z","withheld":true},"b":{"withheld":true},"c":{"withheld":true}}}}`
	if got := data[max(0, len(data)-len(want)):]; got != want {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
	}
	if diff := cmp.Diff(c, decode(t, []byte(data))); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
	plain := refresh(t, nil, "x", noon, service("1", "one", "a"))
	if data := string(encode(t, plain)); strings.Contains(data, "exposures") || strings.Contains(data, "mapped") {
		t.Errorf("without a policy: %s", data)
	}
}

// TestOlderVersionsCarryExposures: a version that knows nothing of policies writes the copy anew. It knows the fields
// that it had, and carries what else it finds at the top.
func TestOlderVersionsCarryExposures(t *testing.T) {
	t.Parallel()
	policy := &catalogmerge.Policy{NamespaceIDs: true, Prefix: "x-"}
	c := refreshWith(t, nil, "x", policy, noon, service("1", "one", "a"))
	var top map[string]json.RawMessage
	if err := json.Unmarshal(encode(t, c), &top); err != nil {
		t.Fatal(err)
	}
	// Meanwhile it showed the ids and the name as they are, and a new offering.
	top["known"] = json.RawMessage(`{"offerings":{
		"1":{"first_seen":"2031-05-04T12:05:00Z","names":{"x-one":"2031-05-04T12:00:00Z","one":"2031-05-04T12:05:00Z"}},
		"2":{"first_seen":"2031-05-04T12:05:00Z","names":{"two":"2031-05-04T12:05:00Z"}}},
		"plans":{"a":{"offering":"1","first_seen":"2031-05-04T12:05:00Z"},"b":{"offering":"2","first_seen":"2031-05-04T12:05:00Z"}}}`)
	data, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	next := refreshWith(t, decode(t, data), "x", policy, noon.Add(time.Hour), service("1", "one", "a"), service("2", "two", "b"))
	later := noon.Add(5 * time.Minute)
	want := map[string]catalogmerge.KnownOffering{
		"1": {
			FirstSeen: later, Names: map[string]time.Time{"x-one": noon, "one": later},
			Exposure: catalogmerge.Exposure{MappedSince: noon, Withheld: true},
		},
		"2": {
			FirstSeen: later, Names: map[string]time.Time{"two": later, "x-two": noon.Add(time.Hour)},
			Exposure: catalogmerge.Exposure{MappedSince: noon.Add(time.Hour)},
		},
	}
	if diff := cmp.Diff(want, next.Known.Offerings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// It was shown as it is after all, so that the plain id is no less this backend's than another's.
	merged := merge([]*catalogmerge.Copy{next, refresh(t, nil, "y", noon, service("1", "one", "a"))})
	if got := find(merged.OfferingOwner, "1"); !got.Ambiguous {
		t.Errorf("the id is that of %v", got)
	}

	// A copy from before there were policies has no such field.
	delete(top, "exposures")
	if data, err = json.Marshal(top); err != nil {
		t.Fatal(err)
	}
	old := decode(t, data)
	if got := old.Known.Offerings["1"]; got.Withheld || !got.MappedSince.IsZero() || len(got.OwnNames) > 0 {
		t.Errorf("an old copy knows %+v", got)
	}
}

func TestDecodeExposuresRefuses(t *testing.T) {
	t.Parallel()
	data := string(encode(t, refresh(t, nil, "x", noon, service("1", "one", "a"))))
	bad := strings.TrimSuffix(data, "}") + `,"exposures":{"offerings":[]}}`
	if _, err := catalogmerge.DecodeCopy([]byte(bad)); !errors.Is(err, catalogmerge.ErrBadCopy) ||
		!strings.Contains(err.Error(), "reading exposures") {
		t.Errorf("got error %v", err)
	}
	// What only the field knows is known: nothing that ever was shown is forgotten.
	c := decode(t, []byte(strings.TrimSuffix(data, "}")+
		`,"exposures":{"offerings":{"2":{"mapped_since":"2031-05-04T12:00:00Z"}},"plans":{"b":{"withheld":true}}}}`))
	if got := find(merge([]*catalogmerge.Copy{c}).OfferingOwner, "2"); got != (lookup{"x", false, true}) {
		t.Errorf("the id is that of %v", got)
	}
}
