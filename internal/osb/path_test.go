package osb_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// Ids of IBM Cloud as they stand in paths, and what they stand for.
const (
	crnEscaped = "crn%3Av1%3Abluemix%3Apublic%3Amydb%3Aus-south%3Aa%2F499b176abb3e1c9727df87ae48b27c7b" +
		"%3A7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7%3A%3A"
	crn = "crn:v1:bluemix:public:mydb:us-south:a/499b176abb3e1c9727df87ae48b27c7b" +
		":7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7::"
	keyCRNEscaped = "crn%3Av1%3Abluemix%3Apublic%3Amydb%3Aus-south%3Aa%2F499b176abb3e1c9727df87ae48b27c7b" +
		"%3A7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7%3Aresource-key%3A92dba2e9-86e7-4bb6-8e9f-b14294a41cbd"
	keyCRN = "crn:v1:bluemix:public:mydb:us-south:a/499b176abb3e1c9727df87ae48b27c7b" +
		":7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7:resource-key:92dba2e9-86e7-4bb6-8e9f-b14294a41cbd"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	const instances = "/v2/service_instances/"
	tests := map[string]struct {
		method, path string
		want         osb.Path // Escaped is filled in
	}{
		"catalog":        {"GET", "/v2/catalog", osb.Path{Operation: osb.Catalog}},
		"provision":      {"PUT", instances + "i", osb.Path{Operation: osb.Provision, Instance: "i"}},
		"fetch instance": {"GET", instances + "i", osb.Path{Operation: osb.FetchInstance, Instance: "i"}},
		"update":         {"PATCH", instances + "i", osb.Path{Operation: osb.Update, Instance: "i"}},
		"deprovision":    {"DELETE", instances + "i", osb.Path{Operation: osb.Deprovision, Instance: "i"}},
		"poll instance": {
			"GET", instances + "i/last_operation",
			osb.Path{Operation: osb.PollInstance, Instance: "i"},
		},
		"bind": {
			"PUT", instances + "i/service_bindings/b",
			osb.Path{Operation: osb.Bind, Instance: "i", Binding: "b"},
		},
		"fetch binding": {
			"GET", instances + "i/service_bindings/b",
			osb.Path{Operation: osb.FetchBinding, Instance: "i", Binding: "b"},
		},
		"unbind": {
			"DELETE", instances + "i/service_bindings/b",
			osb.Path{Operation: osb.Unbind, Instance: "i", Binding: "b"},
		},
		"poll binding": {
			"GET", instances + "i/service_bindings/b/last_operation",
			osb.Path{Operation: osb.PollBinding, Instance: "i", Binding: "b"},
		},
		"get state": {
			"GET", "/bluemix_v1/service_instances/" + crnEscaped,
			osb.Path{Operation: osb.GetState, Instance: crn},
		},
		"set state": {
			"PUT", "/bluemix_v1/service_instances/" + crnEscaped,
			osb.Path{Operation: osb.SetState, Instance: crn},
		},
		"documentation's placeholder for an id": {
			"GET", "/bluemix_v1/service_instances/%7Binstance_id%7D",
			osb.Path{Operation: osb.GetState, Instance: "{instance_id}"},
		},

		"slash behind an instance": {"PUT", instances + "i/", osb.Path{Operation: osb.Provision, Instance: "i"}},
		"slash behind an instance's state": {
			"GET", "/bluemix_v1/service_instances/i/",
			osb.Path{Operation: osb.GetState, Instance: "i"},
		},
		"slash behind a binding": {
			"PUT", instances + crnEscaped + "/service_bindings/" + keyCRNEscaped + "/",
			osb.Path{Operation: osb.Bind, Instance: crn, Binding: keyCRN},
		},

		"instance named last_operation": {
			"GET", instances + "last_operation",
			osb.Path{Operation: osb.FetchInstance, Instance: "last_operation"},
		},
		"poll of an instance named last_operation": {
			"GET", instances + "last_operation/last_operation",
			osb.Path{Operation: osb.PollInstance, Instance: "last_operation"},
		},
		"instance and binding named service_bindings": {
			"GET", instances + "service_bindings/service_bindings/service_bindings",
			osb.Path{Operation: osb.FetchBinding, Instance: "service_bindings", Binding: "service_bindings"},
		},
		"binding named last_operation": {
			"GET", instances + "i/service_bindings/last_operation",
			osb.Path{Operation: osb.FetchBinding, Instance: "i", Binding: "last_operation"},
		},
		"escaped slash before last_operation": {
			"GET", instances + "i%2Flast_operation",
			osb.Path{Operation: osb.FetchInstance, Instance: "i/last_operation"},
		},

		"raw colons":      {"PUT", instances + "crn:v1:x", osb.Path{Operation: osb.Provision, Instance: "crn:v1:x"}},
		"lower-case hex":  {"PUT", instances + "a%2fb%3ac", osb.Path{Operation: osb.Provision, Instance: "a/b:c"}},
		"upper-case hex":  {"PUT", instances + "a%2Fb%3Ac", osb.Path{Operation: osb.Provision, Instance: "a/b:c"}},
		"raw tilde":       {"PUT", instances + "~", osb.Path{Operation: osb.Provision, Instance: "~"}},
		"escaped tilde":   {"PUT", instances + "%7E", osb.Path{Operation: osb.Provision, Instance: "~"}},
		"decoded once":    {"PUT", instances + "%252e%252e", osb.Path{Operation: osb.Provision, Instance: "%2e%2e"}},
		"escaped percent": {"PUT", instances + "100%25", osb.Path{Operation: osb.Provision, Instance: "100%"}},
		"escaped space":   {"PUT", instances + "a%20b", osb.Path{Operation: osb.Provision, Instance: "a b"}},
		"plus is a plus":  {"PUT", instances + "a+b", osb.Path{Operation: osb.Provision, Instance: "a+b"}},
		"UTF-8": {
			"PUT", instances + "gr%C3%BC%C3%9Fe", osb.Path{Operation: osb.Provision, Instance: "grüße"},
		},
		"escaped bar": {"PUT", instances + "a%7Cb", osb.Path{Operation: osb.Provision, Instance: "a|b"}},
		"sub-delims": {
			"PUT", instances + "!$&'()*+,;=:@", osb.Path{Operation: osb.Provision, Instance: "!$&'()*+,;=:@"},
		},
		"dots but no segment": {"PUT", instances + "...", osb.Path{Operation: osb.Provision, Instance: "..."}},
		"dots inside":         {"PUT", instances + "a..b%2F.c", osb.Path{Operation: osb.Provision, Instance: "a..b/.c"}},
		"as long as may be": {
			"PUT", instances + strings.Repeat("a", 1024),
			osb.Path{Operation: osb.Provision, Instance: strings.Repeat("a", 1024)},
		},
		"as long as may be, escaped": {
			"PUT", instances + strings.Repeat("%3A", 1024),
			osb.Path{Operation: osb.Provision, Instance: strings.Repeat(":", 1024)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Escaped = test.path
			got, err := osb.ParsePath(test.method, test.path)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("path differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParsePathNotProtocol(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"", "/", "*", "v2/catalog", "/v1/catalog", "/v2x/catalog", "/V2/catalog", "//v2/catalog", "/./v2/catalog",
		"/%76%32/catalog", "/healthz/live", "/bluemix_v2/service_instances/i", "/a|b",
	} {
		if _, err := osb.ParsePath(http.MethodGet, path); !errors.Is(err, osb.ErrNotProtocol) {
			t.Errorf("path %q: got error %v, want ErrNotProtocol", path, err)
		}
	}
}

func TestParsePathNotFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/v2", "/v2/", "/v2/catalog/", "/v2/catalogs", "/v2/Catalog", "/v2/%63atalog", "/v2/./catalog", "/v2//catalog",
		"/v2/../v2/catalog", "/v2/x/../catalog", "/v2/resource_instances/i", "/bluemix_v1", "/bluemix_v1/catalog",
		"/bluemix_v1/service_instances", "/bluemix_v1/service_instances/", "/bluemix_v1/service_instances/i//",
		"/bluemix_v1/service_instances/i/last_operation", "/v2/service_instances", "/v2/service_instances/",
		"/v2/service_instances//", "/v2/service_instances//last_operation", "/v2/service_instances/i//",
		"/v2/service_instances/i//last_operation", "/v2/service_instances/i/last_operation/",
		"/v2/service_instances/i/last%5Foperation", "/v2/service_instances/i/other", "/v2/service_instances/i/../j",
		"/v2/service_instances/i/service_bindings", "/v2/service_instances/i/service_bindings/",
		"/v2/service_instances/i/service_bindings//", "/v2/service_instances//service_bindings/b",
		"/v2/service_instances/i/service_bindings//last_operation", "/v2/service_instances/i/service_bindings/b//",
		"/v2/service_instances/i/service_bindings/b/last_operation/",
		"/v2/service_instances/i/service_bindings/b/other", "/v2/service_instances/i/service_bindings/b/c/d",
	} {
		_, err := osb.ParsePath(http.MethodGet, path)
		var requestError *osb.RequestError
		if !errors.As(err, &requestError) || requestError.Kind != osb.KindNotFound {
			t.Errorf("path %q: got error %v, want one of kind not found", path, err)
		}
	}
}

func TestParsePathMethodNotAllowed(t *testing.T) {
	t.Parallel()
	methods := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace, "get", "",
	}
	for path, allow := range map[string]string{
		"/v2/catalog":                                                "GET",
		"/v2/service_instances/i":                                    "GET, PUT, PATCH, DELETE",
		"/v2/service_instances/i/last_operation":                     "GET",
		"/v2/service_instances/i/service_bindings/b":                 "GET, PUT, DELETE",
		"/v2/service_instances/i/service_bindings/b/last_operation":  "GET",
		"/bluemix_v1/service_instances/i":                            "GET, PUT",
		"/v2/service_instances/" + crnEscaped + "/last_operation":    "GET",
		"/bluemix_v1/service_instances/" + crnEscaped:                "GET, PUT",
		"/v2/service_instances/i/service_bindings/" + keyCRNEscaped:  "GET, PUT, DELETE",
		"/v2/service_instances/last_operation":                       "GET, PUT, PATCH, DELETE",
		"/v2/service_instances/service_bindings/service_bindings/b/": "GET, PUT, DELETE",
	} {
		for _, method := range methods {
			t.Run(method+" "+path, func(t *testing.T) {
				t.Parallel()
				got, err := osb.ParsePath(method, path)
				for allowed := range strings.SplitSeq(allow, ", ") {
					if method == allowed {
						if err != nil || got.Operation == osb.Unknown {
							t.Fatalf("got operation %v and error %v, want an operation", got.Operation, err)
						}
						return
					}
				}
				if requestError := wantKind(t, err, osb.KindMethodNotAllowed); requestError.Allow != allow {
					t.Errorf("got Allow %q, want %q", requestError.Allow, allow)
				}
			})
		}
	}
}

