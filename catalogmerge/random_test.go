package catalogmerge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// anyValues are values of all types, for fields of any.
var anyValues = []string{
	`null`, `true`, `false`, `0`, `1`, `-7`, `3.0`, `1e3`, `2147483648`, `1e400`, `""`, `" "`, `"x"`, `"1.2.3"`, `"\u0000"`,
	`[]`, `[1]`, `["x"]`, `["syslog_drain"]`, `[{}]`, `{}`, `{"x":1}`, `{"x":1e400}`, `{"version":"1.0.0"}`, `{"version":"1.0"}`,
	`{"version":"1.0.0","x":1}`, `{"shareable":0}`, `{"documentationUrl":1}`, `{"id":"c","secret":"s","redirect_uri":"u"}`,
	`{"id":"c","secret":"s","redirect_uri":"u","Secret":1}`, `{"service_instance":{}}`, `{"service_instance":{"create":1}}`,
	`{"service_binding":{"create":{"parameters":{}}}}`, `{"service_instance":{"Create":{"parameters":[]}}}`,
}

// schemaValues are values of keywords of schemas.
var schemaValues = []string{
	`null`, `true`, `0`, `-1`, `1.5`, `1e300`, `""`, `"object"`, `"date"`, `"#"`, `"#/properties/a"`, `"#/no"`, `"size.json"`, `"^(?!a)"`,
	`"http://json-schema.org/draft-04/schema#"`, `"http://json-schema.org/draft-06/schema"`, `"http://json-schema.org/draft-07/schema#"`,
	`[]`, `["a"]`, `["a","a"]`, `["string","null"]`, `[{}]`, `[{"$ref":"#"}]`, `[{"$ref":"#/properties/a"},{"type":"null"}]`,
	`{}`, `{"type":"string"}`, `{"a":{}}`, `{"a":{"type":"x"}}`, `{"a":{"$ref":"#"}}`, `{"a":{"$ref":"https://x.example/"}}`,
	`{"$ref":"#/definitions/a"}`, `{"not":{"$ref":"#/not"}}`, `{"a":["b"]}`, `{"a":true}`, `{"a":{"id":"size.json"}}`,
}

var schemaKeywords = []string{
	"$schema", "$ref", "id", "title", "description", "default", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "maxLength",
	"minLength", "pattern", "additionalItems", "items", "maxItems", "uniqueItems", "maxProperties", "required", "additionalProperties",
	"definitions", "properties", "patternProperties", "dependencies", "enum", "type", "allOf", "anyOf", "oneOf", "not", "extends",
	"contains", "propertyNames", "const", "if",
}

// randomSchema returns a schema that is sound but for some keywords.
func randomSchema(random *rand.Rand) string {
	keywords := map[string]string{"$schema": `"http://json-schema.org/draft-04/schema#"`, "properties": `{"a":{"type":"string"}}`}
	for range random.IntN(3) {
		keywords[schemaKeywords[random.IntN(len(schemaKeywords))]] = schemaValues[random.IntN(len(schemaValues))]
	}
	return objectOf(random, keywords)
}

// objectOf returns an object with its members in any order.
func objectOf(random *rand.Rand, fields map[string]string) string {
	var members []string
	for name, value := range fields {
		members = append(members, fmt.Sprintf("%q:%s", name, value))
	}
	slices.Sort(members) // a seed gives the same object each time
	random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

// disturb changes some fields of a sound object.
func disturb(random *rand.Rand, fields map[string]string, names []string) {
	for range random.IntN(4) / 2 {
		name := names[random.IntN(len(names))]
		switch random.IntN(10) {
		case 0:
			delete(fields, name)
			continue
		case 1:
			name = strings.ToUpper(name[:1]) + name[1:]
		case 2:
			name = strings.ReplaceAll(name, "_", "-")
		}
		fields[name] = anyValues[random.IntN(len(anyValues))]
	}
}

func randomOffering(random *rand.Rand) string {
	var plans []string
	for i := range 1 + random.IntN(2) {
		plan := map[string]string{
			"id": fmt.Sprintf(`"p%d"`, i), "name": fmt.Sprintf(`"%s"`, []string{"one", "two", "three", "One", " two"}[random.IntN(5)]),
			"description": `"d"`, "free": `true`,
		}
		if random.IntN(3) == 0 {
			plan["schemas"] = `{"service_instance":{"update":{"parameters":` + randomSchema(random) + `}}}`
		}
		disturb(random, plan, []string{
			"id", "name", "description", "free", "bindable", "plan_updateable", "binding_rotatable", "metadata",
			"maximum_polling_duration", "maintenance_info", "schemas", "x",
		})
		plans = append(plans, objectOf(random, plan))
	}
	offering := map[string]string{
		"id": `"a"`, "name": `"n"`, "description": `"d"`, "bindable": `true`, "plans": "[" + strings.Join(plans, ",") + "]",
	}
	disturb(random, offering, []string{
		"id", "name", "description", "bindable", "plans", "dashboard_client", "metadata", "tags", "requires", "plan_updateable",
		"instances_retrievable", "bindings_retrievable", "allow_context_updates", "x",
	})
	return objectOf(random, offering)
}

// hasNamedSchema tells whether a part of some schema in a catalog has an id.
func hasNamedSchema(t *testing.T, catalog []byte) bool {
	t.Helper()
	var find func(any) bool
	find = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if name == "parameters" && namesParts(inner) || find(inner) {
					return true
				}
			}
		case []any:
			return slices.ContainsFunc(v, find)
		}
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(catalog))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return find(v)
}

// TestRandomOfferings: what is published is accepted by all platforms, and what is quarantined is turned down by some.
func TestRandomOfferings(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 14))
	published, quarantined := 0, 0
	for range 10_000 {
		answer := body(randomOffering(random))
		c, err := refreshed(nil, "x", answer, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		checkRefreshed(t, c, answer)
		checkAccepted(t, []*catalogmerge.Copy{c})
		hard := hardOf(c.Problems)
		if len(hard) == 0 {
			published++
			continue
		}
		quarantined++
		// What readers do not agree on is left out although each of them may accept it. And in schemas whose parts have
		// ids, the reader for Cloud Foundry does not judge references.
		undecided := slices.ContainsFunc(hard, func(p catalogmerge.Problem) bool {
			return p.Rule == catalogmerge.RuleDuplicateKey ||
				p.Rule == catalogmerge.RuleSchemaReference && hasNamedSchema(t, answer)
		})
		if !undecided && acceptedByCloudFoundry(answer) == nil && acceptedByServiceCatalog(answer) == nil &&
			acceptedByKorifi(answer) == nil {
			t.Errorf("nobody turns this down:\n%s\n%v", answer, hard)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d published, %d quarantined", published, quarantined)
	if published < 1500 || quarantined < 1500 {
		t.Errorf("%d published, %d quarantined: the test does not try enough", published, quarantined)
	}
}
