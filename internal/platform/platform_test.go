package platform_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// basic returns a header with the credentials.
func basic(user, password string) http.Header {
	return http.Header{"Authorization": {"Basic " + encode(user+":"+password)}}
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// bcryptOf returns the bcrypt hash of a password, with another letter for the version if need be.
func bcryptOf(tb testing.TB, password, version string) string {
	tb.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Replace(string(hash), "$2a$", version, 1)
}

// argon2idOf returns the cheapest argon2id hash of a password, in PHC form.
func argon2idOf(password string) string {
	salt := []byte("0123456789abcdef")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s",
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// Hashes of "correct horse" as `caddy hash-password` prints them: argon2id with its defaults, with all its parameters
// set, and bcrypt.
const (
	caddyArgon2id       = "$argon2id$v=19$m=47104,t=1,p=1$YyAsC6n96M6rPRpJdHQePA$eyvCxcN7m/XaHhmuiOWw7YVHYe68zWZp1ClZYpqgYtI"
	caddyArgon2idTuned  = "$argon2id$v=19$m=64,t=2,p=3$tWAy7God31v7JsAdIMNO0Q$Ms4Xjq9uM80Y9jrLyOsJHwgLsVmLzI7J"
	caddyBcrypt         = "$2a$04$LMLNviGP/Gzwwt9c3qL4o.DlKY1HT1OVqCNcZeDbcjN.imInIh4NC"
	passwordOfTheHashes = "correct horse"
)

func mustNew(tb testing.TB, platforms ...platform.Platform) *platform.Authenticator {
	tb.Helper()
	a, err := platform.NewAuthenticator(platforms)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 8)
	a := mustNew(t,
		platform.Platform{Name: "cf", Basic: []platform.BasicCredential{
			{User: "cf", Hash: bcryptOf(t, "old", "$2a$")},
			{User: "cf", Hash: argon2idOf("new")},
			{User: "cf-b", Hash: bcryptOf(t, "b", "$2b$")},
			{User: "cf-y", Hash: bcryptOf(t, "y", "$2y$")},
			{User: "cf-72", Hash: bcryptOf(t, long[:72], "$2a$")},
			{User: "cf-long", Hash: argon2idOf(long)},
		}},
		platform.Platform{Name: "k8s", Basic: []platform.BasicCredential{
			{User: "k8s", Hash: argon2idOf("päss:wörd")},
			{User: "url", Hash: argon2idOf("a?>?~~")}, // has both characters in which the alphabets differ
			{User: "empty", Hash: argon2idOf("")},
			{User: "caddy-1", Hash: caddyArgon2id},
			{User: "caddy-2", Hash: caddyArgon2idTuned},
			{User: "caddy-3", Hash: caddyBcrypt},
		}},
	)
	for _, test := range []struct {
		name   string
		header http.Header
		want   string // "" for nobody
	}{
		{"bcrypt, the old password", basic("cf", "old"), "cf"},
		{"argon2id, the new password", basic("cf", "new"), "cf"},
		{"$2b$", basic("cf-b", "b"), "cf"},
		{"$2y$", basic("cf-y", "y"), "cf"},
		{"72 bytes with bcrypt", basic("cf-72", long[:72]), "cf"},
		{"80 bytes with argon2id", basic("cf-long", long), "cf"},
		{"colons and UTF-8", basic("k8s", "päss:wörd"), "k8s"},
		{"all of the alphabet", basic("url", "a?>?~~"), "k8s"},
		{"empty password", basic("empty", ""), "k8s"},
		{"caddy hash-password, argon2id", basic("caddy-1", passwordOfTheHashes), "k8s"},
		{"caddy hash-password, argon2id tuned", basic("caddy-2", passwordOfTheHashes), "k8s"},
		{"caddy hash-password, bcrypt", basic("caddy-3", passwordOfTheHashes), "k8s"},
		{"scheme in capitals", http.Header{"Authorization": {"BASIC " + encode("cf:old")}}, "cf"},
		{"scheme in small letters", http.Header{"Authorization": {"basic " + encode("cf:old")}}, "cf"},
		{"several spaces", http.Header{"Authorization": {"Basic   " + encode("cf:old")}}, "cf"},

		{"wrong password", basic("cf", "other"), ""},
		{"the same wrong password again", basic("cf", "other"), ""},
		{"another user's password", basic("cf", "b"), ""},
		{"password in capitals", basic("cf", "OLD"), ""},
		{"user in capitals", basic("CF", "old"), ""},
		{"empty password for one that is not", basic("cf", ""), ""},
		{"73 bytes that begin right", basic("cf-72", long[:73]), ""},
		{"unknown user", basic("nobody", "old"), ""},
		{"no user", basic("", "old"), ""},
		{"the hash as password", basic("caddy-3", caddyBcrypt), ""},
		{"no header", nil, ""},
		{"no value", http.Header{"Authorization": {}}, ""},
		{"empty value", http.Header{"Authorization": {""}}, ""},
		{"two headers", http.Header{"Authorization": {"Basic " + encode("cf:old"), "Basic " + encode("cf:old")}}, ""},
		{"two in one", http.Header{"Authorization": {"Basic " + encode("cf:old") + ", Basic " + encode("cf:old")}}, ""},
		{"proxy header", http.Header{"Proxy-Authorization": {"Basic " + encode("cf:old")}}, ""},
		{"another scheme", http.Header{"Authorization": {"Bearer " + encode("cf:old")}}, ""},
		{"scheme alone", http.Header{"Authorization": {"Basic"}}, ""},
		{"scheme and space", http.Header{"Authorization": {"Basic "}}, ""},
		{"no space", http.Header{"Authorization": {"Basic" + encode("cf:old")}}, ""},
		{"tab for a space", http.Header{"Authorization": {"Basic\t" + encode("cf:old")}}, ""},
		{"longer scheme", http.Header{"Authorization": {"Basics " + encode("cf:old")}}, ""},
		{"no colon", http.Header{"Authorization": {"Basic " + encode("cfold")}}, ""},
		{"not base64", http.Header{"Authorization": {"Basic cf:old"}}, ""},
		{"without padding", http.Header{"Authorization": {"Basic " + strings.TrimRight(encode("cf:old!"), "=")}}, ""},
		{"stray bits", http.Header{"Authorization": {"Basic Y2Y6b2xkIQ=="[:len("Basic Y2Y6b2xkIQ==")-3] + "R=="}}, ""},
		{"URL alphabet", http.Header{"Authorization": {"Basic " + base64.URLEncoding.EncodeToString([]byte("url:a?>?~~"))}}, ""},
		{"line break in base64", http.Header{"Authorization": {"Basic Y2Y6\r\nb2xk"}}, ""},
		{"text after it", http.Header{"Authorization": {"Basic " + encode("cf:old") + " "}}, ""},
		{"NUL in the password", basic("cf", "old\x00"), ""},
		{"control in the user", basic("cf\x7f", "old"), ""},
		{"20 KiB", basic("cf", strings.Repeat("x", 15<<10)), ""},
		{"20 KiB of spaces", http.Header{"Authorization": {"Basic " + strings.Repeat(" ", 20<<10) + encode("cf:old")}}, "cf"},
		{"the most that is read", basic("cf", strings.Repeat("x", 3069)), ""},
		{"non-ASCII bytes", http.Header{"Authorization": {"Basic \xff\xfe\xfd\xfc"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for range 3 { // the first time hashes, the others remember
				got, err := a.Authenticate(t.Context(), test.header, nil)
				if got != test.want || (err == nil) != (test.want != "") {
					t.Fatalf("got %q, %v; want %q", got, err, test.want)
				}
				if err != nil && !errors.Is(err, platform.ErrUnauthorized) {
					t.Fatalf("got %v, want ErrUnauthorized", err)
				}
			}
		})
	}
}

// FuzzAuthenticate holds the reader of the header against a second opinion: what is let in is one pair in the one
// spelling that RFC 7617 gives it, and nothing else is.
func FuzzAuthenticate(f *testing.F) {
	a := mustNew(f, platform.Platform{Name: "cf", Basic: []platform.BasicCredential{{User: "u", Hash: argon2idOf("p:w")}}})
	f.Add("Basic " + encode("u:p:w"))
	f.Add("basic  " + encode("u:p:w"))
	f.Add("Basic dTpwOnc=\n")
	f.Add("Basic dTpwOnd=")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, value string) {
		_, err := a.Authenticate(context.Background(), http.Header{"Authorization": {value}}, nil)
		scheme, rest, _ := strings.Cut(value, " ")
		want := strings.EqualFold(scheme, "basic") && strings.TrimLeft(rest, " ") == encode("u:p:w")
		if got := err == nil; got != want {
			t.Errorf("%q: let in: got %t, want %t", value, got, want)
		}
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	a := mustNew(b, platform.Platform{Name: "cf", Basic: []platform.BasicCredential{{User: "cf", Hash: caddyBcrypt}}})
	for name, header := range map[string]http.Header{
		"verified": basic("cf", passwordOfTheHashes),
		"refused":  basic("cf", "wrong"),
	} {
		b.Run(name, func(b *testing.B) {
			_, _ = a.Authenticate(b.Context(), header, nil)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, _ = a.Authenticate(context.Background(), header, nil)
				}
			})
		})
	}
}
