package catalogmerge_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchemaStructure(t *testing.T) {
	t.Parallel()
	schema := draft4Schema(`"type":"object"`)
	of := func(schemas string) string { return ofPlan(`"schemas":` + schemas) }
	const path = "plans[0].schemas"
	judge(t, []judgement{
		{"none", of(`null`), nil},
		{"empty", of(`{}`), nil},
		{
			"all", of(`{"service_instance":{"create":{"parameters":` + schema + `},"update":{"parameters":` + schema + `}},` +
				`"service_binding":{"create":{"parameters":` + schema + `}}}`), nil,
		},
		{"nulls", of(`{"service_instance":{"create":null,"update":{"parameters":null}},"service_binding":null}`), nil},
		{"nothing inside", of(`{"service_instance":{"create":{},"update":{}},"service_binding":{}}`), nil},
		{"a string", of(`"x"`), []string{path + " wrong_type"}},
		{"false", of(`false`), []string{path + " wrong_type"}},
		{"a string for instances", of(`{"service_instance":"x"}`), []string{path + ".service_instance wrong_type"}},
		{"a list for bindings", of(`{"service_binding":[]}`), []string{path + ".service_binding wrong_type"}},
		{"a number as create", of(`{"service_instance":{"create":1}}`), []string{path + ".service_instance.create wrong_type"}},
		{"a number as update", of(`{"service_instance":{"update":1}}`), []string{path + ".service_instance.update wrong_type"}},
		{
			"strings as parameters",
			of(`{"service_instance":{"create":{"parameters":"{}"}},"service_binding":{"create":{"parameters":true}}}`),
			[]string{path + ".service_instance.create.parameters wrong_type", path + ".service_binding.create.parameters wrong_type"},
		},
		{
			"parameters twice", of(`{"service_instance":{"create":{"parameters":` + schema + `,"parameters":{}}}}`),
			[]string{path + ".service_instance.create.parameters duplicate_key"},
		},
		{
			"update of a binding is nobody's", of(`{"service_binding":{"update":{"parameters":1}}}`), nil,
		},
		{
			"a wrong schema for updates", of(`{"service_instance":{"update":{"parameters":{}}}}`),
			[]string{path + ".service_instance.update.parameters schema_draft"},
		},
	})
}

// draft4Schema returns a schema with these members.
func draft4Schema(members string) string {
	return `{"$schema":"http://json-schema.org/draft-04/schema#",` + members + `}`
}

