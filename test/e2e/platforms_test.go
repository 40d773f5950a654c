package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// otherUser is the user of the second platform. Its password is the same, and no help.
const otherUser = "other-platform"

// twoPlatforms starts a gateway that two platforms share. The second one may reach whatever is not recorded.
func twoPlatforms(t *testing.T, store, unknownInstances string) *world {
	t.Helper()
	w := brokersOnly(t, nil)
	w.start(t, harness.Options{Block: store + "\n" + harness.Platform("first", "unknown_instances reject") +
		"platform second {\n\tbasic_auth " + otherUser + " " + harness.PasswordHash +
		"\n\tunknown_instances " + unknownInstances + "\n}\n" + w.backends("")})
	return w
}

func TestPlatformsAreApart(t *testing.T) {
	t.Parallel()
	other := harness.Request{User: otherUser, Password: harness.Password}
	for _, unknownInstances := range []string{"forward", "reject"} {
		t.Run(unknownInstances, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, store string) {
				w := twoPlatforms(t, store, unknownInstances)
				for _, s := range spellings() {
					w.expect(t, put(instancePath(s.instance), create(s.broker, small)), http.StatusCreated, s.broker)
					w.expect(t, put(bindingPath(s.instance, s.binding), bind(s.broker, small)), http.StatusCreated, s.broker)
					for _, id := range []string{
						s.instance,
						strings.ReplaceAll(strings.ReplaceAll(s.instance, "%3A", ":"), "%2F", "%2f"),
						strings.ReplaceAll(s.instance, "-", "%2D"),
						strings.ReplaceAll(s.instance, "b", "%62"),
					} {
						w.expectUnreachable(t, other, id, s.binding, s.broker, http.StatusNotFound)
						w.expectUnreachable(t, other, id, newGUID(), beta, http.StatusNotFound)
						for _, broker := range brokerNames {
							r := put(instancePath(id), create(broker, small))
							r.User, r.Password = other.User, other.Password
							refused(t, w.expect(t, r, http.StatusConflict, ""), "Conflict")
						}
					}
					w.expect(t, get(bindingPath(s.instance, s.binding)), http.StatusOK, s.broker)

					// What is gone is still nothing of the other platform's.
					w.expect(t, del(instancePath(s.instance)+ids(s.broker, small)), http.StatusOK, s.broker)
					w.expectUnreachable(t, other, s.instance, s.binding, s.broker, http.StatusNotFound)
				}
			})
		})
	}
}

// TestPlatformCredentials has the answers for callers that are none of the platforms.
func TestPlatformCredentials(t *testing.T) {
	t.Parallel()
	w := twoPlatforms(t, fileStore, "forward")
	for _, target := range []string{"/v2/catalog", instancePath(newGUID()), "/v2/nothing", statePath(newGUID())} {
		for _, r := range []harness.Request{
			{User: "-"}, {User: "nobody", Password: harness.Password}, {User: otherUser, Password: "wrong"},
		} {
			r.Method, r.Target = http.MethodGet, target
			answer := w.expect(t, r, http.StatusUnauthorized, "")
			refused(t, answer, "Unauthorized")
			if got := answer.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Basic ") {
				t.Errorf("WWW-Authenticate: got %q, want Basic", got)
			}
		}
	}
}
