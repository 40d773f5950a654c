package osb_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func encode(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) }

func TestParseIdentity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		header string
		want   osb.Identity // Decoded is filled in
	}{
		"Cloud Foundry": {
			"cloudfoundry " + encode(`{"user_id":"683ea748-3092-4ff4-b656-39cacc4d5360"}`),
			osb.Identity{
				Platform: "cloudfoundry", User: "683ea748-3092-4ff4-b656-39cacc4d5360",
				Value: []byte(`{"user_id":"683ea748-3092-4ff4-b656-39cacc4d5360"}`),
			},
		},
		"Kubernetes": {
			"kubernetes " + encode(`{"username":"duke","uid":"c2dde242","groups":["admin"],"extra":{"mail":["a@b"]}}`),
			osb.Identity{
				Platform: "kubernetes", User: "duke",
				Value: []byte(`{"username":"duke","uid":"c2dde242","groups":["admin"],"extra":{"mail":["a@b"]}}`),
			},
		},
		"IBM Cloud": {
			"ibmcloud eyJpYW1faWQiOiJJQk1pZC01MEdOUjcxN1lFIn0=",
			osb.Identity{
				Platform: "ibmcloud", User: "IBMid-50GNR717YE", Value: []byte(`{"iam_id":"IBMid-50GNR717YE"}`),
			},
		},
		"IBM Cloud with a subject": {
			"ibmcloud eyJpYW1faWQiOiJJQk1pZC0zMTAwMDJNNEpGIiwic3ViIjoiYmx1ZW1peF91aV9zb3Rlc3RAbWFpbGluYXRvci5jb20ifQ==",
			osb.Identity{
				Platform: "ibmcloud", User: "IBMid-310002M4JF",
				Value: []byte(`{"iam_id":"IBMid-310002M4JF","sub":"bluemix_ui_sotest@mailinator.com"}`),
			},
		},
		"bare string": {
			"ibmcloud aWJtaWQtNDU2MzQ1WA==",
			osb.Identity{Platform: "ibmcloud", User: "ibmid-456345X", Value: []byte("ibmid-456345X")},
		},
		"bare string with a line feed": {
			"x " + encode("jane doe\n"),
			osb.Identity{Platform: "x", User: "jane doe", Value: []byte("jane doe\n")},
		},
		"bare number": {"x " + encode("4711"), osb.Identity{Platform: "x", User: "4711", Value: []byte("4711")}},
		"JSON string": {
			"x " + encode(` "j\u0061ne" `), osb.Identity{Platform: "x", User: "jane", Value: []byte(` "j\u0061ne" `)},
		},
		"unknown platform": {
			"sapcp " + encode(`{"user_id":"u"}`),
			osb.Identity{Platform: "sapcp", User: "u", Value: []byte(`{"user_id":"u"}`)},
		},
		"several spaces": {
			" cloudfoundry \t  " + encode(`{"user_id":"u"}`) + " ",
			osb.Identity{Platform: "cloudfoundry", User: "u", Value: []byte(`{"user_id":"u"}`)},
		},
		"not padded": {
			"x eyJ1c2VyX2lkIjoidSJ9", osb.Identity{Platform: "x", User: "u", Value: []byte(`{"user_id":"u"}`)},
		},
		"padding left out": {
			"ibmcloud aWJtaWQtNDU2MzQ1WA",
			osb.Identity{Platform: "ibmcloud", User: "ibmid-456345X", Value: []byte("ibmid-456345X")},
		},
		"URL-safe": {
			"x " + base64.URLEncoding.EncodeToString([]byte(`{"user_id":"ü?>~ÿ"}`)),
			osb.Identity{Platform: "x", User: "ü?>~ÿ", Value: []byte(`{"user_id":"ü?>~ÿ"}`)},
		},
		"standard alphabet": {
			"x " + encode(`{"user_id":"ü?>~ÿ"}`),
			osb.Identity{Platform: "x", User: "ü?>~ÿ", Value: []byte(`{"user_id":"ü?>~ÿ"}`)},
		},
		"first of several users": {
			"x " + encode(`{"iam_id":"c","username":"b","user_id":"a"}`),
			osb.Identity{Platform: "x", User: "a", Value: []byte(`{"iam_id":"c","username":"b","user_id":"a"}`)},
		},
		"empty and mistyped users": {
			"x " + encode(`{"iam_id":"c","username":5,"user_id":""}`),
			osb.Identity{Platform: "x", User: "c", Value: []byte(`{"iam_id":"c","username":5,"user_id":""}`)},
		},
		"no user": {"x " + encode(`{}`), osb.Identity{Platform: "x", Value: []byte(`{}`)}},
		"user made safe": {
			"x " + encode(`{"user_id":"a\u0000\n\u009b\u2028b\ud800"}`),
			osb.Identity{Platform: "x", User: "a????b\ufffd", Value: []byte(`{"user_id":"a\u0000\n\u009b\u2028b\ud800"}`)},
		},
		"user cut between runes": {
			"x " + encode("u"+strings.Repeat("ü", 200)),
			osb.Identity{
				Platform: "x", User: "u" + strings.Repeat("ü", 127), Value: []byte("u" + strings.Repeat("ü", 200)),
			},
		},
		"user as long as may be": {
			"x " + encode(strings.Repeat("u", 256)),
			osb.Identity{Platform: "x", User: strings.Repeat("u", 256), Value: []byte(strings.Repeat("u", 256))},
		},
		"platform made safe": {
			"a\x1b\xff" + strings.Repeat("p", 300) + " " + encode("u"),
			osb.Identity{Platform: "a??" + strings.Repeat("p", 253), User: "u", Value: []byte("u")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Decoded = true
			got, err := osb.ParseIdentity(test.header)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("identity differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseIdentityUnreadable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ header, platform string }{
		"nothing":               {"", ""},
		"only a platform":       {"cloudfoundry ", ""},
		"only a value":          {encode(`{"user_id":"u"}`), ""},
		"not Base64":            {"x !!!!", "x"},
		"two values":            {"x " + encode("a") + " " + encode("b"), "x"},
		"Base64 of two kinds":   {"x ab-/", "x"},
		"too much padding":      {"x YQ===", "x"},
		"Base64 cut":            {"x Y", "x"},
		"empty value":           {"x =", "x"},
		"only white space":      {"x " + encode(" \n"), "x"},
		"binary":                {"x " + encode("\xff\xfe"), "x"},
		"broken JSON":           {"x " + encode(`{"user_id":"u"`), "x"},
		"JSON and more":         {"x " + encode(`{"user_id":"u"}{}`), "x"},
		"broken JSON string":    {"x " + encode(`"u`), "x"},
		"JSON string and more":  {"x " + encode(`"u" "v"`), "x"},
		"array":                 {"x " + encode(`["u"]`), "x"},
		"null":                  {"x " + encode(`null`), "x"},
		"user twice":            {"x " + encode(`{"user_id":"u","user_id":"v"}`), "x"},
		"something else broken": {"x " + encode(`{"user_id":"u","x":tru}`), "x"},
		"too long":              {"x " + strings.Repeat("YWFh", 4096), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.ParseIdentity(test.header)
			_ = wantKind(t, err, osb.KindIdentityRequired)
			if diff := cmp.Diff(osb.Identity{Platform: test.platform}, got); diff != "" {
				t.Errorf("identity differs (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseIdentity(f *testing.F) {
	for _, header := range []string{
		"", "ibmcloud aWJtaWQtNDU2MzQ1WA==", "ibmcloud eyJpYW1faWQiOiJJQk1pZC01MEdOUjcxN1lFIn0=", "x  Y", "x ab-_",
		"kubernetes " + encode(`{"username":"d\n","groups":["a"]}`), "x " + encode(`"u"`), "a\tb c",
	} {
		f.Add(header, "")
	}
	f.Add("x ", `{"user_id":"\u0000","username":"b"}`)
	f.Add("x ", `"\ud800`)
	f.Fuzz(func(t *testing.T, header, value string) {
		// Random text is hardly ever Base64, so half of the time the value is encoded here.
		if value != "" {
			header += encode(value)
		}
		got, err := osb.ParseIdentity(header)
		for _, text := range []string{got.Platform, got.User} {
			if text != logText(text) || !utf8.ValidString(text) {
				t.Fatalf("got %q, which is not safe to log", text)
			}
		}
		if err != nil {
			_ = wantKind(t, err, osb.KindIdentityRequired)
			if diff := cmp.Diff(osb.Identity{Platform: got.Platform}, got); diff != "" {
				t.Fatalf("got more than a platform with the error:\n%s", diff)
			}
			return
		}
		if !got.Decoded || !utf8.Valid(got.Value) || len(header) > 16<<10 {
			t.Fatalf("got %+v and no error", got)
		}
		// What was decoded once must be read the same from its usual spelling.
		again, err := osb.ParseIdentity(got.Platform + " " + encode(string(got.Value)))
		if got.Platform == "" || len(header) > 12<<10 {
			return
		}
		if err != nil {
			t.Fatalf("reading the usual spelling: %v", err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("the usual spelling differs (-want +got):\n%s", diff)
		}
		if members, err := readMembers(got.Value); err == nil {
			want := ""
			for _, name := range []string{"iam_id", "username", "user_id"} {
				if text, _ := member(members, name); text != "" {
					want = logText(text)
				}
			}
			if got.User != want {
				t.Fatalf("got user %q, want %q", got.User, want)
			}
		}
	})
}