// nested returns a schema that holds another of the kind, and so on.
func nested(levels int) string {
	return draft4Schema(`"not":` + strings.Repeat(`{"not":`, levels-2) + `{}` + strings.Repeat(`}`, levels-2))
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	draft := func(name string) string { return `{"$schema":"` + name + `","type":"object"}` }
	padded := func(chars int) string {
		empty := draft4Schema(`"title":""`)
		return draft4Schema(`"title":"` + strings.Repeat("é", chars-len(empty)) + `"`)
	}
	var manyProperties, manyReferences strings.Builder
	for i := range 1100 {
		fmt.Fprintf(&manyProperties, `"p%d":{},`, i)
	}
	for i := range 201 {
		fmt.Fprintf(&manyReferences, `"p%d":{"$ref":"#/properties/last"},`, i)
	}
	tests := []struct {
		name, schema string
		want         []string
	}{
		{"a usual one", draft4Schema(`"type":"object","properties":{"size":{"type":"integer","minimum":1,"default":3}},"required":["size"]`), nil},
		{"of no type", draft4Schema(`"title":"anything"`), nil},

		{"no $schema", `{"type":"object"}`, []string{"schema_draft"}},
		{"empty", `{}`, []string{"schema_draft"}},
		{"null as $schema", `{"$schema":null}`, []string{"schema_draft", "schema_malformed"}},
		{"a number as $schema", `{"$schema":4}`, []string{"schema_draft", "schema_malformed"}},
		{"draft 4", draft("http://json-schema.org/draft-04/schema#"), nil},
		{"draft 4 without fragment", draft("http://json-schema.org/draft-04/schema"), nil},
		{"draft 4 over TLS", draft("https://json-schema.org/draft-04/schema#"), []string{"schema_draft"}},
		{"draft 6", draft("http://json-schema.org/draft-06/schema#"), nil},
		{"draft 7", draft("http://json-schema.org/draft-07/schema#"), []string{"schema_draft"}},
		{"draft 2019-09", draft("https://json-schema.org/draft/2019-09/schema"), []string{"schema_draft"}},
		{"draft 2020-12", draft("https://json-schema.org/draft/2020-12/schema"), []string{"schema_draft"}},
		{"the latest", draft("http://json-schema.org/schema#"), []string{"schema_draft"}},
		{"draft 3", draft("http://json-schema.org/draft-03/schema#"), []string{"(schema_draft)"}},
		{"hyper-schema", draft("http://json-schema.org/draft-04/hyper-schema#"), []string{"(schema_draft)"}},
		{"somebody's own", draft("https://schemas.example.com/own"), []string{"schema_draft"}},
		{"a file", draft("file:///etc/passwd"), []string{"schema_draft"}},
		{"another draft inside", draft4Schema(`"properties":{"a":{"$schema":"http://json-schema.org/draft-07/schema#"}}`), []string{"schema_draft"}},
		{"a property called $schema", draft4Schema(`"properties":{"$schema":{"type":"string"}}`), nil},

		{"64 KiB", padded(65_536), nil},
		{"more than 64 KiB", padded(65_537), []string{"schema_too_large"}},
		{"more than 64 KiB of white space", strings.Replace(padded(1000), ",", ","+strings.Repeat(" ", 70_000), 1), nil},
		{"less than 64 KiB until escaped", draft4Schema(`"title":"` + strings.Repeat("<", 11_000) + `"`), []string{"schema_too_large"}},
		{"100 levels", nested(100), nil},
		{"101 levels", nested(101), []string{"schema_too_large"}},
		{"1000 levels", nested(1000), []string{"schema_too_large"}},
		{"many objects", draft4Schema(`"properties":{` + manyProperties.String() + `"last":{}}`), []string{"(schema_too_large)"}},
		{"many references", draft4Schema(`"properties":{` + manyReferences.String() + `"last":{}}`), []string{"(schema_too_large)"}},
		{"a huge number", draft4Schema(`"default":1e999`), []string{"number_range"}},
		{"a tiny number", draft4Schema(`"minimum":1e-1000000000,"default":1e-999999`), nil},

		{"no such type", draft4Schema(`"type":"Database"`), []string{"schema_malformed"}},
		{"no such type inside", draft4Schema(`"properties":{"a":{"items":[{"type":"date"}]}}`), []string{"schema_malformed"}},
		{"required by each", draft4Schema(`"properties":{"a":{"required":true}}`), []string{"schema_malformed"}},
		{"nothing required", draft4Schema(`"required":[]`), []string{"schema_malformed"}},
		{"no choice", draft4Schema(`"properties":{"a":{"enum":[]}}`), []string{"schema_malformed"}},
		{"lengths", draft4Schema(`"maxLength":10,"minLength":-0,"minimum":3.0,"maxItems":` + strings.Repeat("9", 300)), nil},
		{"a length with a fraction", draft4Schema(`"properties":{"a":{"maxLength":10.0}}`), []string{"schema_malformed"}},
		{"a length with an exponent", draft4Schema(`"allOf":[{"minItems":1e1}]`), []string{"schema_malformed"}},
		{"a length where references are not followed", draft4Schema(`"dependencies":{"a":{"maxItems":1.0}}`), []string{"schema_malformed"}},
		{"a length where nobody looks", draft4Schema(`"contains":{"maxItems":1.0}`), nil},
		{"a boolean schema", draft4Schema(`"properties":{"a":true}`), []string{"schema_malformed"}},
		{"a limit of later drafts", draft4Schema(`"properties":{"a":{"exclusiveMinimum":3}}`), []string{"schema_malformed"}},
		{"draft 6 is read as draft 4", strings.Replace(draft4Schema(`"additionalProperties":{"exclusiveMinimum":3}`), "-04", "-06", 1), []string{"schema_malformed"}},
		{"draft 6 with its own mistake", strings.Replace(draft4Schema(`"contains":3`), "-04", "-06", 1), []string{"(schema_malformed)"}},
		{"an odd id", draft4Schema(`"id":"/properties/a","properties":{"b":{"id":"#b"}}`), nil},
		{"a keyword of later drafts", draft4Schema(`"if":{"type":3},"examples":[1],"const":1,"$comment":"c","$defs":3`), nil},
		{"a name in enum", draft4Schema(`"enum":[{"$ref":"https://example.com/"}],"default":{"$ref":"file:///x"}`), nil},

		{"a reference inside", draft4Schema(`"definitions":{"a/b":{"type":"string"}},"properties":{"x":{"$ref":"#/definitions/a~1b"}}`), nil},
		{"a reference to all of it", draft4Schema(`"properties":{"x":{"$ref":"#"},"y":{"$ref":""}}`), nil},
		{"a reference to the web", draft4Schema(`"properties":{"x":{"$ref":"https://schemas.example.com/size.json"}}`), []string{"schema_reference"}},
		{"a reference to a file", draft4Schema(`"allOf":[{"$ref":"file:///etc/passwd"}]`), []string{"schema_reference"}},
		{"a reference beside it", draft4Schema(`"items":{"$ref":"size.json#/definitions/size"}`), []string{"schema_reference"}},
		{"a reference to the root of where it is", draft4Schema(`"items":{"$ref":"/#/definitions/size"}`), []string{"schema_reference"}},
		{"the same by an id that is a fragment", draft4Schema(`"id":"#a","items":{"$ref":"."}`), []string{"schema_reference"}},
		{"a reference by an id that is a path", draft4Schema(`"id":"/","items":{"$ref":"/#/items"}`), []string{"(schema_reference)"}},
		{"a reference that is no URL", draft4Schema(`"not":{"$ref":"http://[::1"}`), []string{"schema_reference"}},
		{"a number as reference", draft4Schema(`"not":{"$ref":5}`), []string{"schema_reference"}},
		{"null as reference", draft4Schema(`"not":{"$ref":null},"items":{"format":5}`), nil},
		{"an external extension", draft4Schema(`"extends":"https://schemas.example.com/"`), []string{"schema_reference"}},
		{"a reference to draft 4", draft4Schema(`"properties":{"x":{"$ref":"http://json-schema.org/draft-04/schema#"}}`), []string{"(schema_reference)"}},
		{"a reference to draft 6", draft4Schema(`"properties":{"x":{"$ref":"http://json-schema.org/draft-06/schema#"}}`), []string{"schema_reference"}},
		{"a reference by id", draft4Schema(`"definitions":{"s":{"id":"size"}},"properties":{"x":{"$ref":"size"}}`), []string{"(schema_reference)"}},
		{"a reference by its own id", draft4Schema(`"id":"https://schemas.example.com/","properties":{"x":{"$ref":"https://schemas.example.com/#/properties"}}`), []string{"(schema_reference)"}},
		{"a property called $ref", draft4Schema(`"properties":{"$ref":{"type":"string"}}`), nil},
		{"an external reference that is not followed", draft4Schema(`"dependencies":{"a":{"$ref":"https://schemas.example.com/"}}`), []string{"(schema_reference)"}},
		{"a reference to nothing", draft4Schema(`"properties":{"x":{"$ref":"#/definitions/x"}}`), []string{"(schema_reference)"}},
		{"a reference to nothing by name", draft4Schema(`"properties":{"x":{"$ref":"#x"}}`), []string{"(schema_malformed)"}},
		// These are followed even for no parameters at all.
		{"a reference to nothing at the top", draft4Schema(`"$ref":"#/definitions/x"`), []string{"schema_reference"}},
		{"a reference to itself", draft4Schema(`"$ref":"#"`), []string{"schema_reference"}},
		{"a circle", draft4Schema(`"allOf":[{"$ref":"#/definitions/a"}],"definitions":{"a":{"not":{"$ref":"#/definitions/b"}},"b":{"anyOf":[{},{"$ref":"#/definitions/a"}]}}`), []string{"schema_reference"}},
		{"a reference to a list", draft4Schema(`"oneOf":[{"$ref":"#/required"}],"required":["a"]`), []string{"schema_reference"}},
		{"a circle that parameters end", draft4Schema(`"properties":{"x":{"$ref":"#/properties/y"},"y":{"$ref":"#/properties/x"}}`), nil},
		{"a tree", draft4Schema(`"definitions":{"t":{"properties":{"l":{"$ref":"#/definitions/t"}}}},"allOf":[{"$ref":"#/definitions/t"},{"$ref":"#/definitions/t"}]`), nil},

		{"a pattern", draft4Schema(`"properties":{"a":{"pattern":"^[a-z]+$"}},"patternProperties":{"^x-":{}}`), nil},
		{"a pattern that looks ahead", draft4Schema(`"properties":{"a":{"pattern":"^(?!root)"}}`), []string{"(schema_pattern)"}},
		{"patterns that are none", draft4Schema(`"properties":{"a":{"pattern":"("}},"patternProperties":{"[":{}}`), []string{"(schema_pattern)"}},
		{"a large repetition", draft4Schema(`"pattern":"((((a{99}){99}){99}){99}){99}"`), []string{"(schema_pattern)"}},
		{"a long pattern", draft4Schema(`"pattern":"` + strings.Repeat("a", 1025) + `"`), []string{"(schema_pattern)"}},
		{"a number as pattern", draft4Schema(`"pattern":5`), []string{"schema_malformed"}},

		{"two parts with one id", draft4Schema(`"definitions":{"a":{"id":"x"},"b":{"id":"x"}}`), []string{"(schema_malformed)"}},
		{"a name twice", `{"$schema":"x","$schema":"http://json-schema.org/draft-04/schema#"}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := refresh(t, nil, "b", noon, ofSchema(tt.schema))
			var got []string
			for _, p := range c.Problems {
				rule := string(p.Rule)
				if !p.Hard {
					rule = "(" + rule + ")"
				}
				got = append(got, rule)
				if want := "services[0].plans[0].schemas.service_instance.create.parameters"; p.Path != want {
					t.Errorf("a problem is at %s, want %s", p.Path, want)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s\n%v", diff, c.Problems)
			}
			if published, want := len(c.Offerings) == 1, len(hardOf(c.Problems)) == 0; published != want {
				t.Errorf("published is %t, want %t", published, want)
			}
		})
	}
}

// ofSchema returns an offering with a plan with that schema.
func ofSchema(schema string) string {
	return ofPlan(`"schemas":{"service_instance":{"create":{"parameters":` + schema + `}}}`)
}

// TestSchemaProblemsDoNotChange: a problem that is told in other words each time is reported again each time.
func TestSchemaProblemsDoNotChange(t *testing.T) {
	t.Parallel()
	var members strings.Builder
	for i := range 40 {
		fmt.Fprintf(&members, `"p%d":{"type":%d,"$ref":"other%d","properties":{"$ref":"#/no/%d"}},`, i, i, i, i)
	}
	var want []string
	for round := range 20 {
		// White space makes other bytes of it, which are checked anew.
		schema := draft4Schema(`"properties":{` + members.String() + `"last":{}}` + strings.Repeat(" ", round))
		got := rulesAndDetails(refresh(t, nil, "b", noon, ofSchema(schema)).Problems)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d (-first +this):\n%s", round, diff)
		}
	}
	if len(want) != 2 {
		t.Errorf("got %q", want)
	}
}
