package samplebroker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// catalogWith returns a catalog with one good offering, changed by replacing old with new.
func catalogWith(t *testing.T, old, replacement string) string {
	t.Helper()
	good := `{"services":[{"id":"s","name":"s","description":"d","bindable":true,"bindings_retrievable":false,` +
		`"plans":[{"id":"p","name":"p","description":"d"},{"id":"q","name":"q","description":"d"}]}]}`
	if strings.Count(good, old) != 1 {
		t.Fatalf("%s is not once in the catalog", old)
	}
	return strings.Replace(good, old, replacement, 1)
}

func TestCatalogIsChecked(t *testing.T) {
	t.Parallel()
	plan := `{"id":"p","name":"p","description":"d"}`
	with := func(fields string) string { return strings.TrimSuffix(plan, "}") + "," + fields + "}" }
	schema := func(parameters string) string {
		return with(`"schemas":{"service_instance":{"update":{"parameters":` + parameters + `}}}`)
	}
	settings := func(fields string) string { return with(`"metadata":{"samplebroker":{` + fields + `}}`) }
	offering := `"bindings_retrievable":false`
	for _, test := range []struct{ name, old, new, want string }{
		{"good", plan, plan, ""},
		{"everything else good", plan, with(`"x":null,"free":false,"bindable":false,"metadata":{"a":[null]},` +
			`"maximum_polling_duration":60,"maintenance_info":{"version":"1.0.0-a.1+b"},` +
			`"schemas":{"service_binding":{}}`), ""},
		{"settings good", plan, settings(`"async":true,"polls":0,"fail":["bind"],"requires_app":true`), ""},
		{"no JSON", plan, `{`, "it is not one JSON value"},
		{"trailing data", `]}]}`, `]}]}{}`, "it is not one JSON value"},
		{"field twice", plan, with(`"id":"p"`), "an object has a field twice"},
		{"services", `"services":[`, `"service":[`, "services: it has to be a list of objects"},
		{"service null", `]}]}`, `]},null]}`, "services: it has to be a list of objects"},
		{"no id", `"id":"s",`, ``, "services[0].id: it is missing"},
		{"empty name", `"name":"s"`, `"name":""`, "services[0].name: it is empty"},
		{
			"description a number", `"name":"s","description":"d"`, `"name":"s","description":1`,
			"services[0].description: it has to be a string",
		},
		{"no bindable", `"bindable":true,`, ``, "services[0].bindable: it is missing"},
		{"bindable a text", `"bindable":true`, `"bindable":"true"`, "services[0].bindable: it has to be true or false"},
		{
			"plans null", `"plans":[` + plan + `,{"id":"q","name":"q","description":"d"}]`, `"plans":null`,
			"services[0].plans: it has to be a list of objects",
		},
		{
			"no plan", `"plans":[` + plan + `,{"id":"q","name":"q","description":"d"}]`, `"plans":[]`,
			"services[0].plans: there has to be a service plan",
		},
		{"tags", offering, `"tags":"a"`, "services[0].tags: it has to be a list of strings"},
		{"requires", offering, `"requires":["root"]`, `services[0].requires: "root" is none of`},
		{"metadata", offering, `"metadata":"x"`, "services[0].metadata: it has to be an object"},
		{"same offering id", `]}]}`, `]},{"id":"s","name":"t","description":"d","bindable":true,` +
			`"plans":[{"id":"r","name":"r","description":"d"}]}]}`, "services[1].id: another service offering has it"},
		{
			"same offering name", `]}]}`, `]},{"id":"t","name":"s","description":"d","bindable":true,` +
				`"plans":[{"id":"r","name":"r","description":"d"}]}]}`,
			"services[1].name: another service offering has it",
		},
		{
			"same plan id elsewhere", `]}]}`, `]},{"id":"t","name":"t","description":"d","bindable":true,` +
				`"plans":[{"id":"p","name":"r","description":"d"}]}]}`,
			"services[1].plans[0].id: another service plan has it",
		},
		{
			"same plan name", `"name":"q"`, `"name":"p"`,
			"services[0].plans[1].name: another plan of the service offering",
		},
		{
			"polling duration", plan, with(`"maximum_polling_duration":1.5`),
			"services[0].plans[0].maximum_polling_duration: it has to be a whole number",
		},
		{
			"maintenance without version", plan, with(`"maintenance_info":{}`),
			"services[0].plans[0].maintenance_info.version: it is missing",
		},
		{
			"maintenance version", plan, with(`"maintenance_info":{"version":"1.0"}`),
			"services[0].plans[0].maintenance_info.version: it is not a semantic version",
		},
		{
			"schema without $schema", plan, schema(`{"type":"object"}`),
			"services[0].plans[0].schemas.service_instance.update.parameters.$schema: it is missing",
		},
		{
			"schema too large", plan, schema(`{"$schema":"` + strings.Repeat("x", 64<<10) + `"}`),
			"services[0].plans[0].schemas.service_instance.update.parameters: it is larger than 64 kB",
		},
		{
			"schemas", plan, with(`"schemas":{"service_instance":[]}`),
			"services[0].plans[0].schemas.service_instance: it has to be an object",
		},
		{"unknown setting", plan, settings(`"asynchronous":true`), `unknown field "asynchronous"`},
		{"negative polls", plan, settings(`"polls":-1`), "numbers must not be negative"},
		{"unknown operation", plan, settings(`"fail":["catalog"]`), `fail names "catalog"`},
		{
			"long suffix", plan, settings(`"operation_suffix":"` + strings.Repeat("é", 9_901) + `"`),
			"operation_suffix has",
		},
		{
			"bindings not retrievable", plan, settings(`"async_bindings":true`),
			"services[0].plans[0].metadata.samplebroker.async_bindings: the service offering has to be",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := samplebroker.New(samplebroker.Options{Catalog: []byte(catalogWith(t, test.old, test.new))})
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestShippedCatalogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../cmd/samplebroker/catalogs/*.json")
	if err != nil || len(files) != 2 {
		t.Fatalf("got catalogs %v, error %v, want two", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := samplebroker.New(samplebroker.Options{Catalog: content}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
