package caddymodule_test

import (
	"testing"
)

// TestValidateFormerly mistakes former names.
func TestValidateFormerly(t *testing.T) {
	useOwnDirectories(t)
	backend := func(name, formerly string) string {
		return "backend " + name + " https://" + name + ".example.net {\nformerly " + formerly + "\n}\n"
	}
	for _, test := range []struct {
		name, block string
		want        []string
	}{
		{"Configured", platformBlock + backend("one", "two") + backend("two", "zero"), []string{
			`backend "one": formerly "two": that name is configured`,
		}},
		{"Itself", platformBlock + backend("one", "one"), []string{`backend "one": formerly "one": that name is configured`}},
		{"OfTwo", platformBlock + backend("one", "zero") + backend("two", "zero"), []string{
			`backend "two": formerly "zero": it is a former name of "one" too`,
		}},
		{"Twice", platformBlock + backend("one", "zero "+"zero"), []string{`backend "one": formerly "zero" is there twice`}},
		{"NoName", platformBlock + backend("one", "a/b"), []string{`backend "one": formerly "a/b": a name has up to 64`}},
		{"StoreIDNoName", "store_id a/b\n" + platformBlock + backendBlock, []string{`store_id "a/b": a name has up to 64`}},
		{"StoreIDInMemory", "store memory\nstore_id a\n" + platformBlock + backendBlock, []string{"store_id: `store memory`"}},
	} {
		t.Run(test.name, func(t *testing.T) { checkProblem(t, validate(t, site(test.block)), test.want...) })
	}
	if err := validate(t, site("store_id a-1\n"+platformBlock+backend("one", "zero minus"))); err != nil {
		t.Errorf("validating former names and a store's id: %v", err)
	}
}
