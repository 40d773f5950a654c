package osb_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

const (
	cloudFoundryProvision = `{
		"service_id": "s", "plan_id": "p", "organization_guid": "o", "space_guid": "sp",
		"context": {"platform": "cloudfoundry", "organization_guid": "o", "organization_name": "acme", "space_guid": "sp",
			"space_name": "dev", "instance_name": "db", "organization_annotations": {"a/b": "c"}},
		"parameters": {"big": 123456789012345678901234567890, "list": [1, -2.5e+10, true, false, null, "x\n"]},
		"maintenance_info": {"version": "2.1.1+abcdef"}
	}`
	ibmUpdate = `{"context":{"account_id":"499b176abb3e1c9727df87ae48b27c7b","crn":"crn:v1:bluemix:public:mydb:us-south:` +
		`a\/499b176abb3e1c9727df87ae48b27c7b:7f0d2b93-fd4a-4ce9-8675-978d20b1e0b7::","platform":"ibmcloud",` +
		`"target_crn":"crn:v1:bluemix:public:resource-catalog::a\/e97a::deployment:e62e%3Aus-south38399"}, ` +
		`"parameters":{"parameter1":1, "parameter2":"value"}, "plan_id":"new", "previous_values":{"plan_id":"old", ` +
		`"service_id":"s0"}, "service_id":"s"}`
)

func TestReadBody(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		data string
		want osb.Body
	}{
		"empty object": {" {\t}\r\n", osb.Body{}},
		"Cloud Foundry provision": {cloudFoundryProvision, osb.Body{
			ServiceID: "s", PlanID: "p",
			Context: osb.Context{
				Platform: "cloudfoundry", Organization: "o", Space: "sp", InstanceName: "db",
			},
		}},
		"IBM Cloud update": {ibmUpdate, osb.Body{
			ServiceID: "s", PlanID: "new", PreviousServiceID: "s0", PreviousPlanID: "old",
			Context: osb.Context{Platform: "ibmcloud", Account: "499b176abb3e1c9727df87ae48b27c7b", CRN: crn},
		}},
		"Kubernetes provision": {
			`{"service_id":"s","plan_id":"p","context":{"platform":"kubernetes","namespace":"n","clusterid":"c",` +
				`"instance_name":"i"},"organization_guid":"c","space_guid":"u"}`,
			osb.Body{ServiceID: "s", PlanID: "p", Context: osb.Context{
				Platform: "kubernetes", Namespace: "n", Cluster: "c", InstanceName: "i", Organization: "c", Space: "u",
			}},
		},
		"Korifi bind": {
			`{"service_id":"s","plan_id":"p","app_guid":"","bind_resource":{"app_guid":""},"parameters":null}`,
			osb.Body{ServiceID: "s", PlanID: "p"},
		},
		"IBM Cloud disable": {
			`{"enabled":false,"initiator_id":"null","reason_code":"IBMCLOUD_RECLAMATION_SCHEDULE"}`,
			osb.Body{},
		},
		"rotation": {`{"predecessor_binding_id":"b"}`, osb.Body{PredecessorBindingID: "b"}},
		"null is absent": {
			`{"service_id":null,"plan_id":null,"previous_values":null,"context":null,"predecessor_binding_id":null}`,
			osb.Body{},
		},
		"organization beside an empty one": {
			`{"context":{"organization_guid":"","space_guid":null},"organization_guid":"o","space_guid":"sp"}`,
			osb.Body{Context: osb.Context{Organization: "o", Space: "sp"}},
		},
		"escaped names and values": {
			`{"s\u0065rvice_id":"\u0061\/\ud83d\ude00","plan_id":"\"\\"}`,
			osb.Body{ServiceID: "a/😀", PlanID: `"\`},
		},
		"half a surrogate pair": {`{"service_id":"\ud83dx\ude00\ud83d\u0041"}`, osb.Body{ServiceID: "�x��A"}},
		"context and previous_values of another type": {
			`{"service_id":"s","context":"none","previous_values":["service_id"]}`, osb.Body{ServiceID: "s"},
		},
		"context fields of another type": {
			`{"context":{"platform":5,"crn":{"crn":"x"},"namespace":["n"],"clusterid":true,"instance_name":"i"}}`,
			osb.Body{Context: osb.Context{InstanceName: "i"}},
		},
		"organization of another type": {`{"organization_guid":7,"space_guid":{}}`, osb.Body{}},
		"names twice where nothing is read": {
			`{"service_id":"s","parameters":{"a":1,"a":2,"service_id":"x","Service_ID":"y"}}`, osb.Body{ServiceID: "s"},
		},
		"unread names that differ in case": {`{"x":1,"X":2,"context":{"foo":1,"FOO":2}}`, osb.Body{}},
		"read names of the context in another case": {
			`{"context":{"Platform":"a","platform":"b","PLATFORM":5,"\u0043RN":"c","ſpace_guid":"d"},"space_guid":"sp"}`,
			osb.Body{Context: osb.Context{Platform: "b", Space: "sp"}},
		},
		"names elsewhere": {`{"bind_resource":{"service_id":5},"x":[{"plan_id":6}]}`, osb.Body{}},
		"audit texts made safe": {
			`{"context":{"instance_name":"a\nb\u0085c\u202ed","namespace":"` + strings.Repeat("ü", 200) + `"}}`,
			osb.Body{Context: osb.Context{InstanceName: "a?b?c?d", Namespace: strings.Repeat("ü", 128)}},
		},
		"ids as long as may be": {
			`{"service_id":"` + strings.Repeat("s", 1024) + `"}`, osb.Body{ServiceID: strings.Repeat("s", 1024)},
		},
		"deep, but not too deep": {
			`{"service_id":"s","x":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `}`,
			osb.Body{ServiceID: "s"},
		},
		"many names": {manyNames(1000, ""), osb.Body{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.ReadBody([]byte(test.data))
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("body differs (-want +got):\n%s", diff)
			}
			if want, err := referenceReadBody([]byte(test.data)); err != nil || want != got {
				t.Errorf("the reference reads %+v (error %v), want %+v", want, err, got)
			}
		})
	}
}

