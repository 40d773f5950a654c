package backend_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
)

func TestBodyGoesDownByteForByte(t *testing.T) {
	t.Parallel()
	type seen struct {
		Body   string
		Length int64
		Coding []string
	}
	got := make(chan seen, 1)
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{string(body), r.ContentLength, r.TransferEncoding}
	})
	b := newBackend(t, address)
	for _, body := range []string{"", "{}", `{"a" : 12345678901234567890, "<>&é": null}` + "\n", strings.Repeat("x", 1<<20)} {
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			r := backend.Request{Method: method, Path: "/v2/service_instances/i", Body: []byte(body)}
			if _, err := b.Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(seen{Body: body, Length: int64(len(body))}, <-got); diff != "" {
				t.Errorf("%s: body at the broker (-want +got):\n%s", method, diff)
			}
		}
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(`{"state":"succeeded"}`))
	_ = w.Close()

	for name, test := range map[string]struct {
		method string
		answer string
		want   backend.Response
	}{
		"header filtered": {
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: nginx\r\nSet-Cookie: a=b\r\nSet-Cookie2: c=d\r\n" +
				"Via: 1.1 lb\r\nWWW-Authenticate: Basic\r\nAuthentication-Info: nextnonce=\"1\"\r\nAlt-Svc: h2=\":81\"\r\n" +
				"Strict-Transport-Security: max-age=1\r\nClear-Site-Data: \"*\"\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n" +
				"Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nRetry-After: 17\r\nETag: W/\"1\"\r\n" +
				"Content-Type: application/json\r\nX-Twice: 1\r\nX-Twice: 2\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n{}",
			want: backend.Response{Status: 200, Body: []byte("{}"), Header: http.Header{
				"Retry-After": {"17"}, "Etag": {`W/"1"`}, "Content-Type": {"application/json"}, "X-Twice": {"1", "2"},
				"Date": {"Thu, 01 Jan 1970 00:00:00 GMT"},
			}},
		},
		"trailers dropped": {
			answer: "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n",
			want:   backend.Response{Status: 201, Body: []byte("{}"), Header: http.Header{}},
		},
		"informational answers ignored": {
			answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 202 Accepted\r\n" +
				"Content-Length: 2\r\n\r\n{}",
			want: backend.Response{Status: 202, Body: []byte("{}"), Header: http.Header{}},
		},
		"gzip unasked": {
			answer: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + zipped.String(),
			want: backend.Response{
				Status: 200, Body: zipped.Bytes(), Header: http.Header{"Content-Encoding": {"gzip"}},
			},
		},
		"HTTP/1.0": {
			answer: "HTTP/1.0 410 Gone\r\nServer: old\r\n\r\n{}",
			want:   backend.Response{Status: 410, Body: []byte("{}"), Header: http.Header{}},
		},
		"no content": {
			answer: "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
			want:   backend.Response{Status: 204, Header: http.Header{"X-A": {"b"}}},
		},
		"not modified, with a length": {
			answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 999999999\r\nETag: \"a\"\r\n\r\n",
			want:   backend.Response{Status: 304, Header: http.Header{"Etag": {`"a"`}}},
		},
		"HEAD, with a length": {
			method: "HEAD",
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
			want:   backend.Response{Status: 200, Header: http.Header{}},
		},
		"redirect not followed": {
			answer: "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
			want:   backend.Response{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}},
		},
		"unheard-of status": {
			answer: "HTTP/1.1 799 Whatever\r\nContent-Length: 1\r\n\r\n!",
			want:   backend.Response{Status: 799, Body: []byte("!"), Header: http.Header{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveRaw(t, func(_ *rawServer, c *rawConn) {
				if c.ReadRequest() {
					c.Send("%s", test.answer)
				}
			})
			method := test.method
			if method == "" {
				method = "PUT"
			}
			resp, err := newBackend(t, server.URL).Do(t.Context(), backend.Request{Method: method, Path: "/v2/x"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&test.want, resp, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if got := len(server.Requests()); got != 1 {
				t.Errorf("requests: got %d, want 1", got)
			}
		})
	}
}

// Bodies around the sizes at which the buffer grows, with a length and without.
func TestResponseBodiesOfAllSizes(t *testing.T) {
	t.Parallel()
	const most = 200_000
	content := bytes.Repeat([]byte("0123456789"), most/10+1)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		size := len(r.URL.RawQuery)
		if r.Method == "PUT" {
			_ = http.NewResponseController(w).Flush() // makes it chunked
		}
		_, _ = w.Write(content[:size])
	})
	b := newBackend(t, address, func(c *backend.Config) { c.MaxResponseBytes = most })
	for _, size := range []int{0, 1, 1023, 1024, 1025, 65535, 65536, 65537, most - 1, most} {
		for _, method := range []string{"DELETE", "PUT"} {
			r := backend.Request{Method: method, Path: "/", Query: strings.Repeat("x", size)}
			resp, err := b.Do(t.Context(), r)
			if err != nil {
				t.Fatalf("%s of %d bytes: %v", method, size, err)
			}
			if !bytes.Equal(resp.Body, content[:size]) {
				t.Errorf("%s: got %d bytes, want the %d that were sent", method, len(resp.Body), size)
			}
		}
	}
}
