package osb_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const bindAnswer = `{"credentials":{"uri":"postgres://u:p@host:5432/db","username":"u","password":"p","port":5432,` +
	`"id":9007199254740993,"operation":"not this","state":"nor this"},"endpoints":[{"host":"h","ports":["1","2-3"]}],` +
	`"metadata":{"expires_at":"2030-01-01T00:00:00.0Z"}}`

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want osb.Answer
	}{
		"empty object": {"{}", osb.Answer{Object: true}},
		"with spaces":  {" {\n} ", osb.Answer{Object: true}},
		"bind":         {bindAnswer, osb.Answer{Object: true}},
		"poll":         {`{"state":"in progress","description":"50%"}`, osb.Answer{Object: true, State: "in progress"}},
		"error":        {`{"error":"AsyncRequired","description":"x"}`, osb.Answer{Object: true, Error: "AsyncRequired"}},
		"accepted": {
			`{"operation":"Provision_45"}`, osb.Answer{Object: true, Operation: "Provision_45", HasOperation: true},
		},
		"null operation": {`{"operation":null,"dashboard_url":null}`, osb.Answer{Object: true}},
		"no operation":   {`{"dashboard_url":"https://d"}`, osb.Answer{Object: true}},
		"empty operation": {
			`{"operation":""}`, osb.Answer{Object: true, HasOperation: true},
		},
		"wrong types":       {`{"operation":{"a":1},"state":5,"error":["x"]}`, osb.Answer{Object: true}},
		"names in capitals": {`{"Operation":"a","STATE":"b","Error":"c"}`, osb.Answer{Object: true}},
		"escapes": {
			`{"\u006fperation":"a\/\ud83d\ude00\n\b\f\r\t\"\\"}`,
			osb.Answer{Object: true, Operation: "a/😀\n\b\f\r\t\"\\", HasOperation: true},
		},
		"last of two":             {`{"state":"failed","state":"succeeded"}`, osb.Answer{Object: true, State: "succeeded"}},
		"last of two is a number": {`{"operation":"a","operation":1}`, osb.Answer{Object: true}},
		"not UTF-8": {
			"{\"operation\":\"a\xff\xc3b\"}",
			osb.Answer{Object: true, Operation: "a\ufffd\ufffdb", HasOperation: true},
		},
		"as deep as may be": {
			`{"a":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,"state":"failed"}`,
			osb.Answer{Object: true, State: "failed"},
		},
		"too deep":          {`{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, osb.Answer{}},
		"nothing":           {"", osb.Answer{}},
		"array":             {`[{"state":"failed"}]`, osb.Answer{}},
		"string":            {`"failed"`, osb.Answer{}},
		"null":              {"null", osb.Answer{}},
		"HTML":              {"<html><body>502</body></html>", osb.Answer{}},
		"cut short":         {`{"operation":"a","credentials":{"uri":"x`, osb.Answer{}},
		"cut short, nested": {`{"state":"failed","a":[1`, osb.Answer{}},
		"cut in a name":     {`{"state":"failed","op`, osb.Answer{}},
		"cut in a state":    {`{"state":"fail`, osb.Answer{}},
		"two objects":       {`{"state":"failed"}{}`, osb.Answer{}},
		"byte order mark":   {"\ufeff{}", osb.Answer{}},
		"broken behind":     {`{"state":"failed","x":tru}`, osb.Answer{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := []byte(test.body)
			got := osb.ReadAnswer(body)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("answer differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(referenceReadAnswer(body), got); diff != "" {
				t.Errorf("answer differs from the reference (-want +got):\n%s", diff)
			}
			clear(body)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("answer changed with its body (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	for _, body := range []string{
		"", "{}", bindAnswer, `{"state":"in progress"}`, `{"operation":null,"operation":"\ud83dx"}`, "{\"error\":\"\xff\"}",
		`{"x":[1,-0.5e+3,{"y":[]},true,false,null]} `, `{"state":"failed"}x`, `{"\u0073tate":"\b\f"}`, `{"x":1E999}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if diff := cmp.Diff(referenceReadAnswer(body), osb.ReadAnswer(body)); diff != "" {
			t.Fatalf("differs from encoding/json (-want +got):\n%s", diff)
		}
	})
}

func TestEncodeError(t *testing.T) {
	t.Parallel()
	for want, given := range map[string][2]string{
		`{"error":"BadRequest","description":"<a> & b"}`:          {"BadRequest", "<a> & b"},
		`{"error":"NotFound","description":"say \"what\"\n\\ ü"}`: {"NotFound", "say \"what\"\n\\ ü"},
		`{"error":"NotFound"}`:                                    {"NotFound", ""},
		`{"description":"d"}`:                                     {"", "d"},
		`{}`:                                                      {"", ""},
		`{"error":"BackendFailed","description":"\u0000 \ufffd x"}`: {"BackendFailed", "\x00 \xff x"},
	} {
		got := osb.EncodeError(given[0], given[1])
		if string(got) != want {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
		if answer := osb.ReadAnswer(got); !answer.Object || answer.Error != given[0] {
			t.Errorf("%q: read back as %+v", given, answer)
		}
		if !json.Valid(got) || bytes.HasSuffix(got, []byte("\n")) {
			t.Errorf("%q: got %q, want JSON and nothing behind it", given, got)
		}
	}
}
