package osb_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// otherIDs are ids to be put in the place of others.
var otherIDs = osb.IDs{
	ServiceID: "new service", PlanID: `new "plan"`, PreviousServiceID: "old/service", PreviousPlanID: `old\plan`,
}

func TestRespellBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		ids  osb.IDs
		want string
	}{
		"create": {
			"{ \"plan_id\":\"p\",\n\t\"service_id\" : \"s\",\"parameters\":{\"n\":12345678901234567890,\"service_id\":\"s\",\"u\":\"\\u00e9\"} }\n",
			otherIDs,
			"{ \"plan_id\":\"new \\\"plan\\\"\",\n\t\"service_id\" : \"new service\"," +
				"\"parameters\":{\"n\":12345678901234567890,\"service_id\":\"s\",\"u\":\"\\u00e9\"} }\n",
		},
		"update": {
			ibmUpdate, otherIDs,
			strings.NewReplacer(`"new"`, `"new \"plan\""`, `"old"`, `"old\\plan"`, `"s0"`, `"old/service"`, `"s"}`, `"new service"}`).
				Replace(ibmUpdate),
		},
		"escaped names and values": {
			`{"s\u0065rvice_id":"\u0061\/\ud83d\ude00","plan_id":"\"\\"}`,
			osb.IDs{ServiceID: "s", PlanID: "ü<&>\n\u2028"},
			`{"s\u0065rvice_id":"s","plan_id":"ü<&>\n\u2028"}`,
		},
		"one of them":            {`{"service_id":"s","plan_id":"p"}`, osb.IDs{PlanID: "q"}, `{"service_id":"s","plan_id":"q"}`},
		"the same ids":           {`{"service_id":"\u0073"}`, osb.IDs{ServiceID: "s"}, `{"service_id":"\u0073"}`},
		"no ids to put":          {`{"service_id":"s"}`, osb.IDs{}, `{"service_id":"s"}`},
		"nothing to put them in": {`{"service_id":null,"plan_id":"","previous_values":[]}`, otherIDs, `{"service_id":null,"plan_id":"","previous_values":[]}`},
		"only previous values":   {`{"previous_values":{"plan_id":"p"}}`, otherIDs, `{"previous_values":{"plan_id":"old\\plan"}}`},
		"not a body":             {`{"service_id":"s","service_id":"s"}`, otherIDs, `{"service_id":"s","service_id":"s"}`},
		"empty":                  {"", otherIDs, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := []byte(test.body)
			got := osb.RespellBody(body, test.ids)
			if diff := cmp.Diff(strings.ReplaceAll(test.want, "\u2028", `\u2028`), string(got)); diff != "" {
				t.Errorf("the body differs (-want +got):\n%s", diff)
			}
			if string(body) != test.body {
				t.Error("the body given is changed")
			}
		})
	}
}

