package samplebroker

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	const crn = "crn:v1:bluemix:public:svc:us-south:a/b:c::"
	instance := func(id string) route { return route{resource: resourceInstance, instance: id} }
	bound := func(r resource, id, bindingID string) route {
		return route{resource: r, instance: id, binding: bindingID}
	}
	for _, test := range []struct {
		path string
		want route
		// status is that of the error, 0 for none.
		status int
	}{
		{path: "/v2/catalog", want: route{resource: resourceCatalog}},
		{path: "/debug/state", want: route{resource: resourceDebugState}},
		{path: "/debug/faults", want: route{resource: resourceDebugFaults}},
		{path: "/v2/service_instances/i", want: instance("i")},
		{
			path: "/v2/service_instances/crn%3Av1%3Abluemix%3apublic%3Asvc%3Aus-south%3Aa%2Fb%3Ac%3A%3A",
			want: instance(crn),
		},
		{path: "/v2/service_instances/crn:v1:bluemix:public:svc:us-south:a%2fb:c::", want: instance(crn)},
		{path: "/v2/service_instances/last_operation", want: instance("last_operation")},
		{path: "/v2/service_instances/service_bindings", want: instance("service_bindings")},
		{path: "/v2/service_instances/..", want: instance("..")},
		{path: "/v2/service_instances/a+b%2B%25", want: instance("a+b+%")},
		{path: "/v2/service_instances/{%22}", want: instance(`{"}`)},
		{
			path: "/v2/service_instances/i/last_operation",
			want: route{resource: resourceInstanceOperation, instance: "i"},
		},
		{path: "/v2/service_instances/last_operation/last_operation", want: route{
			resource: resourceInstanceOperation, instance: "last_operation",
		}},
		{path: "/v2/service_instances/i/service_bindings/b", want: bound(resourceBinding, "i", "b")},
		{path: "/v2/service_instances/i/service_bindings/b/", want: bound(resourceBinding, "i", "b")},
		{path: "/v2/service_instances/a%2Fi/service_bindings/a%2Fb", want: bound(resourceBinding, "a/i", "a/b")},
		{
			path: "/v2/service_instances/i/service_bindings/last_operation",
			want: bound(resourceBinding, "i", "last_operation"),
		},
		{
			path: "/v2/service_instances/i/service_bindings/b/last_operation",
			want: bound(resourceBindingOperation, "i", "b"),
		},
		{path: "/bluemix_v1/service_instances/a%2Fi", want: route{resource: resourceState, instance: "a/i"}},
		{path: "", status: 404},
		{path: "/", status: 404},
		{path: "/v2", status: 404},
		{path: "/v2/catalog/", status: 404},
		{path: "//v2/catalog", status: 404},
		{path: "/V2/catalog", status: 404},
		{path: "/v2/c%61talog", status: 404},
		{path: "/v2/service_instances", status: 404},
		{path: "/v2/service_instances/", status: 400},
		{path: "/v2/service_instances/i/", status: 404},
		{path: "/v2/service_instances//last_operation", status: 400},
		{path: "/v2/service_instances/i/last_operation/", status: 404},
		{path: "/v2/service_instances/i/service_bindings", status: 404},
		{path: "/v2/service_instances/i/service_bindings/", status: 400},
		{path: "/v2/service_instances/i/service_bindings//", status: 400},
		{path: "/v2/service_instances/i/service_bindings/b//", status: 404},
		{path: "/v2/service_instances/i/service_bindings/b/last_operation/", status: 404},
		{path: "/v2/service_instances/i/other/b", status: 404},
		{path: "/v2/service_instances/%zz", status: 400},
		{path: "/v2/service_instances/%ff", status: 400},
		{path: "/v2/resource_instances/i", status: 404},
		{path: "/bluemix_v1/service_instances/", status: 400},
		{path: "/bluemix_v1/service_instances/i/", status: 404},
		{path: "/bluemix_v1/service_instances/i/last_operation", status: 404},
		{path: "/bluemix_v1/catalog", status: 404},
		{path: "/debug/other", status: 404},
	} {
		got, err := parsePath(test.path)
		status := 0
		if err != nil {
			status = answerTo(err).status
		}
		if status != test.status {
			t.Errorf("%s: got error %v, want status %d", test.path, err, test.status)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(route{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
	}
}

func TestSplitTarget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ target, path, query string }{
		{"/v2/a%2Fb?x=%20?", "/v2/a%2Fb", "x=%20?"},
		{"/v2/a", "/v2/a", ""},
		{"/http://x/y", "/http://x/y", ""},
		{"//x/y", "//x/y", ""},
		{"http://host:80/v2/a%2Fb?x", "/v2/a%2Fb", "x"},
		{"http://host", "/", ""},
		{"http://host?x", "/", "x"},
		{"http://host//v2", "//v2", ""},
		{"*", "*", ""},
		{"", "", ""},
	} {
		path, query := splitTarget(test.target)
		if path != test.path || query != test.query {
			t.Errorf("%s: got %q and %q, want %q and %q", test.target, path, query, test.path, test.query)
		}
	}
}

// FuzzParsePath holds that a path that is understood can be built again from what was understood, and that every pair
// of ids comes through.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"/v2/catalog", "/v2/service_instances/a%2Fb", "/v2/service_instances/i/last_operation",
		"/v2/service_instances/i/service_bindings/b/", "/v2/service_instances/i/service_bindings/b/last_operation",
		"/bluemix_v1/service_instances/crn:v1%3a", "/v2/service_instances/%ff", "/v2/service_instances//", "%",
	} {
		f.Add(seed, "crn:v1:a/b", "..")
	}
	f.Fuzz(func(t *testing.T, path, instance, bindingID string) {
		if r, err := parsePath(path); err == nil {
			again, err := parsePath(build(r))
			if err != nil || again != r {
				t.Errorf("%q: got %v from it and %v, %v from what was built of that", path, r, again, err)
			}
		} else if status := answerTo(err).status; status != 400 && status != 404 {
			t.Errorf("%q: got status %d, want 400 or 404", path, status)
		}
		if instance == "" || bindingID == "" || !utf8.ValidString(instance) || !utf8.ValidString(bindingID) {
			return
		}
		for _, want := range []route{
			{resource: resourceInstance, instance: instance},
			{resource: resourceInstanceOperation, instance: instance},
			{resource: resourceBinding, instance: instance, binding: bindingID},
			{resource: resourceBindingOperation, instance: instance, binding: bindingID},
			{resource: resourceState, instance: instance},
		} {
			if got, err := parsePath(build(want)); err != nil || got != want {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		}
	})
}

// build writes a path, as a platform would.
func build(r route) string {
	instance := instancesPrefix + url.PathEscape(r.instance)
	bound := instance + "/service_bindings/" + url.PathEscape(r.binding)
	switch r.resource {
	case resourceCatalog:
		return "/v2/catalog"
	case resourceInstance:
		return instance
	case resourceInstanceOperation:
		return instance + "/last_operation"
	case resourceBinding:
		return bound
	case resourceBindingOperation:
		return bound + "/last_operation"
	case resourceState:
		return strings.Replace(instance, "/v2/", "/bluemix_v1/", 1)
	case resourceDebugState:
		return "/debug/state"
	case resourceDebugFaults:
		return "/debug/faults"
	default:
		return ""
	}
}