// manyNames is an object of n different names and one more.
func manyNames(n int, another string) string {
	var b strings.Builder
	b.WriteString(`{"`)
	for i := range n {
		b.WriteString(strconv.Itoa(i) + `":0,"`)
	}
	b.WriteString(another + `":0}`)
	return b.String()
}

func TestReadBodyBad(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing": "", "white space": " \n", "not an object": `"service_id"`, "array": `[{"service_id":"s"}]`,
		"null": "null", "number": "1", "byte order mark": "\ufeff{}",
		"two objects": `{"service_id":"a"}{"service_id":"b"}`, "text behind": `{} x`, "NUL behind": "{}\x00",
		"cut in an object": `{"service_id":"s"`, "cut in a string": `{"service_id":"s`, "cut in a name": `{"service`,
		"cut behind a name": `{"x"`, "cut behind a colon": `{"x":`, "cut behind a comma": `{"x":1,`,
		"cut in an escape": `{"x":"\`, "cut in a long escape": `{"x":"\u12`, "cut in a word": `{"x":tru`,
		"trailing comma": `{"x":1,}`, "trailing comma in an array": `{"x":[1,]}`, "only a comma": `{,}`,
		"no comma": `{"x":1 "y":2}`, "no colon": `{"x" 1}`, "no value": `{"x":}`, "name not a string": `{x:1}`,
		"wrong bracket": `{"x":[1}}`, "wrong brace": `{"x":{"y":1]}`, "nested without a name": `{"x":{1}}`,
		"leading zero": `{"x":01}`, "plus sign": `{"x":+1}`, "bare minus": `{"x":-}`, "bare point": `{"x":1.}`,
		"bare exponent": `{"x":1e}`, "no digit first": `{"x":.5}`, "hex number": `{"x":0x1}`, "NaN": `{"x":NaN}`,
		"wrong word": `{"x":True}`, "word too long": `{"x":nullx}`, "comment": `{/**/}`, "single quotes": `{'x':1}`,
		"wrong escape": `{"x":"\x41"}`, "wrong hex": `{"x":"\u00g0"}`, "control character": "{\"x\":\"a\nb\"}",
		"not UTF-8 in an id": "{\"service_id\":\"\xff\"}", "not UTF-8 elsewhere": "{\"x\":\"\xc3\"}",
		"surrogate in UTF-8": "{\"x\":\"\xed\xa0\x80\"}",

		"service_id twice":           `{"service_id":"a","service_id":"a"}`,
		"service_id twice, one null": `{"service_id":"a","service_id":null}`,
		"service_id twice, escaped":  `{"service_id":"a","service\u005fid":"b"}`,
		"plan_id twice":              `{"plan_id":"a","x":{},"plan_id":"b"}`,
		"unread name twice":          `{"x":1,"x":1}`,
		"context twice":              `{"context":{},"context":{}}`,
		"previous_values twice":      `{"previous_values":{},"previous_values":null}`,
		"twice in previous_values":   `{"previous_values":{"plan_id":"a","plan_id":"b"}}`,
		"twice in context":           `{"context":{"platform":"a","platform":"b"}}`,
		"unread twice in context":    `{"context":{"x":"a","x":"b"}}`,
		"twice among many names":     manyNames(1000, "7"),
		"two spellings":              `{"service_id":"a","Service_ID":"b"}`,
		"another spelling":           `{"SERVICE_ID":"a"}`,
		"another spelling by a rune": `{"ſervice_id":"a"}`,
		"another spelling, escaped":  `{"\u0050lan_id":"a"}`,
		"context, another spelling":  `{"Context":{}}`,
		"another spelling nested":    `{"previous_values":{"Plan_id":"a"}}`,
		"twice in another spelling":  `{"context":{"Platform":"a","Platform":"a"}}`,

		"service_id a number":  `{"service_id":5}`,
		"service_id an object": `{"service_id":{}}`,
		"service_id an array":  `{"service_id":["a"]}`,
		"plan_id a boolean":    `{"plan_id":false}`,
		"previous plan_id":     `{"previous_values":{"plan_id":1}}`,
		"previous service_id":  `{"previous_values":{"service_id":[]}}`,
		"predecessor":          `{"predecessor_binding_id":1}`,
		"id with controls":     `{"service_id":"a\u0000b"}`,
		"id with a C1 control": `{"plan_id":"\u0085"}`,
		"id too long":          `{"plan_id":"` + strings.Repeat("p", 1025) + `"}`,
		"previous id too long": `{"previous_values":{"plan_id":"` + strings.Repeat("p", 1025) + `"}}`,
		"predecessor with DEL": "{\"predecessor_binding_id\":\"\x7f\"}",
		"too deep":             `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"too deep in context": `{"context":{"x":` + strings.Repeat(`{"a":`, 9999) + `1` +
			strings.Repeat("}", 9999) + `}}`,
		"much too deep":           strings.Repeat(`{"a":`, 1<<20),
		"much too deep, unclosed": `{"x":` + strings.Repeat("[", 1<<20),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.ReadBody([]byte(data))
			_ = wantKind(t, err, osb.KindBadRequest)
			if diff := cmp.Diff(osb.Body{}, got); diff != "" {
				t.Errorf("got something with the error (-want +got):\n%s", diff)
			}
			if want, err := referenceReadBody([]byte(data)); err == nil {
				t.Errorf("the reference reads %+v", want)
			}
		})
	}
}

// A Body outlives its request in records, so it must be no part of the request's memory.
func TestReadBodyKeepsNothingOfData(t *testing.T) {
	t.Parallel()
	data := []byte(cloudFoundryProvision)
	got, err := osb.ReadBody(data)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	clear(data)
	want, err := osb.ReadBody([]byte(cloudFoundryProvision))
	if err != nil {
		t.Fatalf("reading again: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body changed with its data (-want +got):\n%s", diff)
	}
}

func FuzzReadBody(f *testing.F) {
	for _, data := range []string{
		"", "{}", cloudFoundryProvision, ibmUpdate, `{"service_id":"\ud83d\ude00","Service_ID":null}`,
		`{"context":{"a":1,"a":2},"previous_values":{"plan_id":"\u0000"},"x":[1,-0.5e+3,{"y":[]}]}`, "{\"x\":\"\xff\"}",
		`{"plan_id":"p","predecessor_binding_id":"b","organization_guid":5,"context":{"space_guid":"s\u2028"}} `,
		`{"ſervice_id":"a"}`, manyNames(30, "7"),
		`{"context":{"Platform":"a","PLATFORM":"b"},"previous_values":{"Plan_id":"c"}}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := osb.ReadBody(data)
		want, wantErr := referenceReadBody(data)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got error %v, the reference has %v", err, wantErr)
		}
		if err != nil {
			_ = wantKind(t, err, osb.KindBadRequest)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs from the reference (-want +got):\n%s", diff)
		}
	})
}
