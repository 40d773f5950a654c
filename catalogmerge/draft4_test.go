package catalogmerge_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// draft4Shape checks that a value is a schema of draft 4, by the text of the draft. Numbers are json.Number.
func draft4Shape(v any, at string) error {
	schema, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", at)
	}
	for key, value := range schema {
		if err := draft4Keyword(schema, key, value, at+"/"+key); err != nil {
			return err
		}
	}
	return nil
}

func draft4Keyword(schema map[string]any, key string, value any, at string) error {
	wrong := fmt.Errorf("%s is wrong", at)
	_, isText := value.(string)
	_, isBool := value.(bool)
	number, isNumber := value.(json.Number)
	list, isList := value.([]any)
	object, isObject := value.(map[string]any)
	switch key {
	case "id", "$schema", "title", "description", "pattern":
		return unless(isText, wrong)
	case "multipleOf":
		return unless(isNumber && !strings.HasPrefix(string(number), "-") && strings.Trim(mantissa(number), "0.") != "", wrong)
	case "maximum", "minimum":
		return unless(isNumber, wrong)
	case "exclusiveMaximum", "exclusiveMinimum":
		_, present := schema[strings.ToLower(key[len("exclusive"):])]
		return unless(isBool && present, wrong)
	case "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties":
		return unless(isNumber && isNatural(number), wrong)
	case "uniqueItems":
		return unless(isBool, wrong)
	case "required":
		return unless(isList && isStringArray(list), wrong)
	case "enum":
		return unless(isList && len(list) > 0 && allDiffer(list), wrong)
	case "type":
		if isText {
			return unless(isSimpleType(value), wrong)
		}
		for _, t := range list {
			if !isSimpleType(t) {
				return wrong
			}
		}
		return unless(len(list) > 0 && allDiffer(list), wrong)
	case "allOf", "anyOf", "oneOf":
		if len(list) == 0 {
			return wrong
		}
		return eachShape(list, at)
	case "not":
		return draft4Shape(value, at)
	case "items":
		if isList && len(list) > 0 {
			return eachShape(list, at)
		}
		return draft4Shape(value, at)
	case "additionalItems", "additionalProperties":
		if isBool {
			return nil
		}
		return draft4Shape(value, at)
	case "definitions", "properties", "patternProperties", "dependencies":
		if !isObject {
			return wrong
		}
		for name, inner := range object {
			if names, ok := inner.([]any); ok && key == "dependencies" {
				if !isStringArray(names) {
					return wrong
				}
				continue
			}
			if err := draft4Shape(inner, at+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

func unless(right bool, err error) error {
	if right {
		return nil
	}
	return err
}

func eachShape(list []any, at string) error {
	for _, inner := range list {
		if err := draft4Shape(inner, at); err != nil {
			return err
		}
	}
	return nil
}

func isSimpleType(v any) bool {
	switch v {
	case "array", "boolean", "integer", "null", "number", "object", "string":
		return true
	}
	return false
}

func isStringArray(list []any) bool {
	for _, e := range list {
		if _, ok := e.(string); !ok {
			return false
		}
	}
	return len(list) > 0 && allDiffer(list)
}

func allDiffer(list []any) bool {
	seen := make(map[string]bool)
	for _, e := range list {
		encoded, err := json.Marshal(canonical(e))
		if err != nil {
			panic(err)
		}
		if seen[string(encoded)] {
			return false
		}
		seen[string(encoded)] = true
	}
	return true
}

// canonical makes equal numbers equal texts.
func canonical(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, _ := new(big.Float).SetString(string(v))
		return f.Text('g', 40)
	case []any:
		result := make([]any, len(v))
		for i, e := range v {
			result[i] = canonical(e)
		}
		return result
	case map[string]any:
		result := make(map[string]any)
		for key, e := range v {
			result[key] = canonical(e)
		}
		return result
	}
	return v
}

func mantissa(n json.Number) string {
	m, _, _ := strings.Cut(strings.ToLower(string(n)), "e")
	return m
}

// isNatural tells whether Ruby reads a number as an Integer that is not negative.
func isNatural(n json.Number) bool {
	return n != "" && strings.Trim(strings.TrimPrefix(string(n), "-0"), "0123456789") == ""
}
