package osb_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

func TestParseQuery(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		raw  string
		want osb.Query
	}{
		"nothing": {"", osb.Query{}},
		"everything": {
			"accepts_incomplete=true&plan_id=p&service_id=s&operation=Provision_45",
			osb.Query{ServiceID: "s", PlanID: "p", Operation: "Provision_45", AcceptsIncomplete: true},
		},
		"escapes": {
			"service_id=a%2Fb%26c&plan_id=gr%C3%BC%C3%9Fe&operation=%7B%22a%22%3A+1%7D",
			osb.Query{ServiceID: "a/b&c", PlanID: "grüße", Operation: `{"a": 1}`},
		},
		"escaped names":           {"service%5Fid=s&%70lan_id=p", osb.Query{ServiceID: "s", PlanID: "p"}},
		"names in another case":   {"Service_ID=s&PLAN_ID=p", osb.Query{}},
		"value with equals signs": {"operation=a=b==", osb.Query{Operation: "a=b=="}},
		"semicolons": {
			"service_id=a;plan_id=b&plan_id=c;d", osb.Query{ServiceID: "a;plan_id=b", PlanID: "c;d"},
		},
		"no values":                      {"service_id&plan_id=&accepts_incomplete", osb.Query{}},
		"empty parts":                    {"&&service_id=s&&", osb.Query{ServiceID: "s"}},
		"operation that is not UTF-8":    {"operation=%FF%00", osb.Query{Operation: "\xff\x00"}},
		"incomplete not accepted":        {"accepts_incomplete=false", osb.Query{}},
		"incomplete in another spelling": {"accepts_incomplete=TRUE", osb.Query{}},
		"incomplete, escaped":            {"accepts_incomplete=%74rue", osb.Query{AcceptsIncomplete: true}},
		"incomplete, broken escape":      {"accepts_incomplete=%zz", osb.Query{}},
		"incomplete twice": {
			"accepts_incomplete=true&accepts_incomplete=false", osb.Query{AcceptsIncomplete: true},
		},
		"incomplete twice, first decides": {"accepts_incomplete=false&accepts_incomplete=true", osb.Query{}},
		"other parameters": {
			"last_poll_time=1&last_poll_time=2&x=%zz&%zz=1&=y&service_id=s",
			osb.Query{ServiceID: "s"},
		},
		"long operation": {
			"operation=" + strings.Repeat("%F0%9F%98%80", 10_000),
			osb.Query{Operation: strings.Repeat("😀", 10_000)},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := osb.ParseQuery(test.raw)
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("query differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseQueryBad(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"service_id twice":           "service_id=a&service_id=b",
		"service_id twice, the same": "service_id=a&plan_id=p&service_id=a",
		"service_id twice, empty":    "service_id=a&service_id=",
		"plan_id twice":              "plan_id=a&plan_id",
		"operation twice":            "operation=&operation=",
		"twice by escapes":           "service_id=a&service%5fid=b",
		"broken service_id":          "service_id=%",
		"broken plan_id":             "plan_id=%4",
		"broken operation":           "operation=a%zzb",
		"service_id not UTF-8":       "service_id=%ff",
		"plan_id with controls":      "plan_id=a%0ab",
		"service_id too long":        "service_id=" + strings.Repeat("a", 1025),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := osb.ParseQuery(raw)
			_ = wantKind(t, err, osb.KindBadRequest)
		})
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, raw := range []string{
		"", "accepts_incomplete=true&plan_id=p&service_id=s&operation=Provision_45", "service%5Fid=a+b&x=%zz",
		"service_id=a&service_id=b", "plan_id=a;b", "operation=%7B%22a%22%3A+1%7D&=&&", "accepts_incomplete=%74rue",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := osb.ParseQuery(raw)
		values, wantErr := url.ParseQuery(raw)
		if wantErr != nil {
			return
		}
		if err != nil {
			_ = wantKind(t, err, osb.KindBadRequest)
			for _, name := range []string{"service_id", "plan_id", "operation"} {
				if len(values[name]) > 1 || (name != "operation" && !fitID(values.Get(name))) {
					return
				}
			}
			t.Fatalf("got error %v for what url.ParseQuery reads as %v", err, values)
		}
		want := osb.Query{
			ServiceID:         values.Get("service_id"),
			PlanID:            values.Get("plan_id"),
			Operation:         values.Get("operation"),
			AcceptsIncomplete: values.Get("accepts_incomplete") == "true",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("differs from url.ParseQuery (-want +got):\n%s", diff)
		}
	})
}
