package answers_test

import (
	"fmt"
	"io"
	"net"
	"strings"
)

const (
	jsonType = "Content-Type: application/json"
	html     = "<html><body>secret inner workings</body></html>"
)

// replacedAnswers are answers that the platform does not get to see.
func replacedAnswers() []misbehaviour {
	var all []misbehaviour
	for _, status := range []string{"401 Unauthorized", "407 Proxy Authentication Required"} {
		all = append(all, misbehaviour{
			name: status[:3],
			script: says(reply(status, jsonType+"\nWWW-Authenticate: Basic realm=inner\nProxy-Authenticate: Basic realm=inner",
				`{"description":"inner words"}`)),
			want: replaced(backendFailed), without: []string{"inner"}, logs: "credentials",
		})
	}
	for _, status := range []string{
		"300 Multiple Choices", "301 Moved Permanently", "302 Found", "303 See Other", "304 Not Modified",
		"307 Temporary Redirect", "308 Permanent Redirect",
	} {
		all = append(all, misbehaviour{
			name:   status[:3],
			script: says(reply(status, "Location: http://127.0.0.1:1/inner\nETag: \"inner\"", "")),
			want:   replaced(backendFailed), doubt: true, without: []string{"Location", "inner"},
		})
	}
	for status, doubt := range map[string]bool{
		"400 Bad Request": false, "403 Forbidden": false, "404 Not Found": false, "408 Request Timeout": true,
		"409 Conflict": false, "410 Gone": false, "412 Precondition Failed": false, "422 Unprocessable Entity": false,
		"429 Too Many Requests": false, "500 Internal Server Error": false, "501 Not Implemented": false,
		"502 Bad Gateway": true, "503 Service Unavailable": true, "504 Gateway Timeout": true,
	} {
		want := own{code: "BackendFailed"}
		_, _ = fmt.Sscan(status, &want.status)
		all = append(all, misbehaviour{
			name: "HTML with " + status[:3], script: says(reply(status, "Content-Type: text/html\nX-Inner: yes", html)),
			want: replaced(want), doubt: doubt, without: []string{"html", "inner", "X-Inner"}, logs: "secret inner workings",
		})
		if want.status != 410 {
			all = append(all, misbehaviour{
				name: "empty " + status[:3], script: says(reply(status, "", "")), want: replaced(want), doubt: doubt,
			})
		}
		want.retry = true
		all = append(all, misbehaviour{
			name:   "text and Retry-After with " + status[:3],
			script: says(reply(status, "Content-Type: text/plain\nRetry-After: 17", "come back later")),
			want:   replaced(want), doubt: doubt, without: []string{"later"},
		})
	}
	failed := own{status: 500, code: "BackendFailed"}
	for name, body := range map[string]string{
		"array": `["error"]`, "string": `"error"`, "number": "1", "null": "null", "cut object": `{"error":`,
		"two objects": "{}{}", "text behind": "{} x", "white space": " \r\n", "binary": "\x00\xff\x1f\x8b",
	} {
		all = append(all, misbehaviour{
			name: "error with " + name, script: says(reply("500 Internal Server Error", jsonType, body)), want: replaced(failed),
		})
	}
	for name, answer := range map[string]string{
		"gzip of HTML": reply("500 Internal Server Error", "Content-Encoding: gzip", gzipped(html)),
		"gzip cut":     reply("500 Internal Server Error", "Content-Encoding: gzip", gzipped("{}")[:12]),
		"br":           reply("500 Internal Server Error", "Content-Encoding: br", "{}"),
	} {
		all = append(all, misbehaviour{
			name: "error in " + name, script: says(answer), want: replaced(failed), without: []string{"Content-Encoding"},
		})
	}
	return all
}

// emptyAnswers are answers without a body.
func emptyAnswers() []misbehaviour {
	object := relayed(200, jsonType+"\nContent-Length: 2\nContent-Encoding:", "{}")
	filled := map[string]outcome{"deprovision": object, "update": object}
	empty := relayed(200, "Content-Length: 0", "")
	gone := object
	gone.status = 410
	return []misbehaviour{
		{
			name: "204", script: says(reply("204 No Content", "X-Custom: kept", "")),
			want: relayed(204, "X-Custom: kept\nContent-Length:\nContent-Type:", ""), doubt: true,
		},
		{name: "empty 200", script: says(reply("200 OK", "", "")), want: empty, on: filled, doubt: true},
		{
			name: "empty 200 of HTML", script: says(reply("200 OK", "Content-Type: text/html", "")),
			want: empty, on: filled, doubt: true,
		},
		{
			name: "empty 200 in gzip", script: says(reply("200 OK", "Content-Encoding: gzip", "")),
			want: empty, on: filled, doubt: true,
		},
		{
			name: "empty 200 in chunks", script: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
			want: empty, on: filled, doubt: true,
		},
		{
			name: "empty 200 to the end of the connection", script: saysAndCloses("HTTP/1.1 200 OK\r\n\r\n"),
			want: empty, on: filled, doubt: true,
		},
		{
			name: "empty 201", script: says(reply("201 Created", "", "")),
			want: relayed(201, "Content-Length: 0", ""), doubt: true,
		},
		{
			name: "empty 202", script: says(reply("202 Accepted", "Retry-After: 9", "")),
			want: relayed(202, "Content-Length: 0\nRetry-After: 9", ""), doubt: true,
		},
		{name: "empty 410", script: says(reply("410 Gone", "", "")), want: gone},
		{name: "empty 410 of HTML", script: says(reply("410 Gone", "Content-Type: text/html", "")), want: gone},
		{name: "empty 410 in gzip", script: says(reply("410 Gone", "Content-Encoding: gzip", "")), want: gone},
		{
			name: "empty 410 to the end of the connection", script: saysAndCloses("HTTP/1.0 410 Gone\r\n\r\n"), want: gone,
		},
	}
}

