package answers_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"
)

// TestBodies covers what is decided by the body and the query before any record is looked at.
func TestBodies(t *testing.T) {
	t.Parallel()
	e := startEstate(t)
	e.makeInstance(t, "bodies", e.one)
	t.Run("refused", func(t *testing.T) { testBadBodies(t, e) })
	t.Run("forwarded", func(t *testing.T) { testGoodBodies(t, e) })
	t.Run("encoding", func(t *testing.T) { testEncodings(t, e) })
	t.Run("size", func(t *testing.T) { testSizes(t, e) })
	t.Run("query", func(t *testing.T) { testQueries(t, e) })
	t.Run("new instance", func(t *testing.T) { testNewInstance(t, e) })
}

// withBodies are the calls whose body is read, on an instance that broker one has.
func withBodies() []call {
	var found []call
	for _, c := range calls {
		if c.body != "" {
			found = append(found, c)
		}
	}
	return found
}

func testBadBodies(t *testing.T, e *estate) {
	t.Parallel()
	const ids = `"service_id":"alpha-id","plan_id":"alpha-small"`
	for name, body := range map[string]string{
		"none":                       "",
		"white space":                "  \r\n",
		"no JSON":                    "service_id=alpha-id",
		"an array":                   "[{" + ids + "}]",
		"a string":                   `"alpha-id"`,
		"null":                       "null",
		"cut short":                  "{" + ids,
		"something behind":           "{" + ids + "}{}",
		"a comma too many":           "{" + ids + ",}",
		"single quotes":              `{'service_id':'alpha-id'}`,
		"not UTF-8":                  "{" + ids + ",\"x\":\"\xff\"}",
		"a byte order mark":          "\ufeff{" + ids + "}",
		"service_id twice":           `{"service_id":"alpha-id",` + ids + "}",
		"service_id twice, escaped":  `{"\u0073ervice_id":"gamma-id",` + ids + "}",
		"any name twice":             `{"x":1,"x":1,` + ids + "}",
		"context twice":              `{"context":{},"context":{},` + ids + "}",
		"twice in the context":       `{"context":{"platform":"a","platform":"b"},` + ids + "}",
		"twice in previous_values":   `{"previous_values":{"plan_id":"a","plan_id":"b"},` + ids + "}",
		"service_id in another case": `{"Service_ID":"gamma-id",` + ids + "}",
		"previous plan in capitals":  `{"previous_values":{"PLAN_ID":"a"},` + ids + "}",
		"service_id a number":        `{"service_id":7,"plan_id":"alpha-small"}`,
		"service_id an object":       `{"service_id":{},"plan_id":"alpha-small"}`,
		"plan_id an array":           `{"service_id":"alpha-id","plan_id":["alpha-small"]}`,
		"plan_id a boolean":          `{"service_id":"alpha-id","plan_id":true}`,
		"previous service a number":  `{"previous_values":{"service_id":1},` + ids + "}",
		"service_id with a NUL":      `{"service_id":"alpha-id\u0000","plan_id":"alpha-small"}`,
		"service_id with a newline":  `{"service_id":"alpha-id\n","plan_id":"alpha-small"}`,
		"plan_id too long":           `{"service_id":"alpha-id","plan_id":"` + strings.Repeat("p", 1025) + `"}`,
		"nested too deep": "{" + ids + `,"parameters":` + strings.Repeat("[", 1<<13) + "1" + strings.Repeat("]", 1<<12) +
			"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range withBodies() {
				r := c.on("bodies")
				r.body = body
				e.refuses(t, r, badRequest)
			}
		})
	}
}