func TestRespellFetched(t *testing.T) {
	t.Parallel()
	spell := func(service, plan string) (string, string) { return "x-" + service, "x-" + plan }
	for name, test := range map[string]struct{ answer, want string }{
		"both": {
			`{"parameters":{"plan_id":"p"}, "plan_id" : "p","service_id":"\u0073","n":1.0}`,
			`{"parameters":{"plan_id":"p"}, "plan_id" : "x-p","service_id":"x-s","n":1.0}`,
		},
		"one":                          {`{"service_id":"s"}`, `{"service_id":"x-s"}`},
		"neither":                      {`{"dashboard_url":"d"}`, `{"dashboard_url":"d"}`},
		"not strings":                  {`{"service_id":5,"plan_id":{"a":1}}`, `{"service_id":5,"plan_id":{"a":1}}`},
		"null":                         {`{"service_id":null,"plan_id":"p"}`, `{"service_id":null,"plan_id":"x-p"}`},
		"in another case":              {`{"Service_ID":"s","plan_id":"p"}`, `{"Service_ID":"s","plan_id":"x-p"}`},
		"not UTF-8":                    {"{\"x\":\"\xff\",\"plan_id\":\"p\"}", "{\"x\":\"\xff\",\"plan_id\":\"x-p\"}"},
		"others twice":                 {`{"a":1,"a":2,"plan_id":"p"}`, `{"a":1,"a":2,"plan_id":"x-p"}`},
		"twice":                        {`{"service_id":"s","plan_id":"p","service_id":"s"}`, ""},
		"twice, one of them no string": {`{"service_id":"s","service_id":null}`, ""},
		"twice, in another case":       {`{"service_id":"s","Service_Id":"t"}`, ""},
		"twice, escaped":               {`{"service_id":"s","service\u005fid":"t"}`, ""},
		"array":                        {`[{"service_id":"s"}]`, ""},
		"string":                       {`"service_id"`, ""},
		"cut short":                    {`{"service_id":"s","plan_id":"p"`, ""},
		"cut in a value":               {`{"service_id":"s`, ""},
		"something behind":             {`{"service_id":"s"}{}`, ""},
		"broken":                       {`{"service_id":"s","x":tru}`, ""},
		"nothing":                      {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := test.want
			if want == "" {
				want = test.answer
			}
			if got := osb.RespellFetched([]byte(test.answer), spell); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestRespellQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		raw  string
		ids  osb.IDs
		want string
	}{
		"poll": {
			"operation=a+b%20c%2f&service_id=s&plan_id=p&x=%zz",
			osb.IDs{ServiceID: "new", PlanID: "a b+c/&=ü"},
			"operation=a+b%20c%2f&service_id=new&plan_id=a%20b%2Bc%2F%26%3D%C3%BC&x=%zz",
		},
		"escaped names":  {"service%5Fid=s&%70lan_id=p", otherIDs, "service%5Fid=new%20service&%70lan_id=new%20%22plan%22"},
		"one of them":    {"plan_id=p&service_id=s", osb.IDs{ServiceID: "t"}, "plan_id=p&service_id=t"},
		"empty ones":     {"service_id&plan_id=&&=&", otherIDs, "service_id&plan_id=&&=&"},
		"no ids":         {"accepts_incomplete=true&a=b&", otherIDs, "accepts_incomplete=true&a=b&"},
		"values with =":  {"service_id=a=b&c=d", osb.IDs{ServiceID: "t"}, "service_id=t&c=d"},
		"nothing to put": {"service_id=s", osb.IDs{}, "service_id=s"},
		"nothing":        {"", otherIDs, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := osb.RespellQuery(test.raw, test.ids); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// instead is what should be read once an id was put in the place of another.
func instead(before, id string) string {
	if before == "" || id == "" {
		return before
	}
	return id
}

// jsonSpan is where the string of a member stands in a text, quotes included.
type jsonSpan struct{ start, end int }

// spansOf finds the strings of members by their paths, such as previous_values.plan_id, with encoding/json.
func spansOf(t *testing.T, data []byte, paths ...string) map[string]jsonSpan {
	t.Helper()
	spans := make(map[string]jsonSpan)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var names []string // of the objects around, with an empty one for each array
	var kinds []json.Delim
	key := ""
	for {
		inObject := len(kinds) > 0 && kinds[len(kinds)-1] == '{'
		before := int(decoder.InputOffset())
		token, err := decoder.Token()
		if err != nil {
			return spans
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				names, kinds = append(names, key), append(kinds, token)
			} else {
				names, kinds = names[:len(names)-1], kinds[:len(kinds)-1]
			}
			key = ""
			continue
		case string:
			if inObject && key == "" {
				key = "." + token // whatever follows is its value
				continue
			}
			path := strings.TrimPrefix(strings.Join(names, "")+key, ".")
			for _, wanted := range paths {
				if path == wanted && inObject {
					spans[path] = jsonSpan{before + bytes.IndexByte(data[before:], '"'), int(decoder.InputOffset())}
				}
			}
		}
		key = ""
	}
}

// exchanged writes strings anew where they stand, in the plainest way.
func exchanged(t *testing.T, data []byte, spans map[string]jsonSpan, ids map[string]string) string {
	t.Helper()
	text := string(data)
	for len(spans) > 0 {
		last := ""
		for path, span := range spans {
			if last == "" || span.start > spans[last].start {
				last = path
			}
		}
		span := spans[last]
		delete(spans, last)
		var was string
		if err := json.Unmarshal([]byte(text[span.start:span.end]), &was); err != nil {
			t.Fatal(err)
		}
		if was == "" || ids[last] == "" || was == ids[last] {
			continue
		}
		var quoted bytes.Buffer
		encoder := json.NewEncoder(&quoted)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(ids[last]); err != nil {
			t.Fatal(err)
		}
		text = text[:span.start] + strings.TrimSpace(quoted.String()) + text[span.end:]
	}
	return text
}

// FuzzRespellBody: what is read afterwards are the new ids, and every other byte is what it was.
func FuzzRespellBody(f *testing.F) {
	for _, body := range []string{
		cloudFoundryProvision, ibmUpdate, "", "{}", `{"service_id":"","plan_id":null}`, `{"s\u0065rvice_id":"\ud83d\ude00"}`,
		`{"previous_values":{"plan_id":"p","x":{"plan_id":"y"}},"x":[{"service_id":"z"}],"service_id":"s"} `,
		"{\"previous_values\":{\"service_id\":\"\x7f\"},\"service_id\":\"s\"}",
	} {
		f.Add([]byte(body), "service", "plan", "old service", "old \"plan\"")
		f.Add([]byte(body), "", "ü\u2028\ufffd", "\\", "")
	}
	f.Fuzz(func(t *testing.T, body []byte, service, plan, oldService, oldPlan string) {
		before, err := osb.ReadBody(body)
		kept := string(body)
		ids := osb.IDs{ServiceID: service, PlanID: plan, PreviousServiceID: oldService, PreviousPlanID: oldPlan}
		got := osb.RespellBody(body, ids)
		if string(body) != kept {
			t.Fatal("the body given is changed")
		}
		if err != nil {
			if string(got) != kept {
				t.Fatalf("a body that is refused was changed to %q", got)
			}
			return
		}
		for _, id := range []string{service, plan, oldService, oldPlan} {
			if !fitID(id) {
				return
			}
		}
		after, err := osb.ReadBody(got)
		if err != nil {
			t.Fatalf("%q is refused: %v", got, err)
		}
		want := before
		want.ServiceID, want.PlanID = instead(before.ServiceID, service), instead(before.PlanID, plan)
		want.PreviousServiceID = instead(before.PreviousServiceID, oldService)
		want.PreviousPlanID = instead(before.PreviousPlanID, oldPlan)
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("read back (-want +got):\n%s", diff)
		}
		byPath := map[string]string{
			"service_id": service, "plan_id": plan, "previous_values.service_id": oldService, "previous_values.plan_id": oldPlan,
		}
		spans := spansOf(t, body, "service_id", "plan_id", "previous_values.service_id", "previous_values.plan_id")
		if want := exchanged(t, body, spans, byPath); string(got) != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// FuzzRespellFetched: an answer that is changed has the new ids, and every other byte is what it was.
func FuzzRespellFetched(f *testing.F) {
	for _, answer := range []string{
		"", "{}", `{"service_id":"s","plan_id":"p","parameters":{"service_id":"x"}}`, `{"plan_id":1,"service_id":"\u00e9"}`,
		`{"service_id":"s","Service_id":"t"}`, "{\"x\":\"\xff\",\"service_id\":\"a\xffb\"}", `{"service_id":"s"}x`,
	} {
		f.Add([]byte(answer), "service", "plan")
		f.Add([]byte(answer), "\"\\\u2028", "")
	}
	f.Fuzz(func(t *testing.T, answer []byte, service, plan string) {
		kept := string(answer)
		asked := 0
		got := osb.RespellFetched(answer, func(string, string) (string, string) { asked++; return service, plan })
		if string(answer) != kept || asked > 1 {
			t.Fatalf("the answer given is changed, or asked about %d times", asked)
		}
		if !json.Valid(answer) {
			if string(got) != kept {
				t.Fatalf("what is not JSON was changed to %q", got)
			}
			return
		}
		if string(got) == kept || !utf8.ValidString(service) || !utf8.ValidString(plan) {
			return
		}
		ids := map[string]string{"service_id": service, "plan_id": plan}
		if want := exchanged(t, answer, spansOf(t, answer, "service_id", "plan_id"), ids); string(got) != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// FuzzRespellQuery: what is read afterwards are the new ids, and the other parameters are byte for byte what they were.
func FuzzRespellQuery(f *testing.F) {
	for _, raw := range []string{
		"", pollQuery, "service%5Fid=a+b&x=%zz&&=", "plan_id&service_id=", "operation=%7B%22a%22%3A+1%7D&plan_id=a=b",
	} {
		f.Add(raw, "service", "a b+c&d=e/ü")
		f.Add(raw, "", "%")
	}
	f.Fuzz(func(t *testing.T, raw, service, plan string) {
		got := osb.RespellQuery(raw, osb.IDs{ServiceID: service, PlanID: plan})
		was, is := strings.Split(raw, "&"), strings.Split(got, "&")
		if len(was) != len(is) {
			t.Fatalf("%q has %d parts, %q %d", raw, len(was), got, len(is))
		}
		for i := range was {
			key, value, _ := strings.Cut(was[i], "=")
			name, err := url.QueryUnescape(key)
			id := map[string]string{"service_id": service, "plan_id": plan}[name]
			if err != nil || value == "" || id == "" {
				if is[i] != was[i] {
					t.Errorf("the part %q became %q", was[i], is[i])
				}
				continue
			}
			newKey, newValue, _ := strings.Cut(is[i], "=")
			if read, err := url.QueryUnescape(newValue); newKey != key || err != nil || read != id {
				t.Errorf("the part %q became %q, which reads %q", was[i], is[i], read)
			}
			if strings.ContainsAny(newValue, "+ ") {
				t.Errorf("%q has a space that not every reader takes for one", newValue)
			}
		}
		before, err := osb.ParseQuery(raw)
		if err != nil || !fitID(service) || !fitID(plan) {
			return
		}
		want := before
		want.ServiceID, want.PlanID = instead(before.ServiceID, service), instead(before.PlanID, plan)
		if after, err := osb.ParseQuery(got); err != nil || after != want {
			t.Errorf("read back: got %+v (error %v), want %+v", after, err, want)
		}
	})
}

func BenchmarkRespellBody(b *testing.B) {
	body := []byte(cloudFoundryProvision)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if got := osb.RespellBody(body, osb.IDs{ServiceID: "service", PlanID: "plan"}); len(got) == len(body) {
			b.Fatal("nothing was put in")
		}
	}
}
