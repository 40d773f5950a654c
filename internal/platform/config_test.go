package platform_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

func TestNewAuthenticatorRefuses(t *testing.T) {
	t.Parallel()
	good := argon2idOf("secret")
	one := func(user, hash string) []platform.Platform {
		return []platform.Platform{{Name: "cf", Basic: []platform.BasicCredential{{User: user, Hash: hash}}}}
	}
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	argon := func(settings, salt, key string) []platform.Platform {
		return one("cf", "$argon2id$v=19$"+settings+"$"+salt+"$"+key)
	}
	for _, test := range []struct {
		name      string
		platforms []platform.Platform
		want      string
	}{
		{"nobody", nil, "no platform is configured"},
		{"no name", []platform.Platform{{Basic: one("cf", good)[0].Basic}}, "has no name"},
		{"no credentials", []platform.Platform{{Name: "cf"}}, `platform "cf" has no credentials`},
		{"one name twice", append(one("a", good), one("b", good)...), `platform "cf" is configured twice`},
		{"no user", one("", good), "user name is empty"},
		{"colon in the user", one("a:b", good), "colon"},
		{"control in the user", one("a\nb", good), "control"},
		{
			"one user, two platforms",
			append(one("cf", good), platform.Platform{Name: "k8s", Basic: one("cf", argon2idOf("other"))[0].Basic}),
			`platform "k8s", user "cf": the user name belongs to platform "cf" already`,
		},
		{
			"one hash twice",
			[]platform.Platform{{Name: "cf", Basic: append(one("cf", good)[0].Basic, one("cf", good)[0].Basic...)}},
			"configured twice",
		},

		{"nothing for a hash", one("cf", ""), "caddy hash-password"},
		{"a password for a hash", one("cf", "topsecret"), "not the password itself; run `caddy hash-password`"},
		{"SHA-512 crypt", one("cf", "$6$topsecret$x"), "bcrypt or argon2id"},
		{"argon2i", one("cf", "$argon2i$v=19$m=8,t=1,p=1$"+salt+"$"+key), "bcrypt or argon2id"},
		{"an older bcrypt", one("cf", "$2x$"+caddyBcrypt[4:]), "bcrypt or argon2id"},
		{"quoted", one("cf", `"`+caddyBcrypt+`"`), "bcrypt or argon2id"},

		{"bcrypt cut short", one("cf", caddyBcrypt[:59]), "not complete"},
		{"bcrypt with more", one("cf", caddyBcrypt+"."), "not complete"},
		{"bcrypt with a foreign character", one("cf", caddyBcrypt[:30]+"!"+caddyBcrypt[31:]), "malformed"},
		{"bcrypt with one digit", one("cf", "$2a$4$"+caddyBcrypt[7:]+"."), "malformed"},
		{"bcrypt with a sign", one("cf", "$2a$+4$"+caddyBcrypt[7:]), "malformed"},
		{"bcrypt too cheap", one("cf", "$2a$03$"+caddyBcrypt[7:]), "malformed"},
		{"bcrypt too costly", one("cf", "$2a$19$"+caddyBcrypt[7:]), "cost 19, more than the 18"},
		{"bcrypt beyond its range", one("cf", "$2a$32$"+caddyBcrypt[7:]), "malformed"},

		{"argon2id of another version", one("cf", "$argon2id$v=16$m=8,t=1,p=1$"+salt+"$"+key), "version"},
		{"argon2id without a version", one("cf", "$argon2id$m=8,t=1,p=1$"+salt+"$"+key), "malformed"},
		{"argon2id without a key", one("cf", "$argon2id$v=19$m=8,t=1,p=1$"+salt), "malformed"},
		{"argon2id with an empty key", argon("m=8,t=1,p=1", salt, ""), "16 of key"},
		{"argon2id with a short key", argon("m=8,t=1,p=1", salt, key[:20]), "16 of key"},
		{"argon2id with a short salt", argon("m=8,t=1,p=1", salt[:8], key), "8 bytes of salt"},
		{"argon2id with a long salt", argon("m=8,t=1,p=1", strings.Repeat("A", 2000), key), "at most 1024"},
		{"argon2id with bad base64", argon("m=8,t=1,p=1", salt, key+"="), "malformed"},
		{"argon2id with settings missing", argon("m=8,t=1", salt, key), "malformed"},
		{"argon2id with settings in another order", argon("t=1,m=8,p=1", salt, key), "malformed"},
		{"argon2id with a negative setting", argon("m=8,t=-1,p=1", salt, key), "malformed"},
		{"argon2id without passes", argon("m=8,t=0,p=1", salt, key), "at least 1"},
		{"argon2id without threads", argon("m=8,t=1,p=0", salt, key), "at least 1"},
		{"argon2id with too many threads", argon("m=8,t=1,p=256", salt, key), "malformed"},
		{"argon2id with too little memory", argon("m=15,t=1,p=2", salt, key), "8 times p"},
		{"argon2id with too much memory", argon("m=1048577,t=1,p=1", salt, key), "more than the 1048576"},
		{"argon2id with absurd memory", argon("m=4294967296,t=1,p=1", salt, key), "malformed"},
		{"argon2id with too many passes", argon("m=1048576,t=17,p=1", salt, key), "17 passes of 1048576 KiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := platform.NewAuthenticator(test.platforms)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error: got %v, want %q in it", err, test.want)
			}
			for _, p := range test.platforms {
				for _, c := range p.Basic {
					if c.Hash != "" && strings.Contains(err.Error(), c.Hash) {
						t.Errorf("the error repeats what may be a password: %v", err)
					}
				}
			}
		})
	}
}

func TestNewAuthenticatorReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := platform.NewAuthenticator([]platform.Platform{
		{Name: "a"}, {Name: "b", Basic: []platform.BasicCredential{{User: "b", Hash: "x"}, {User: ""}}},
	})
	for _, want := range []string{`"a" has no credentials`, `platform "b", user "b"`, "user name is empty"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error: got %v, want %q in it", err, want)
		}
	}
}

func TestDearestHashesThatAreAllowed(t *testing.T) {
	t.Parallel()
	mustNew(t, platform.Platform{Name: "cf", Basic: []platform.BasicCredential{ // is not to compute any of them
		{User: "a", Hash: "$2a$18$" + caddyBcrypt[7:]},
		{User: "b", Hash: "$argon2id$v=19$m=1048576,t=16,p=255$" + strings.Repeat("A", 22) + "$" + strings.Repeat("A", 43)},
	}})
}

func TestCredentialsArePrintedWithoutTheirHash(t *testing.T) {
	t.Parallel()
	c := platform.BasicCredential{User: "cf", Hash: caddyBcrypt}
	for _, value := range []any{c, &c, platform.Platform{Name: "cf", Basic: []platform.BasicCredential{c}}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(format, value); strings.Contains(got, "$2a$") || !strings.Contains(got, "cf") {
				t.Errorf("%T printed with %s: %s", value, format, got)
			}
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credential", c)
	if strings.Contains(log.String(), "$2a$") {
		t.Errorf("logged with its hash: %s", log.String())
	}
}
