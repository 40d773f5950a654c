package answers_test

import (
	"fmt"
	"strings"
)

// relayedAnswers are odd answers that are the platform's to judge, byte for byte.
func relayedAnswers() []misbehaviour {
	const ok = "HTTP/1.1 200 OK\r\n"
	large := `{"x":"` + strings.Repeat("x", maxResponseBytes-8) + `"}`
	all := []misbehaviour{
		{
			name: "headers",
			script: says(reply("200 OK", strings.Join([]string{
				"content-type: application/json; charset=utf-8", "Server: inner/1.0", "Set-Cookie: inner=1", "set-cookie: b=inner",
				"WWW-Authenticate: Basic realm=inner", "Via: 1.1 inner", "Alt-Svc: h2=\"inner:1\"",
				"Strict-Transport-Security: max-age=1; inner", "Connection: keep-alive, X-Hop", "X-Hop: inner",
				"Keep-Alive: timeout=5", "Proxy-Authenticate: Basic realm=inner", "Retry-After: 120", "X-Custom: one",
				"X-Custom: two", "X-Empty:", "ETag: W/\"1\"",
				"Cache-Control: no-cache", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "Upgrade: inner",
			}, "\n"), "{}")),
			want: relayed(200, strings.Join([]string{
				"Content-Type: application/json; charset=utf-8", "Retry-After: 120", "X-Custom: one", "X-Custom: two",
				"ETag: W/\"1\"", "Cache-Control: no-cache", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "Set-Cookie:",
				"WWW-Authenticate:", "Alt-Svc:", "Strict-Transport-Security:", "X-Hop:", "Keep-Alive:",
			}, "\n"), "{}"),
			without: []string{"inner"},
		},
		{
			name: "trailers",
			script: says(ok + "Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n2\r\n{}\r\n0\r\nX-Late: inner\r\n" +
				"Set-Cookie: inner\r\n\r\n"),
			want: relayed(200, "Trailer:\nX-Late:", "{}"), without: []string{"inner"},
		},
		{
			name: "interim answers",
			script: says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
				"HTTP/1.1 103 Early Hints\r\nLink: </inner>\r\n\r\n" + reply("200 OK", jsonType, "{}")),
			want: relayed(200, jsonType, "{}"), without: []string{"inner"},
		},
		{name: "no type", script: says(reply("200 OK", "", "{}")), want: relayed(200, "Content-Type:", "{}")},
		{
			name: "no type of an error", script: says(reply("400 Bad Request", "", `{"description":"no"}`)),
			want: relayed(400, "Content-Type:", `{"description":"no"}`),
		},
		{
			name: "another type of an error", script: says(reply("400 Bad Request", "Content-Type: text/html", `{"a":1}`)),
			want: relayed(400, "Content-Type: text/html", `{"a":1}`),
		},
		{name: "the largest", script: says(reply("200 OK", jsonType, large)), want: relayed(200, jsonType, large)},
		{
			name:   "chunks",
			script: says(ok + "Transfer-Encoding: chunked\r\n\r\n" + chunks(large, 777)),
			want:   relayed(200, fmt.Sprintf("Content-Length: %d", len(large)), large),
		},
		{
			name: "more than its length", script: saysAndCloses(ok + "Content-Length: 2\r\n\r\n{}garbage"),
			want: relayed(200, "", "{}"),
		},
		{
			name: "another answer behind", script: saysAndCloses(reply("200 OK", "", "{}") + reply("200 OK", "", "[]")),
			want: relayed(200, "", "{}"),
		},
		{
			name:   "gzip that nobody asked for",
			script: says(reply("200 OK", jsonType+"\nContent-Encoding: gzip", gzipped("{}"))),
			want:   relayed(200, jsonType+"\nContent-Encoding: gzip", gzipped("{}")),
		},
		{
			name: "error in gzip",
			script: says(reply("422 Unprocessable Entity", jsonType+"\nContent-Encoding: gzip",
				gzipped(`{"error":"AsyncRequired"}`))),
			want: relayed(422, "Content-Encoding: gzip", gzipped(`{"error":"AsyncRequired"}`)),
		},
		{
			name: "a status nobody knows", script: says(reply("799 Odd", jsonType, "{}")),
			want: relayed(799, jsonType, "{}"), doubt: true,
		},
		{name: "206", script: says(reply("206 Partial Content", jsonType, "{}")), want: relayed(206, "", "{}"), doubt: true},
		{
			name: "a body that is no object", script: says(reply("200 OK", "Content-Type: text/html", html)),
			want: relayed(200, "Content-Type: text/html", html), doubt: true,
		},
		{
			name: "a body cut by its own length", script: says(reply("200 OK", jsonType, `{"dashboard_url":"ht`)),
			want: relayed(200, jsonType, `{"dashboard_url":"ht`), doubt: true,
		},
	}
	const okOld = "HTTP/1.0 200 OK\r\n"
	for name, text := range map[string]string{
		"HTTP/1.0":               okOld + jsonType + "\r\nContent-Length: 2\r\n\r\n{}",
		"to the end of HTTP/1.0": okOld + jsonType + "\r\n\r\n{}",
		"to the end of HTTP/1.1": ok + jsonType + "\r\n\r\n{}",
		"closing":                ok + jsonType + "\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
	} {
		all = append(all, misbehaviour{name: name, script: saysAndCloses(text), want: relayed(200, jsonType, "{}")})
	}
	// After these the gateway may keep the connection, and so the broker does: a call of another test that went out on it
	// while it is closed would be lost.
	for name, text := range map[string]string{
		"HTTP/1.0 that stays open":   okOld + jsonType + "\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
		"bare line feeds":            "HTTP/1.1 200 OK\n" + jsonType + "\nContent-Length: 2\n\n{}",
		"the same length twice":      ok + jsonType + "\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"no reason":                  "HTTP/1.1 200\r\n" + jsonType + "\r\nContent-Length: 2\r\n\r\n{}",
		"white space in the headers": ok + "Content-Type: \t application/json \t\r\nContent-Length:  2 \r\n\r\n{}",
	} {
		all = append(all, misbehaviour{name: name, script: says(text), want: relayed(200, jsonType, "{}")})
	}
	const number = `{"a":12345678901234567890,"b":1e-400,"a":"<&>\u003c","credentials":{"port":0.10},"z":null} ` + "\n"
	for _, status := range []int{
		200, 201, 202, 400, 403, 404, 408, 409, 410, 412, 422, 429, 500, 501, 502, 503, 504, 599,
	} {
		all = append(all, misbehaviour{
			name:   fmt.Sprintf("bytes with %d", status),
			script: says(reply(fmt.Sprintf("%d Reason", status), jsonType+"\nRetry-After: 3", number)),
			want:   relayed(status, jsonType+"\nRetry-After: 3", number),
			doubt:  status == 408 || status > 501,
		})
	}
	return all
}