// What the gateway does not read, or may be read in one way only, is for the broker to judge, byte for byte.
func testGoodBodies(t *testing.T, e *estate) {
	t.Parallel()
	const ids = `"service_id":"alpha-id","plan_id":"alpha-small"`
	for name, body := range map[string]string{
		"white space": " {\n\t" + ids + "\r\n} \n",
		"escapes":     `{"\u0073ervice_id":"\u0061lpha-id","plan_id":"alpha\u002dsmall"}`,
		"numbers": "{" + ids + `,"parameters":{"big":12345678901234567890,"small":-0.0000000000000000000001e-400,` +
			`"exact":0.1000000000000000055511151231257827021181583404541015625,"zero":1.0}}`,
		"names twice in parameters": "{" + ids + `,"parameters":{"a":1,"a":2,"A":3}}`,
		"context in another case": "{" + ids + `,"context":{"Platform":"x","platform":"y","PLATFORM":1,` +
			`"Organization_GUID":"o"}}`,
		"context of another type": "{" + ids + `,"context":"none","previous_values":[1]}`,
		"nulls":                   "{" + ids + `,"parameters":null,"context":null,"previous_values":null,"x":null}`,
		"unknown fields":          "{" + ids + `,"x-vendor":{"<&>":"\u003c"},"b":[],"a":{}}`,
		"deep, but not too deep": "{" + ids + `,"parameters":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) +
			"}",
		"every kind of text": "{" + ids + `,"x":"\"\\\/\b\f\n\r\t ü \ud83d\ude00 😀 ` + "\u2028" + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range withBodies() {
				r := c.on("bodies")
				r.body = body
				_, identity := do(t, e.Gateway, r)
				got := e.one.gotIdentity(identity)
				if len(got) != 1 || got[0].Body != body {
					t.Errorf("%s: got %q at the broker, want once %q", c.name, got, body)
				}
			}
		})
	}
	// A body on a call that has none by the specification goes on too, unread.
	for _, c := range calls {
		if c.body != "" {
			continue
		}
		t.Run("on "+c.name, func(t *testing.T) {
			t.Parallel()
			r := c.withHint("bodies", "alpha-id", "alpha-small")
			r.target = strings.Replace(r.target, "/service_bindings/b", "/service_bindings/"+c.name, 1)
			if c.deletes && !c.binding || c.poll {
				// One of its own: a delete ends it, and a poll is sent twice when another call changes the record meanwhile.
				id := "bodies-" + c.name
				e.makeInstance(t, id, e.one)
				r.target = strings.Replace(r.target, "bodies", id, 1)
			}
			r.body = "any bytes \xff at all"
			_, got := e.relays(t, r, e.one, 200)
			if got.Body != r.body {
				t.Errorf("got %q at the broker, want %q", got.Body, r.body)
			}
		})
	}
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func testEncodings(t *testing.T, e *estate) {
	t.Parallel()
	const ids = `{"service_id":"alpha-id","plan_id":"alpha-small"}`
	var deflated bytes.Buffer
	w := zlib.NewWriter(&deflated)
	_, _ = w.Write([]byte(ids))
	_ = w.Close()
	for name, test := range map[string]struct {
		header, body string
		want         own // the zero value: it is forwarded
	}{
		"gzip":                    {"Content-Encoding: gzip", gzipped(ids), own{}},
		"gzip in another case":    {"content-encoding: GZip", gzipped(ids), own{}},
		"x-gzip":                  {"Content-Encoding: x-gzip", gzipped(ids), own{}},
		"gzip in two members":     {"Content-Encoding: gzip", gzipped(ids[:9]) + gzipped(ids[9:]), own{}},
		"gzip in chunks":          {"Content-Encoding: gzip\nTransfer-Encoding: chunked", gzipped(ids), own{}},
		"identity":                {"Content-Encoding: identity", ids, own{}},
		"deflate":                 {"Content-Encoding: deflate", deflated.String(), unsupportedEncoding},
		"br":                      {"Content-Encoding: br", ids, unsupportedEncoding},
		"zstd":                    {"Content-Encoding: zstd", ids, unsupportedEncoding},
		"unknown":                 {"Content-Encoding: rot13", ids, unsupportedEncoding},
		"two encodings":           {"Content-Encoding: gzip, gzip", gzipped(gzipped(ids)), unsupportedEncoding},
		"two headers":             {"Content-Encoding: gzip\nContent-Encoding: gzip", gzipped(ids), unsupportedEncoding},
		"identity and gzip":       {"Content-Encoding: identity, gzip", gzipped(ids), unsupportedEncoding},
		"gzip that is none":       {"Content-Encoding: gzip", ids, badRequest},
		"gzip cut short":          {"Content-Encoding: gzip", gzipped(ids)[:30], badRequest},
		"gzip with a wrong sum":   {"Content-Encoding: gzip", gzipped(ids)[:len(gzipped(ids))-8] + "12345678", badRequest},
		"gzip of nothing":         {"Content-Encoding: gzip", gzipped(""), badRequest},
		"gzip without a body":     {"Content-Encoding: gzip", "", badRequest},
		"gzip of no JSON":         {"Content-Encoding: gzip", gzipped("x"), badRequest},
		"gzip of duplicate names": {"Content-Encoding: gzip", gzipped(`{"x":1,"x":1}`), badRequest},
		"gzip of too much": {
			"Content-Encoding: gzip",
			gzipped(`{"x":"` + strings.Repeat("x", maxRequestBytes) + `"}`), tooLarge,
		},
		"not gzip though it says nothing": {"", gzipped(ids), badRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range withBodies() {
				r := c.on("bodies")
				r.header, r.body = test.header, test.body
				if test.want != (own{}) {
					e.refuses(t, r, test.want)
					continue
				}
				_, identity := do(t, e.Gateway, r)
				got := e.one.gotIdentity(identity)
				if len(got) != 1 {
					t.Errorf("%s reached the broker %d times, want once", c.name, len(got))
					continue
				}
				_, encoding, _ := strings.Cut(strings.Split(test.header, "\n")[0], ": ")
				if got[0].Body != test.body || got[0].Header.Get("Content-Encoding") != encoding {
					t.Errorf("%s: got %q in encoding %q, want %q in %q", c.name, got[0].Body,
						got[0].Header.Get("Content-Encoding"), test.body, encoding)
				}
			}
		})
	}
}

