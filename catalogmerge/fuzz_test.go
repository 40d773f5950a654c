package catalogmerge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// seeds are bodies for the fuzzers to begin with.
func seeds(t testing.TB) [][]byte {
	a, b := service("a", "alpha", "p/small", "p2/large"), service("b", "beta", "q")
	client := `"dashboard_client":{"id":"c","secret":"s","redirect_uri":"u"}`
	return [][]byte{
		readTestdata(t, "database.json"),
		readTestdata(t, "queue.json"),
		body(),
		body(a, b),
		body(b, a),
		body(with(a, client), with(b, client)),
		body(service("b", "alpha", "r"), service("c", "beta", "p")),
		body(service("a", "beta", "q"), service("b", "alpha", "p")),
		body(strings.Replace(a, `"id":"a",`, ``, 1), strings.Replace(b, "true", "null", 1)),
		body(with(a, `"id":"a"`), `null`, `[[[]]]`, `{"plans":[{}]}`),
		body(strings.ReplaceAll(a, "alpha", `\ud83d\ude00\u0000`), strings.ReplaceAll(b, "beta", `\udc00`)),
		[]byte(`{"services":[{"id":"` + "\xff" + `"}],"services":[]}`),
		body(ofSchema(draft4Schema(`"allOf":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"type":"object"}}`))),
		body(ofPlan(`"maintenance_info":{"version":"1.0.0-rc.1+7"},"maximum_polling_duration":60,"Free":null`)),
		body(with(a, `"Name":"x","Tags":["a"],"metadata":{"shareable":true,"x":1e308}`)),
		[]byte(`{"services":null}`),
		[]byte("\xef\xbb\xbf{}"),
		[]byte(``),
	}
}

// FuzzMerge merges two arbitrary catalogs: nothing is lost, doubled or changed.
func FuzzMerge(f *testing.F) {
	bodies := seeds(f)
	for i, one := range bodies {
		f.Add(one, bodies[(i+1)%len(bodies)], false)
		f.Add(one, bodies[len(bodies)-1-i], true)
	}
	f.Fuzz(func(t *testing.T, one, two []byte, secondIsOlder bool) {
		times := [2]time.Time{noon, noon}
		if secondIsOlder {
			times[1] = noon.Add(-time.Hour)
		}
		copies := make([]*catalogmerge.Copy, 2)
		for i, b := range [][]byte{one, two} {
			c, err := refreshed(nil, []string{"one", "two"}[i], b, "", times[i])
			if err != nil {
				continue
			}
			checkRefreshed(t, c, b)
			copies[i] = c
		}
		c := checkAccepted(t, copies)

		// The same copies from a store give the same catalog.
		for i := range copies {
			if copies[i] != nil {
				copies[i] = decode(t, encode(t, copies[i]))
			}
		}
		if stored := merge(copies); string(stored.Body) != string(c.Body) || stored.ETag != c.ETag {
			t.Errorf("from the store: got\n%s\nwant\n%s", stored.Body, c.Body)
		}

		// A platform could read the merged catalog as that of one broker, and so can Refresh.
		again, err := refreshed(nil, "merged", c.Body, "", noon)
		if err != nil {
			t.Fatalf("the merged catalog is none: %v", err)
		}
		if problems := hardOf(again.Problems); len(problems) > 0 {
			t.Errorf("the merged catalog has problems: %v\n%s", problems, c.Body)
		}
		if body := merge([]*catalogmerge.Copy{again}).Body; string(body) != string(c.Body) {
			t.Errorf("merged again: got\n%s\nwant\n%s", body, c.Body)
		}
	})
}

// FuzzRefresh reads three arbitrary answers of one backend, one after the other.
func FuzzRefresh(f *testing.F) {
	bodies := seeds(f)
	for i, b := range bodies {
		f.Add(b, bodies[(i+3)%len(bodies)], bodies[(i+7)%len(bodies)], `"v1"`, 5*60)
		f.Add(bodies[3], b, bodies[6], "\x00", 600)
	}
	f.Fuzz(func(t *testing.T, one, two, three []byte, etag string, stepSeconds int) {
		step := time.Duration(max(1, stepSeconds%3600)) * time.Second
		var previous *catalogmerge.Copy
		now := noon
		for _, b := range [][]byte{one, two, three} {
			now = now.Add(step)
			c, err := refreshed(previous, "x", b, etag, now)
			if err != nil {
				if !errors.Is(err, catalogmerge.ErrNoCatalog) || c != nil {
					t.Fatalf("got %v, %v", c, err)
				}
				continue
			}
			checkFollows(t, previous, c, b, etag, now)
			previous = c
		}
	})
}

// FuzzSchema checks an arbitrary schema: what is said of it does not change, and what is published is accepted.
func FuzzSchema(f *testing.F) {
	for _, members := range []string{
		`"type":"object","properties":{"a":{"type":"string","pattern":"^a|b$"}},"required":["a"]`,
		`"$ref":"/#definitions/a"`,
		`"$ref":"#/definitions/a","definitions":{"a":{"not":{"$ref":"#/definitions/b"}},"b":{"anyOf":[{},{"$ref":"#"}]}}`,
		`"id":"https://x.example/","properties":{"a":{"id":"a"},"b":{"$ref":"a"},"c":{"$ref":"#/no"}},"extends":"a"`,
		`"items":[{"enum":[1,1.0,null]}],"additionalItems":false,"dependencies":{"a":["b"],"c":{"$schema":"x"}}`,
		`"minimum":1e-400,"exclusiveMinimum":true,"multipleOf":0.1,"maxLength":1e2,"uniqueItems":true,"title":"<&>"`,
		`"patternProperties":{"(":{}},"oneOf":[{"type":["string","null"]}],"type":"date","Properties":{"x":"\ud800"}`,
	} {
		f.Add([]byte(draft4Schema(members)))
		f.Add([]byte(strings.Replace(draft4Schema(members), "-04", "-06", 1)))
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		if !json.Valid(schema) {
			return
		}
		answer := body(ofSchema(string(schema)))
		c, err := refreshed(nil, "x", answer, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		checkRefreshed(t, c, answer)
		checkAccepted(t, []*catalogmerge.Copy{c})
		// Other bytes of the same schema are not found among those that were checked.
		if end := bytes.LastIndexByte(schema, '}'); end > 0 {
			again := refresh(t, nil, "x", noon, ofSchema(string(schema[:end])+" "+string(schema[end:])))
			if diff := cmp.Diff(c.Problems, again.Problems); diff != "" {
				t.Errorf("(-first +second):\n%s", diff)
			}
		}
	})
}