func TestParsePathBadID(t *testing.T) {
	t.Parallel()
	ids := map[string]string{
		"dot": ".", "dots": "..", "escaped dot": "%2e", "escaped dots": "%2E%2e", "half-escaped dots": ".%2E",
		"dots between slashes": "a%2F..%2Fb", "dots first": "..%2Fcatalog", "dot last": "a%2f%2e",
		"bare percent": "%", "short escape": "%4", "no hex": "%zz", "half hex": "%4g",
		"NUL": "%00", "line feed": "a%0Ab", "DEL": "%7F", "C1 control": "%C2%85",
		"not UTF-8": "%FF", "overlong slash": "%C0%AF", "half a surrogate pair": "%ED%A0%80", "cut rune": "%C3",
		"too long": strings.Repeat("a", 1025), "too long, escaped": strings.Repeat("%3A", 1025),
		"raw bar": "a|b", "raw space": "a b", "raw quote": `a"b`, "raw less": "a<b", "raw greater": "a>b",
		"raw backslash": `a\b`, "raw caret": "a^b", "raw backtick": "a`b", "raw brace": "{id}", "raw bracket": "a[0]",
		"raw UTF-8": "grüße", "raw NUL": "\x00", "raw line feed": "\n", "raw DEL": "\x7f", "raw high byte": "\xff",
		"question mark": "a?b", "fragment": "a#b",
	}
	for name, id := range ids {
		for _, path := range []string{
			"/v2/service_instances/" + id,
			"/v2/service_instances/" + id + "/",
			"/v2/service_instances/" + id + "/service_bindings/b",
			"/v2/service_instances/i/service_bindings/" + id,
			"/v2/service_instances/i/service_bindings/" + id + "/last_operation",
			"/bluemix_v1/service_instances/" + id,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got, err := osb.ParsePath(http.MethodGet, path)
				_ = wantKind(t, err, osb.KindBadRequest)
				if diff := cmp.Diff(osb.Path{}, got); diff != "" {
					t.Errorf("path %q: got something with the error (-want +got):\n%s", path, diff)
				}
			})
		}
	}
}

