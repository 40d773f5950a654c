package osb_test

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestCheckUnambiguous(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"i", "a%2Fb", crnEscaped, keyCRNEscaped, "service_bindings", "last_operation", "%2F", "%2F%2F", "100%25", "%25zz", "a&b",
		"-;=", "%3F%23", "a%20b", "%3a%2f", "service_bindings_x%2Fb", "a%2Flast_operations", "%25%34",
	} {
		checkAmbiguous(t, id, false)
	}
	for _, id := range []string{
		"victim%2Fservice_bindings%2Fb", "victim%2flast_operation", "victim%2F", "%2Fvictim", "%2F%2Fvictim", "a%2F%2Fb",
		"x%2Fservice_instances%2Fvictim", "%2576ictim", "victim%252F", "victim%252Fservice_bindings%252Fb", "%25252F",
		"service_bindings%2Fb", "a%2fb%2F", "victim;x", "victim;", "%3Bx", "a%3bb", "victim%5Cservice_bindings%5Cb", "a%5c",
		"victim%20", "%20victim", "victim%C2%A0", "victim%E2%80%83",
		"victim%3Fx", "victim%3f", "%3Fx", "victim%23x", "victim%23", "a%2Fb%3Fplan_id=c",
	} {
		checkAmbiguous(t, id, true)
	}
}

func checkAmbiguous(t *testing.T, id string, want bool) {
	t.Helper()
	for _, target := range []string{"/v2/service_instances/" + id, "/v2/service_instances/i/service_bindings/" + id} {
		parsed, err := osb.ParsePath(http.MethodGet, target)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		err = parsed.CheckUnambiguous()
		if (err != nil) != want {
			t.Errorf("%s: got %v, want an error: %t", target, err, want)
		}
		if err != nil {
			_ = wantKind(t, err, osb.KindBadRequest)
		}
	}
}

// FuzzCheckUnambiguous plays a careless server: one that unescapes the whole path, turns its backslashes, joins its slashes,
// cuts parameters, queries, fragments and spaces off, and does all of it twice. It must find the same id in what was let through.
func FuzzCheckUnambiguous(f *testing.F) {
	f.Add("victim%2Fservice_bindings%2Fb")
	f.Add("a%2Fb")
	f.Add("%252e")
	f.Add("%2F%2F")
	f.Add("victim%3Fx")
	f.Fuzz(func(t *testing.T, id string) {
		const prefix = "/v2/service_instances/"
		parsed, err := osb.ParsePath(http.MethodGet, prefix+id)
		if err != nil || parsed.Operation != osb.FetchInstance || parsed.CheckUnambiguous() != nil {
			return
		}
		if !strings.ContainsFunc(parsed.Instance, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
			return // punctuation alone is nobody's id
		}
		careless := prefix + id
		for range 2 {
			unescaped, err := url.PathUnescape(careless)
			if err != nil {
				break
			}
			careless = path.Clean(strings.ReplaceAll(unescaped, `\`, "/"))
			if end := strings.IndexAny(careless, ";?#"); end >= 0 {
				careless = careless[:end]
			}
			careless = strings.TrimSpace(careless)
		}
		rest, beneath := strings.CutPrefix(careless, prefix)
		if !beneath || rest != parsed.Instance {
			t.Errorf("%q is the id %q, and to a careless server %q", id, parsed.Instance, careless)
		}
	})
}