func testSizes(t *testing.T, e *estate) {
	t.Parallel()
	sized := func(size int) string {
		const start, end = `{"service_id":"alpha-id","plan_id":"alpha-small","x":"`, `"}`
		return start + strings.Repeat("x", size-len(start)-len(end)) + end
	}
	for framing, header := range map[string]string{"length": "", "chunks": "Transfer-Encoding: chunked"} {
		t.Run("largest by "+framing, func(t *testing.T) {
			t.Parallel()
			for _, c := range withBodies() {
				r := c.on("bodies")
				r.header, r.body = header, sized(maxRequestBytes)
				_, identity := do(t, e.Gateway, r)
				if got := e.one.gotIdentity(identity); len(got) != 1 || got[0].Body != r.body {
					t.Errorf("%s reached the broker %d times, want once and whole", c.name, len(got))
				}
			}
		})
		t.Run("too large by "+framing, func(t *testing.T) {
			t.Parallel()
			for _, c := range calls {
				r := c.on("bodies")
				r.header, r.body = header, sized(maxRequestBytes+1)
				e.refuses(t, r, tooLarge)
			}
		})
	}
	// The rest of the connection must not be reset under an answer that came before the body was read.
	t.Run("refused unread", func(t *testing.T) {
		t.Parallel()
		r := provision("bodies", "")
		r.body = sized(200 << 10)
		for range 5 {
			e.refuses(t, r.as("-"), unauthorized)
			e.refuses(t, request{method: "PUT", target: "/v2/nothing", body: r.body}, notFound)
			e.refuses(t, r, tooLarge)
		}
	})
	t.Run("too large, and not sent yet", func(t *testing.T) {
		t.Parallel()
		r := provision("bodies", "")
		r.body, r.header = "", fmt.Sprintf("Expect: 100-continue\nContent-Length: %d", 1<<30)
		e.refuses(t, r, tooLarge)
	})
}