// A request reaches ParsePath through net/http, which keeps no more of a path than its URL does.
func TestEscapedPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/v2/catalog",
		"/v2/service_instances/" + crnEscaped + "/service_bindings/" + keyCRNEscaped + "/",
		"/v2/service_instances/crn:v1:a%2fb", "/v2/service_instances/%7E", "/v2/service_instances/~",
		"/v2/service_instances/!$&'()*+,;=:@", "/v2/service_instances/%21%24", "/v2/service_instances/a|b",
		"/v2/service_instances/a[0]", `/v2/service_instances/a"b`, "/v2/service_instances/grüße", "//v2//catalog",
		"/v2/service_instances/%2E%2E",
	} {
		parsed, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatalf("parsing %q: %v", path, err)
		}
		if got := osb.EscapedPath(parsed); got != path {
			t.Errorf("got %q, want %q", got, path)
		}
	}
	// A handler in front may change the path and leave the raw one behind.
	if got, want := osb.EscapedPath(&url.URL{Path: "/v2/a b", RawPath: "/old/a%2Fb"}), "/v2/a%20b"; got != want {
		t.Errorf("with a stale raw path: got %q, want %q", got, want)
	}
	for _, stale := range []string{"/v2/a", "/v2/abc", "/v2/a%zz", "/v2/a%2"} {
		if got, want := osb.EscapedPath(&url.URL{Path: "/v2/ab", RawPath: stale}), "/v2/ab"; got != want {
			t.Errorf("with the stale raw path %q: got %q, want %q", stale, got, want)
		}
	}
}
