package answers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// The instance and the binding that others try to reach. The letters have two cases, two Unicode forms and many escapes.
const (
	victim        = "a\u00e9-Victim/1"
	victimEscaped = "a%C3%A9-Victim%2F1"
	victimBinding = "Bound-1"
)

// otherSpellings are ways to write the id of the victim's instance, or something that some server may take for it.
func otherSpellings() map[string]string {
	id := victimEscaped
	all := map[string]string{
		"as it is": id, "a slash in small letters": strings.Replace(id, "%2F", "%2f", 1),
		"hex in small letters": strings.ToLower(strings.Replace(id, "V", "%56", 1)), "one letter escaped": strings.Replace(id, "V", "%56", 1),
		"all escaped": everyByte(id), "a raw slash": strings.Replace(id, "%2F", "/", 1),
		"escaped twice": strings.ReplaceAll(id, "%", "%25"), "one letter escaped twice": strings.Replace(id, "V", "%2556", 1),
		"escaped three times": strings.ReplaceAll(id, "%", "%2525"),
		"a slash behind":      id + "/", "an escaped slash behind": id + "%2F", "two slashes behind": id + "//",
		"a slash before": "/" + id, "an escaped slash before": "%2F" + id, "two escaped slashes within": strings.Replace(id, "%2F", "%2F%2f", 1),
		"dots before": "x/../" + id, "escaped dots before": "x%2F..%2F" + id, "all dots escaped": "x%2f%2e%2e%2f" + id,
		"a dot before": "./" + id, "an escaped dot before": "%2E%2F" + id, "dots behind": id + "/x/..", "escaped dots behind": id + "%2Fx%2F%2E%2E",
		"upper case": strings.ReplaceAll(strings.ToUpper(id), "%C3%A9", "%C3%89"), "lower case": strings.Replace(id, "Victim", "victim", 1),
		"decomposed": strings.Replace(id, "%C3%A9", "e%CC%81", 1), "Latin-1": strings.Replace(id, "%C3%A9", "%E9", 1),
		"overlong": strings.Replace(id, "%2F", "%C0%AF", 1), "full width": strings.Replace(id, "%2F", "%EF%BC%8F", 1),
		"raw UTF-8": strings.Replace(id, "%C3%A9", "\u00e9", 1), "a NUL behind": id + "%00", "a space behind": id + "%20",
		"a raw space behind": id + "+", "a backslash": strings.Replace(id, "%2F", "%5C", 1), "a parameter behind": id + ";x=1",
		"an escaped parameter behind": id + "%3Bx", "a binding behind backslashes": id + "%5Cservice_bindings%5C" + victimBinding, "a line break behind": id + "%0A",
		"an escaped query behind": id + "%3Fx=1", "an escaped fragment behind": id + "%23x",
		"a binding behind": id + "%2Fservice_bindings%2F" + victimBinding, "a poll behind": id + "%2flast_operation",
		"a binding behind, twice": id + "%252Fservice_bindings%252F" + victimBinding,
		"the whole path before":   "x%2F..%2F..%2Fservice_instances%2F" + id, "the collection before": "service_instances%2F" + id,
		"a broken escape": id + "%2", "a soft hyphen": strings.Replace(id, "V", "%C2%ADV", 1),
		"a zero-width space": strings.Replace(id, "V", "%E2%80%8BV", 1), "a byte order mark": "%EF%BB%BF" + id,
	}
	return all
}

// everyByte escapes each byte of an id.
func everyByte(id string) string {
	decoded, err := url.PathUnescape(id)
	if err != nil {
		panic(err)
	}
	var escaped strings.Builder
	for i := range len(decoded) {
		fmt.Fprintf(&escaped, "%%%02X", decoded[i])
	}
	return escaped.String()
}

