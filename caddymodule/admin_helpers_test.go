package caddymodule_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// admin is the admin API of the gateways that run in this process, served as Caddy's admin endpoint does.
type admin struct{ url string }

func startAdmin(t *testing.T) *admin {
	t.Helper()
	module, err := caddy.GetModule("admin.api.osb_gateway")
	if err != nil {
		t.Fatal(err)
	}
	router, ok := module.New().(caddy.AdminRouter)
	if !ok {
		t.Fatalf("%T is no router", module.New())
	}
	mux := http.NewServeMux()
	for _, route := range router.Routes() {
		mux.HandleFunc(route.Pattern, func(w http.ResponseWriter, r *http.Request) {
			err := route.Handler.ServeHTTP(w, r)
			if err == nil {
				return
			}
			var failed caddy.APIError
			if !errors.As(err, &failed) {
				t.Errorf("%s %s: %v is no error of the API", r.Method, r.RequestURI, err)
			}
			w.WriteHeader(failed.HTTPStatus)
			_, _ = io.WriteString(w, failed.Err.Error())
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &admin{url: server.URL}
}

// try asks for something and returns the answer.
func (a *admin) try(t *testing.T, method, target string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = strings.TrimPrefix(a.url, "http:") + target
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response, string(content)
}

// ask asks for something, wants this status, and returns the answer, decoded if it is JSON.
func (a *admin) ask(t *testing.T, want int, method, target string) (map[string]any, string) {
	t.Helper()
	response, content := a.try(t, method, target) //nolint:bodyclose // try read and closed it
	if response.StatusCode != want {
		t.Fatalf("%s %s: got %d %s, want %d", method, target, response.StatusCode, content, want)
	}
	if want != http.StatusOK {
		return nil, content
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(content), &answer); err != nil {
		t.Fatalf("%s %s: %v: %s", method, target, err, content)
	}
	return answer, content
}

// at follows a path of names and numbers into decoded JSON.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			object, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%v: %v is no object", path, value)
			}
			if value, ok = object[key]; !ok {
				t.Fatalf("%v: there is no %s in %v", path, key, object)
			}
		case int:
			list, ok := value.([]any)
			if !ok || key >= len(list) {
				t.Fatalf("%v: there is no %d in %v", path, key, value)
			}
			value = list[key]
		}
	}
	return value
}

// wantAt compares what is found on a path.
func wantAt(t *testing.T, value, want any, path ...any) {
	t.Helper()
	if got := at(t, value, path...); got != want {
		t.Errorf("%v is %v, want %v", path, got, want)
	}
}
