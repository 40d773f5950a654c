package osb_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// pathOf writes a path anew, in another spelling than a platform may have chosen.
func pathOf(p osb.Path) string {
	instance, binding := url.PathEscape(p.Instance), url.PathEscape(p.Binding)
	switch p.Operation {
	case osb.Catalog:
		return "/v2/catalog"
	case osb.Provision, osb.FetchInstance, osb.Update, osb.Deprovision:
		return "/v2/service_instances/" + instance
	case osb.PollInstance:
		return "/v2/service_instances/" + instance + "/last_operation"
	case osb.Bind, osb.FetchBinding, osb.Unbind:
		return "/v2/service_instances/" + instance + "/service_bindings/" + binding
	case osb.PollBinding:
		return "/v2/service_instances/" + instance + "/service_bindings/" + binding + "/last_operation"
	case osb.GetState, osb.SetState:
		return "/bluemix_v1/service_instances/" + instance
	default:
		return ""
	}
}

func FuzzParsePath(f *testing.F) {
	for _, path := range []string{
		"/v2/catalog", "/v2/service_instances/i", "/v2/service_instances/i/last_operation",
		"/v2/service_instances/" + crnEscaped + "/service_bindings/" + keyCRNEscaped + "/",
		"/v2/service_instances/last_operation/service_bindings/service_bindings/last_operation",
		"/bluemix_v1/service_instances/%7Binstance_id%7D", "/v2/service_instances/%2e%2E", "/v2/./catalog", "//v2/x",
		"/v2/service_instances/a%2F..%2Fb", "/v2/service_instances/%C3%BC%zz", "/v2/service_instances/a|b", "*",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead} {
			f.Add(method, path)
		}
	}
	f.Fuzz(func(t *testing.T, method, escapedPath string) {
		got, err := osb.ParsePath(method, escapedPath)
		if err != nil {
			if got != (osb.Path{}) {
				t.Fatalf("got %+v beside the error %v", got, err)
			}
			return
		}
		if got.Escaped != escapedPath {
			t.Fatalf("got the escaped path %q, want %q", got.Escaped, escapedPath)
		}
		checkPathIDs(t, got)

		unescaped, err := url.PathUnescape(escapedPath)
		if err != nil {
			t.Fatalf("the path cannot be unescaped: %v", err)
		}
		for segment := range strings.SplitSeq(unescaped, "/") {
			if segment == "." || segment == ".." {
				t.Fatalf("the path stands for %q, which has a dot segment", unescaped)
			}
		}
		if parsed, err := url.ParseRequestURI(escapedPath); err != nil || osb.EscapedPath(parsed) != escapedPath {
			t.Fatalf("net/http would not have kept the path: %v (error %v)", parsed, err)
		}

		again, err := osb.ParsePath(method, pathOf(got))
		if err != nil {
			t.Fatalf("parsing the rebuilt path %q: %v", pathOf(got), err)
		}
		if again.Escaped = got.Escaped; again != got {
			t.Fatalf("the rebuilt path is %+v, want %+v", again, got)
		}
	})
}

func checkPathIDs(t *testing.T, p osb.Path) {
	t.Helper()
	if p.Operation == osb.Unknown {
		t.Fatal("got no operation and no error")
	}
	if (p.Instance == "") != (p.Operation == osb.Catalog) || (p.Binding == "") == p.Operation.OnBinding() {
		t.Fatalf("got the ids %q and %q for the operation %v", p.Instance, p.Binding, p.Operation)
	}
	for _, id := range []string{p.Instance, p.Binding} {
		if id == "." || id == ".." || len(id) > 1024 || !utf8.ValidString(id) ||
			strings.ContainsFunc(id, unicode.IsControl) {
			t.Fatalf("got the id %q", id)
		}
	}
}
