package catalogmerge_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	sound := service("a", "n", "p")
	describe := func(text string) string { return strings.Replace(sound, "an offering", text, 1) }
	judge(t, []judgement{
		{"a long description", describe(strings.Repeat("é", 10_000)), nil},
		{"too long a description", describe(strings.Repeat("é", 10_001)), []string{"description too_long"}},
		{"an escaped description", describe(strings.Repeat(`\u00e9`, 10_000)), nil},
		{
			"too long a description of a plan", strings.Replace(sound, "a plan", strings.Repeat("x", 10_001), 1),
			[]string{"plans[0].description too_long"},
		},
		{"long tags", with(sound, `"tags":["`+strings.Repeat("é", 2000)+`","`+strings.Repeat("x", 48)+`"]`), nil},
		{"too long tags", with(sound, `"tags":["`+strings.Repeat("é", 2000)+`","`+strings.Repeat("x", 49)+`"]`), []string{"tags too_long"}},
		{"half a character in a tag", with(sound, `"tags":["\ud800"]`), []string{"tags invalid_text"}},

		{"all permissions", with(sound, `"requires":["syslog_drain","route_forwarding","volume_mount"]`), nil},
		{"no permission", with(sound, `"requires":[]`), nil},
		{"an unknown permission", with(sound, `"requires":["syslog_drain","Syslog_drain"]`), []string{"requires unknown_permission"}},
		{"a number as permission", with(sound, `"requires":[1]`), []string{"requires wrong_type"}},

		{"shareable", with(sound, `"metadata":{"shareable":false}`), nil},
		{"null as shareable", with(sound, `"metadata":{"shareable":null}`), nil},
		{"string as shareable", with(sound, `"metadata":{"shareable":"true"}`), []string{"metadata.shareable wrong_type"}},
		{"shareable twice", with(sound, `"metadata":{"shareable":true,"shareable":true}`), []string{"metadata.shareable duplicate_key"}},
		{"other metadata", with(sound, `"metadata":{"Shareable":1,"x":[1e308,-1E+308,1e-999,"1e999",null]}`), nil},
		{"a huge number in metadata", with(sound, `"metadata":{"x":[{"y":1e309}]}`), []string{"metadata number_range"}},
		{"a long number in metadata", with(sound, `"metadata":{"x":`+strings.Repeat("9", 400)+`}`), []string{"metadata number_range"}},
		{"a huge number elsewhere", with(sound, `"x-example":1e309`), nil},
		{"a huge number in the metadata of a plan", ofPlan(`"metadata":{"x":-1e999}`), []string{"plans[0].metadata number_range"}},

		{"polling", ofPlan(`"maximum_polling_duration":3600`), nil},
		{"polling at the limit", ofPlan(`"maximum_polling_duration":2147483647`), nil},
		{"null as polling", ofPlan(`"maximum_polling_duration":null`), nil},
		{"polling too long", ofPlan(`"maximum_polling_duration":2147483648`), []string{"plans[0].maximum_polling_duration number_range"}},
		{"a fraction as polling", ofPlan(`"maximum_polling_duration":3600.0`), []string{"plans[0].maximum_polling_duration number_range"}},
		{"an exponent as polling", ofPlan(`"maximum_polling_duration":1e3`), []string{"plans[0].maximum_polling_duration number_range"}},
		{"a string as polling", ofPlan(`"maximum_polling_duration":"3600"`), []string{"plans[0].maximum_polling_duration wrong_type"}},
		{"true as polling", ofPlan(`"maximum_polling_duration":true`), []string{"plans[0].maximum_polling_duration wrong_type"}},
		{"false as polling", ofPlan(`"maximum_polling_duration":false`), []string{"(plans[0].maximum_polling_duration wrong_type)"}},
		{"Polling", ofPlan(`"Maximum_polling_duration":"x"`), []string{"(plans[0].maximum_polling_duration misspelt)"}},
		{"other permissions in another case", with(sound, `"Requires":["x"]`), []string{"(requires misspelt)"}},
	})
}

func TestMaintenanceInfo(t *testing.T) {
	t.Parallel()
	of := func(info string) string { return ofPlan(`"maintenance_info":` + info) }
	const path = "plans[0].maintenance_info"
	judge(t, []judgement{
		{"a version", of(`{"version":"1.2.3"}`), nil},
		{"a description", of(`{"description":"d","version":"1.2.3"}`), nil},
		{"null as description", of(`{"description":null,"version":"1.2.3"}`), nil},
		{"none", of(`null`), nil},
		{"a string", of(`"1.2.3"`), []string{path + " wrong_type"}},
		{"a list", of(`[]`), []string{path + " wrong_type"}},
		{"empty", of(`{}`), []string{path + ".version missing"}},
		{"null as version", of(`{"version":null}`), []string{path + ".version wrong_type"}},
		{"a number as version", of(`{"version":1}`), []string{path + ".version wrong_type"}},
		{"no version", of(`{"version":"latest"}`), []string{path + ".version not_semantic_version"}},
		{"a number as description", of(`{"version":"1.2.3","description":1}`), []string{path + ".description wrong_type"}},
		{"another key", of(`{"version":"1.2.3","public":{}}`), []string{path + " unknown_maintenance_info"}},
		{"a key in another case", of(`{"version":"1.2.3","Description":"d"}`), []string{path + " unknown_maintenance_info"}},
		{"version twice", of(`{"version":"1.2.3","version":"1.2.3"}`), []string{path + ".version duplicate_key"}},
		// The limit counts what Cloud Foundry writes: no white space, no escapes but its own.
		{"long", of(`{"version" : "1.2.3",   "description":"` + strings.Repeat(`\u00e9`, 2000-len(`{"version":"1.2.3","description":""}`)) + `"}`), nil},
		{"too long", of(`{"version":"1.2.3","description":"` + strings.Repeat("é", 2001-len(`{"version":"1.2.3","description":""}`)) + `"}`), []string{path + " too_long"}},
		{"too long as HTML", of(`{"version":"1.2.3","description":"` + strings.Repeat("<", 330) + `"}`), []string{path + " too_long"}},
	})
}

func TestSemanticVersions(t *testing.T) {
	t.Parallel()
	good := []string{
		"0.0.0", "1.2.3", "10.20.30", "99999999999999999999.0.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0--",
		"1.0.0-x-y-z.--", "1.0.0+20130313144700", "1.0.0-beta+exp.sha.5114f85", "1.0.0+001", "1.0.0-0a", "1.0.0+a-b", "2.1.1+abcdef",
	}
	bad := []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.x", "01.2.3", "1.02.3", "1.2.03", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.3+",
		"1.2.3+a+b", "1.2.3+a..b", "1.2.3-é", " 1.2.3", "1.2.3 ", "1.2.3\\n", "-1.2.3", "1..3", "1.2.-3", "+1.2.3", "((version))",
	}
	var judgements []judgement
	for _, v := range good {
		judgements = append(judgements, judgement{v, ofPlan(fmt.Sprintf(`"maintenance_info":{"version":"%s"}`, v)), nil})
	}
	for _, v := range bad {
		judgements = append(judgements, judgement{
			"not " + v, ofPlan(fmt.Sprintf(`"maintenance_info":{"version":"%s"}`, v)),
			[]string{"plans[0].maintenance_info.version not_semantic_version"},
		})
	}
	judge(t, judgements)
}
