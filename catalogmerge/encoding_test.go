package catalogmerge_test

import (
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
