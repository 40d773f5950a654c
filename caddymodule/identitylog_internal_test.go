package caddymodule

import (
	"strings"
	"testing"
)

func TestIdentityLogShow(t *testing.T) {
	t.Parallel()
	resolve := func(c *IdentityLogConfig) identityLog {
		r := newResolver()
		l := c.resolve(r)
		if !r.ok() {
			t.Fatalf("resolving %+v: %v", c, r.problems)
		}
		return l
	}
	const user = "683ea748-3092-4ff4-b656-39cacc4d5360"
	for _, test := range []struct {
		name       string
		config     *IdentityLogConfig
		user, want string
	}{
		{"Default", nil, user, user},
		{"EmptyMode", &IdentityLogConfig{}, user, user},
		{"Full", &IdentityLogConfig{Mode: "full"}, user, user},
		{"FullOfNobody", &IdentityLogConfig{Mode: "full"}, "", ""},
		{"None", &IdentityLogConfig{Mode: "none"}, user, ""},
		// HMAC-SHA-256 of the user under the key, its first half in hexadecimal.
		{"Hash", &IdentityLogConfig{Mode: "hash", Key: "key"}, "alice", "76fb55e929c06b97b01c35950ee5f72f"},
		{"HashOfNobody", &IdentityLogConfig{Mode: "hash", Key: "key"}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := resolve(test.config).show(test.user); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestIdentityLogHash looks at what a hash is good for: to tell users apart, and not to know them.
func TestIdentityLogHash(t *testing.T) {
	t.Parallel()
	hash := func(key, user string) string {
		r := newResolver()
		return (&IdentityLogConfig{Mode: "hash", Key: key}).resolve(r).show(user)
	}
	first, second := hash("", "alice"), hash("", "alice")
	switch {
	case hash("key", "alice") == hash("key", "bob"):
		t.Error("two users have one hash")
	case hash("key", "alice") == hash("other", "alice"):
		t.Error("the key makes no difference")
	case first != second:
		t.Error("without a key the hash changes from one configuration to the next")
	case hash("", "alice") == hash("key", "alice"):
		t.Error("the key of the process is the one of the configuration")
	case len(hash("", "alice")) != 32 || strings.Contains(hash("", "alice"), "alice"):
		t.Errorf("the hash is %q", hash("", "alice"))
	}
}

func TestIdentityLogProblems(t *testing.T) {
	t.Setenv("OSB_TEST_MODE", "hash")
	for _, test := range []struct {
		config  IdentityLogConfig
		problem string
	}{
		{IdentityLogConfig{Mode: "{env.OSB_TEST_MODE}", Key: "key"}, ""},
		{IdentityLogConfig{Mode: "half"}, "identity_log \"half\": it is `full`, `hash` or `none`"},
		{IdentityLogConfig{Key: "key"}, "identity_log full takes no key"},
		{IdentityLogConfig{Mode: "none", Key: "key"}, "identity_log none takes no key"},
		{IdentityLogConfig{Mode: "hash", Key: "{env.OSB_TEST_UNSET}"}, "identity_log hash: evaluated placeholder"},
	} {
		r := newResolver()
		mode := test.config.resolve(r).mode
		checkResult(t, r, mode, mode, test.problem)
	}
}
