package platform

import (
	"strings"
	"testing"
)

// TestJWKSKeys has what is left out of a key set, and why.
func TestJWKSKeys(t *testing.T) {
	t.Parallel()
	const ed = `"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	for members, want := range map[string]string{
		ed:                            "",
		ed + `,"use":"sig"`:           "",
		ed + `,"alg":"EdDSA"`:         "",
		ed + `,"key_ops":["verify"]`:  "",
		ed + `,"use":"enc"`:           "not for signatures",
		ed + `,"key_ops":["encrypt"]`: "not for signatures",
		ed + `,"alg":"RS256"`:         "fits no algorithm",
		ed + `,"alg":"HS256"`:         "an algorithm that tokens are not signed with",
		ed + `,"alg":"none"`:          "an algorithm that tokens are not signed with",
		ed + `,"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"`: "secret part",
		ed + `,"kid":"` + strings.Repeat("k", 257) + `"`:          "id is too long",
		ed + `,"kid":7`:              "malformed",
		`"kty":"oct","k":"c2VjcmV0"`: "a kind that tokens are not signed with",
		`"kty":"MAC"`:                "a kind that tokens are not signed with",
		`"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`: "not an Ed25519 key",
		`"kty":"OKP","crv":"Ed25519","x":"AA"`:                                         "not an Ed25519 key",
		`"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"`:                               "a curve",
		`"kty":"EC","crv":"P-256","x":"AA","y":"AA"`:                                   "malformed",
		`"kty":"EC","crv":"P-256","x":"` + zeros(32) + `","y":"` + zeros(32) + `"`:     "malformed",
		`"kty":"RSA","n":"AQAB","e":"AQAB"`:                                            "has 17 bits",
		`"kty":"RSA","n":"` + ones(256) + `","e":"Ag"`:                                 "exponent",
		`"kty":"RSA","n":"` + ones(256) + `","e":"AQ"`:                                 "exponent",
		`"kty":"RSA","n":"` + ones(256) + `"`:                                          "malformed",
		`"kty":"RSA","n":"` + ones(256) + `","e":"AQAAAAAB"`:                           "malformed",
		`"kty":"RSA","n":"` + ones(2048) + `","e":"AQAB"`:                              "malformed",
		`"kty":"RSA","n":"` + ones(1025) + `","e":"AQAB"`:                              "8200 bits",
		`"kty":"RSA","n":"` + ones(256) + `","e":"AQAB"`:                               "",
	} {
		keys, leftOut, _ := parseJWKS([]byte(`{"keys":[{` + members + `}]}`))
		said := strings.Join(leftOut, " ")
		if (len(keys) == 1) != (want == "") || !strings.Contains(said, want) || want == "" && said != "" {
			t.Errorf("%.80s: got %d keys, %q; want %q", members, len(keys), said, want)
		}
	}
	twice := `{` + ed + `,"kid":"a"}`
	if keys, _, _ := parseJWKS([]byte(`{"keys":[` + twice + `,` + twice + `]}`)); len(keys) != 1 {
		t.Errorf("one key twice: got %d", len(keys))
	}
}

func zeros(n int) string { return strictSegment.EncodeToString(make([]byte, n)) }

func ones(n int) string { return strictSegment.EncodeToString([]byte(strings.Repeat("\xff", n))) }