// carelessly are the paths for which servers may take a target: unescaped not at all, once, twice or three times, and
// at each step cleaned, with slashes for backslashes, without parameters, query and fragment, and without spaces.
func carelessly(target string) []string {
	target, _, _ = strings.Cut(target, "?")
	paths := []string{target, path.Clean(target)}
	for range 3 {
		unescaped, err := url.PathUnescape(target)
		if err != nil {
			break
		}
		target = unescaped
		slashed := strings.ReplaceAll(target, `\`, "/")
		cut := slashed
		if end := strings.IndexAny(cut, ";?#"); end >= 0 {
			cut = cut[:end]
		}
		paths = append(paths, target, path.Clean(target), path.Clean(slashed), path.Clean(cut), strings.TrimSpace(target))
		target = path.Clean(target)
	}
	return paths
}

// aboutVictim tells whether some server may take a call for one on the victim's instance.
func aboutVictim(target string) bool {
	return slices.ContainsFunc(carelessly(target), func(p string) bool {
		for _, root := range []string{"/v2/service_instances/", "/bluemix_v1/service_instances/"} {
			for _, id := range []string{victim, victimEscaped} {
				if p == root+id || strings.HasPrefix(p, root+id+"/") {
					return true
				}
			}
		}
		return false
	})
}

// TestIsolation walks every operation with every spelling from two other platforms, one that may reach what is not
// recorded and one that may not. No broker gets a call that it may take for one on the victim's instance, and the
// victim's platform goes on as if nothing had been.
func TestIsolation(t *testing.T) {
	t.Parallel()
	e := startEstate(t)
	hint := e.one.offers()
	own := func() {
		e.relays(t, request{method: "GET", target: instancePath(victimEscaped, "")}, e.one, 200)
		e.relays(t, request{method: "GET", target: instancePath(victimEscaped, "/service_bindings/"+victimBinding)}, e.one, 200)
	}
	e.makeInstance(t, victimEscaped, e.one)
	e.relays(t, request{
		method: "PUT", target: instancePath(victimEscaped, "/service_bindings/"+victimBinding), body: "{" + hint + "}",
	}, e.one, 201)
	own()
	hints := map[string]func(call, string) request{
		"no hint":        call.on,
		"the offering":   func(c call, id string) request { return c.withHint(id, "alpha-id", "alpha-small") },
		"another broker": func(c call, id string) request { return c.withHint(id, "gamma-id", "gamma-small") },
	}
	for _, user := range []string{otherUser, rejectUser} {
		for name, id := range otherSpellings() {
			for _, c := range calls {
				c.path = strings.Replace(c.path, "/service_bindings/b", "/service_bindings/"+victimBinding, 1)
				for hinted, request := range hints {
					r := request(c, id).as(user)
					what := fmt.Sprintf("%s, %s, %s, %s: %s %s", user, name, c.name, hinted, r.method, r.target)
					a, identity := do(t, e.Gateway, r)
					for _, got := range append(e.one.gotIdentity(identity), e.two.gotIdentity(identity)...) {
						if aboutVictim(got.Target) {
							t.Errorf("%s: a broker got %s", what, got.Target)
						}
						if user == rejectUser && !c.creates {
							t.Errorf("%s: what is not recorded reached a broker as %s", what, got.Target)
						}
					}
					if a.status == http.StatusGone || strings.Contains(a.head+a.body, "Victim") {
						t.Errorf("%s: got %s%s", what, a.head, a.body)
					}
				}
			}
		}
	}
	reachThroughBindings(t, e)
	own()
	e.relays(t, request{method: "DELETE", target: instancePath(victimEscaped, "/service_bindings/"+victimBinding)}, e.one, 200)
	e.relays(t, request{method: "DELETE", target: instancePath(victimEscaped, "")}, e.one, 200)
}

// reachThroughBindings tries the way through an instance of one's own: bindings of it whose ids lead elsewhere.
func reachThroughBindings(t *testing.T, e *estate) {
	t.Helper()
	for _, user := range []string{otherUser, rejectUser} {
		mine := "owned-by-" + user
		e.relays(t, provision(mine, e.one.offers()).as(user), e.one, 201)
		for name, id := range otherSpellings() {
			for _, before := range []string{
				"", "%2E%2E%2F%2e%2e%2F", "..%2F..%2F", "x%2F..%2F..%2F..%2F", "%2F", "%2Fv2%2Fservice_instances%2F",
				"%252E%252E%252F%252E%252E%252F",
			} {
				for _, c := range calls {
					if !c.binding {
						continue
					}
					c.path = "/v2/service_instances/" + mine + "/service_bindings/%s" + strings.TrimPrefix(c.path, "/v2/service_instances/%s/service_bindings/b")
					_, identity := do(t, e.Gateway, c.withHint(before+id, "alpha-id", "alpha-small").as(user))
					for _, got := range append(e.one.gotIdentity(identity), e.two.gotIdentity(identity)...) {
						if aboutVictim(got.Target) {
							t.Errorf("%s, a binding whose id is %s%s: a broker got %s", user, before, name, got.Target)
						}
					}
				}
			}
		}
	}
}

// storeSample is a line of the metrics about an operation of the store, but for those of the background.
var storeSample = regexp.MustCompile(`(?m)^caddy_osb_gateway_store_operations_total\{.*operation="(read|swap)".*\} (\d+)$`)

// storeTrips are how often each operation on records was done so far.
func storeTrips(t *testing.T, g *harness.Gateway) map[string]int {
	t.Helper()
	trips := make(map[string]int)
	for _, match := range storeSample.FindAllStringSubmatch(g.Metrics(t), -1) {
		count, err := strconv.Atoi(match[2])
		if err != nil {
			t.Fatal(err)
		}
		trips[match[1]] += count
	}
	if trips["read"] == 0 {
		t.Fatal("the metrics count no reading of records")
	}
	return trips
}

// TestForeignLooksUnknown: to a platform whose unknown instances are rejected, an instance of another platform and one
// that there never was are the same, in status, headers, body and round trips to the store, also when asked again.
func TestForeignLooksUnknown(t *testing.T) {
	t.Parallel()
	e := startEstate(t)
	const foreign, unknown = "instance-that-is-foreign", "instance-that-is-unknown"
	e.makeInstance(t, foreign, e.one)
	e.relays(t, request{method: "PUT", target: instancePath(foreign, "/service_bindings/b"), body: "{" + e.one.offers() + "}"}, e.one, 201)
	for _, c := range calls {
		if c.name == "provision" {
			e.refuses(t, c.withHint(foreign, "alpha-id", "alpha-small").as(rejectUser), conflict)
			continue
		}
		for _, hinted := range []bool{false, true} {
			var answers [2][3]answer
			var trips [2][3]map[string]int
			for i, id := range []string{foreign, unknown} {
				for again := range 3 {
					// The owner's own calls may leave the record in the cache.
					e.relays(t, request{method: "GET", target: instancePath(foreign, "")}, e.one, 200)
					before := storeTrips(t, e.Gateway)
					r := c.on(id)
					if hinted {
						r = c.withHint(id, "alpha-id", "alpha-small")
					}
					r.user, r.identity = rejectUser, "the-same"
					answers[i][again], _ = do(t, e.Gateway, r)
					answers[i][again].header.Del("Date")
					answers[i][again].head = ""
					trips[i][again] = difference(before, storeTrips(t, e.Gateway))
				}
			}
			for again := range 3 {
				if diff := cmp.Diff(answers[1][again], answers[0][again], cmp.AllowUnexported(answer{})); diff != "" {
					t.Errorf("%s, hinted %t: a foreign instance is told from an unknown one (-unknown +foreign):\n%s", c.name, hinted, diff)
				}
				if diff := cmp.Diff(trips[1][again], trips[0][again]); diff != "" {
					t.Errorf("%s, hinted %t, for the %d. time: the store is asked otherwise (-unknown +foreign):\n%s", c.name, hinted, again+1, diff)
				}
			}
		}
	}
	if got := append(e.one.gotIdentity("the-same"), e.two.gotIdentity("the-same")...); len(got) > 0 {
		t.Errorf("a broker got %s", got[0].Target)
	}
}

// difference is what was counted between two looks.
func difference(before, after map[string]int) map[string]int {
	counted := make(map[string]int)
	for operation, count := range after {
		counted[operation] = count - before[operation]
	}
	return counted
}