func testQueries(t *testing.T, e *estate) {
	t.Parallel()
	for name, query := range map[string]string{
		"service_id twice":          "service_id=alpha-id&service_id=alpha-id",
		"service_id twice, escaped": "service_id=alpha-id&%73ervice_id=gamma-id",
		"plan_id twice":             "plan_id=&plan_id=alpha-small",
		"operation twice":           "operation=a&operation=b",
		"a broken escape":           "service_id=%zz",
		"half an escape":            "plan_id=alpha%2",
		"a control character":       "service_id=alpha%00id",
		"a line feed":               "plan_id=%0A",
		"not UTF-8":                 "service_id=%ff",
		"too long":                  "service_id=" + strings.Repeat("s", 1025),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range calls {
				r := c.on("bodies")
				r.target += "?" + query
				e.refuses(t, r, badRequest)
			}
		})
	}
	// Another call that changes the record would have a poll sent twice.
	e.makeInstance(t, "bodies-polled", e.one)
	for name, query := range map[string]string{
		"an opaque operation":   "operation=a%26b%3Dc+d%20e%2Bf%C3%BC&service_id=alpha-id",
		"order and unknown":     "z=1&service_id=alpha-id&a=2&a=3&&=&last_poll_time=1700000000",
		"separators":            "service_id=alpha-id;plan_id=x&plan_id=alpha-small",
		"broken where not read": "x=%zz&y=%&service_id=alpha-id",
		"another case":          "SERVICE_ID=gamma-id&Service_id=x&service_id=alpha-id",
		"a long operation":      "service_id=alpha-id&operation=" + strings.Repeat("o", 30_000),
		"a question mark":       "service_id=alpha-id&x=?y?z/.../%2e%2e",
		"odd characters":        `service_id=alpha-id&x={"a":[1]}|^` + "`",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := instancePath("bodies-polled", "/last_operation?"+query)
			if _, got := e.relays(t, request{method: "GET", target: target}, e.one, 200); got.Target != target {
				t.Errorf("got target %q at the broker, want %q", got.Target, target)
			}
		})
	}
}

// The ids of a new instance have to be those of the catalog.
func testNewInstance(t *testing.T, e *estate) {
	t.Parallel()
	for name, members := range map[string]string{
		"no ids":                    ``,
		"no service_id":             `"plan_id":"alpha-small"`,
		"empty service_id":          `"service_id":"","plan_id":"alpha-small"`,
		"service_id null":           `"service_id":null,"plan_id":"alpha-small"`,
		"unknown service_id":        `"service_id":"nothing","plan_id":"alpha-small"`,
		"service_id by name":        `"service_id":"alpha","plan_id":"alpha-small"`,
		"no plan_id":                `"service_id":"alpha-id"`,
		"empty plan_id":             `"service_id":"alpha-id","plan_id":""`,
		"unknown plan_id":           `"service_id":"alpha-id","plan_id":"nothing"`,
		"plan of another offering":  `"service_id":"alpha-id","plan_id":"beta-small"`,
		"plan of another broker":    `"service_id":"alpha-id","plan_id":"gamma-small"`,
		"ids in another case":       `"service_id":"Alpha-ID","plan_id":"alpha-small"`,
		"ids with white space":      `"service_id":"alpha-id ","plan_id":"alpha-small"`,
		"service_id deep inside":    `"parameters":{"service_id":"alpha-id"},"plan_id":"alpha-small"`,
		"service_id of an earlier":  `"previous_values":{"service_id":"alpha-id"},"plan_id":"alpha-small"`,
		"service_id in the context": `"context":{"service_id":"alpha-id","plan_id":"alpha-small"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, user := range []string{"", rejectUser} {
				e.refuses(t, provision("bodies-new", members).as(user), badRequest)
			}
		})
	}
	t.Run("ids in the query count too", func(t *testing.T) {
		t.Parallel()
		r := provision("bodies-query", "")
		r.target += "?service_id=alpha-id&plan_id=alpha-small"
		e.relays(t, r, e.one, 201)
	})
}