// lostAnswers are answers that do not come, or not whole.
func lostAnswers() []misbehaviour {
	lost := func(name string, s script) misbehaviour {
		return misbehaviour{
			name: name, script: s, want: replaced(backendFailed), doubt: true, again: true, logs: "a backend failed a call",
		}
	}
	unfit := func(name string, s script) misbehaviour {
		m := lost(name, s)
		m.again = false // another answer would be no better
		return m
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	tooLong := strings.Repeat(" ", maxResponseBytes-1) + "{}"
	all := []misbehaviour{
		lost("reset", func(c *net.TCPConn, _ rawRequest) bool {
			_ = c.SetLinger(0) // closing sends a reset
			return false
		}),
		lost("reset within the answer", func(c *net.TCPConn, _ rawRequest) bool {
			write(c, ok+"Content-Length: 100\r\n\r\n{")
			_ = c.SetLinger(0)
			return false
		}),
		unfit("endless", endless(ok+"\r\n{}")),
		unfit("endless in chunks", endlessly(
			ok+"Transfer-Encoding: chunked\r\n\r\n", "100\r\n"+strings.Repeat(" ", 256)+"\r\n")),
		unfit("a status below 100", saysAndCloses("HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}")),
		unfit("another protocol that nobody asked for", saysAndCloses(
			"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n{}")),
		unfit("endless error", endless("HTTP/1.1 500 Internal Server Error\r\n\r\n{}")),
		lost("endless header", endlessly(ok, "X-Filler: "+strings.Repeat("x", 4096)+"\r\n")),
		lost("endless interim answers", endlessly("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")),
		unfit("too large", says(reply("200 OK", jsonType, tooLong))),
		unfit("too large in chunks", says(ok+"Transfer-Encoding: chunked\r\n\r\n"+chunks(tooLong, 1000))),
	}
	for name, text := range map[string]string{
		"closed":                "",
		"cut status line":       "HTTP/1.1 20",
		"cut header":            ok + "Content-Type: appl",
		"cut body":              ok + "Content-Length: 100\r\n\r\n{}",
		"no body":               ok + "Content-Length: 2\r\n\r\n",
		"cut chunk":             ok + "Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
		"no last chunk":         ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"cut error":             "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{}",
		"only interim answers":  "HTTP/1.1 100 Continue\r\n\r\n",
		"another protocol":      "SSH-2.0-OpenSSH_9.6\r\n",
		"no status":             "HTTP/1.1 OK\r\n\r\n{}",
		"a header without name": ok + ": x\r\nContent-Length: 2\r\n\r\n{}",
		"a line without colon":  ok + "no colon here\r\nContent-Length: 2\r\n\r\n{}",
		"two lengths":           ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
		"a length of no number": ok + "Content-Length: two\r\n\r\n{}",
		"a negative length":     ok + "Content-Length: -2\r\n\r\n{}",
		"unknown coding":        ok + "Transfer-Encoding: rot13\r\n\r\n{}",
		"bad chunk":             ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
	} {
		all = append(all, lost(name, saysAndCloses(text)))
	}
	return all
}

// endless never ends its answer.
func endless(start string) script { return endlessly(start, strings.Repeat(" ", 4096)) }

func endlessly(start, more string) script {
	return func(c *net.TCPConn, _ rawRequest) bool {
		_, err := io.WriteString(c, start)
		for err == nil {
			_, err = io.WriteString(c, more)
		}
		return false
	}
}

// chunks is a body in chunks of a size.
func chunks(body string, size int) string {
	var b strings.Builder
	for ; body != ""; body = body[min(size, len(body)):] {
		part := body[:min(size, len(body))]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
	}
	return b.String() + "0\r\n\r\n"
}

// slowAnswers are those that take longer than the backend's timeout.
func slowAnswers() []misbehaviour {
	var all []misbehaviour
	for name, text := range map[string]string{
		"no answer": "", "slow interim answer": "HTTP/1.1 100 Continue\r\n\r\n", "slow status": "HTTP/1.1 200",
		"slow header": "HTTP/1.1 200 OK\r\nContent-Type: appl", "slow body": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{",
		"slow chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
	} {
		all = append(all, misbehaviour{
			name: name, want: replaced(backendTimeout), doubt: true, slow: true,
			script: func(c *net.TCPConn, _ rawRequest) bool {
				write(c, text)
				_, _ = c.Read(make([]byte, 1)) // until the gateway hangs up
				return false
			},
		})
	}
	return all
}
