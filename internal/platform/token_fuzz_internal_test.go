package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// FuzzParseToken takes tokens apart. One that is taken has one spelling, and says what a second reader finds in it.
func FuzzParseToken(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2lzc3VlciJ9.AA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, raw string) {
		parsed, err := parseToken(raw)
		if err != nil {
			if !errors.Is(err, ErrUnauthorized) {
				t.Errorf("%v is not ErrUnauthorized", err)
			}
			return
		}
		parts := strings.Split(raw, ".")
		if len(parts) != 3 || parsed.signed != parts[0]+"."+parts[1] || strictSegment.EncodeToString(parsed.signature) != parts[2] {
			t.Errorf("%q is not what was read of it", raw)
		}
		checkSecondReader(t, parts[0], map[string]string{"alg": parsed.algorithm, "kid": parsed.keyID})
		checkSecondReader(t, parts[1], map[string]string{"iss": parsed.issuer})
	})
}

func checkSecondReader(t *testing.T, segment string, want map[string]string) {
	t.Helper()
	data, err := strictSegment.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		t.Fatalf("%q was read: %v", data, err)
	}
	if _, critical := members["crit"]; critical && want["iss"] == "" {
		t.Errorf("%q has crit", data)
	}
	for name, value := range want {
		if got, _ := members[name].(string); got != value {
			t.Errorf("%s of %q: got %q, a second reader %q", name, data, value, got)
		}
	}
}

// FuzzDecodeObject compares with encoding/json, which takes more.
func FuzzDecodeObject(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"d"}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`{"x":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeObject(data)
		if err != nil {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		var want map[string]any
		if err := decoder.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v, encoding/json %v, %v", data, got, want, err)
		}
	})
}

// FuzzClaimPath reads names and pointers. A pointer that is made of the tokens of a path leads where the path does.
func FuzzClaimPath(f *testing.F) {
	f.Add("sub", `{"sub":"x"}`)
	f.Add("/a~1b/0/c~0", `{"a/b":[{"c~":1}]}`)
	f.Add("/~01", `{"~1":true}`)
	f.Fuzz(func(t *testing.T, claim, text string) {
		path, err := parseClaimPath(claim)
		if err != nil {
			return
		}
		if claims, err := decodeObject([]byte(text)); err == nil {
			value, ok := path.find(claims)
			if !ok && value != nil {
				t.Errorf("%q found nothing, and that is %v", claim, value)
			}
		}
		escaped := ""
		for _, token := range path {
			escaped += "/" + strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
		}
		again, err := parseClaimPath(escaped)
		if err != nil || !reflect.DeepEqual(path, again) {
			t.Errorf("%q is %q, and %q is %q (%v)", claim, path, escaped, again, err)
		}
	})
}

// FuzzJWKS reads key sets. Whatever is taken is a key that is strong enough and fits an algorithm.
func FuzzJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"x"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, _, err := parseJWKS(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%q: %d keys, %v", data, len(keys), err)
		}
		for _, key := range keys {
			if again, err := newPublicKey(key.id, key.algorithm, key.key); err != nil || again.digest != key.digest {
				t.Errorf("%q has the key %v: %v", data, key, err)
			}
		}
	})
}

// FuzzRefreshAfter reads Cache-Control; whatever it says, sets are fetched neither all the time nor never.
func FuzzRefreshAfter(f *testing.F) {
	f.Add("public, max-age=600, must-revalidate")
	f.Add("max-age=-1")
	f.Fuzz(func(t *testing.T, control string) {
		if after := refreshAfter(http.Header{"Cache-Control": {control}}); after < minRefresh || after > maxRefresh {
			t.Errorf("%q: %s", control, after)
		}
	})
}

// FuzzCertificateRule reads rules; what is taken means the same when it is written the way it was understood.
func FuzzCertificateRule(f *testing.F) {
	f.Add("dns:cf.example.net")
	f.Add("uri:spiffe://cluster/ns/x")
	f.Add("sha256:" + strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := parseCertificateRule("cf", text)
		if err != nil {
			return
		}
		again, err := parseCertificateRule("cf", rule.kind+":"+rule.value)
		if err != nil || !reflect.DeepEqual(rule, again) {
			t.Errorf("%q is %+v, and that is %+v (%v)", text, rule, again, err)
		}
	})
}
