package catalogmerge

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxSchemaChars is how large a schema may be, as Cloud Foundry writes it.
	maxSchemaChars = 65_536
	// maxSchemaDepth is how deeply a schema may nest. It bounds the stack of all who walk it.
	maxSchemaDepth = 100
	// knownSchemas is how many schemas are remembered with what was found in them.
	knownSchemas = 4096
)

// finding is one thing that is wrong with a schema.
type finding struct {
	rule   Rule
	detail string
	hard   bool
}

// findingsOf remembers what was found in schemas, by their hash. Brokers repeat a schema in every plan, and their
// catalogs are read again and again; checking it is by far the most costly rule. What is found depends on the bytes
// alone, so it does not matter who asked first.
var findingsOf = newFindings()

func newFindings() *lru.Cache[[sha256.Size]byte, []finding] {
	cache, err := lru.New[[sha256.Size]byte, []finding](knownSchemas)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return cache
}

// schemaFindings checks the schema of some parameters, which is an object.
func schemaFindings(schema []byte) []finding {
	key := sha256.Sum256(schema)
	if findings, ok := findingsOf.Get(key); ok {
		return findings
	}
	findings := checkSchema(schema)
	findingsOf.Add(key, findings)
	return findings
}

// checkSchema checks a schema by the rules of Cloud Foundry, which reads every schema as one of draft 4, and then what
// others may stumble over. The steps that cost most come last, and only for a schema that passed the earlier ones.
func checkSchema(schema []byte) []finding {
	if chars := jsonChars(schema); chars > maxSchemaChars {
		return []finding{{RuleSchemaSize, fmt.Sprintf("has %d characters as JSON, more than %d", chars, maxSchemaChars), true}}
	}
	if depthOf(schema) > maxSchemaDepth {
		return []finding{{RuleSchemaSize, fmt.Sprintf("nests more than %d levels deep", maxSchemaDepth), true}}
	}
	root, ok := decodeSchema(schema)
	if !ok {
		return nil
	}
	walk := walkSchema(root)
	findings := slices.Concat(checkDraft(root), conformsToDraft4(root), walk.findings())
	if hasHard(findings) || walk.broken {
		return findings
	}
	return append(findings, compileSchema(root, len(walk.references))...)
}

// decodeSchema reads a schema. Numbers that are written as integers keep their digits; others become floats, because the
// compiler would take the memory for all their digits. It returns false where one does not fit, of which the rules of
// the field have told.
func decodeSchema(schema []byte) (root map[string]any, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(schema))
	decoder.UseNumber()
	if err := decoder.Decode(&root); err != nil {
		return nil, false
	}
	ok = true
	var convert func(any) any
	convert = func(value any) any {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				value[name] = convert(inner)
			}
		case []any:
			for i, inner := range value {
				value[i] = convert(inner)
			}
		case json.Number:
			f, err := value.Float64()
			ok = ok && err == nil
			if strings.ContainsAny(value.String(), ".eE") {
				return f
			}
		}
		return value
	}
	convert(root)
	return root, ok
}

func hasHard(findings []finding) bool {
	return slices.ContainsFunc(findings, func(f finding) bool { return f.hard })
}

// depthOf returns how deeply a JSON value nests.
func depthOf(value []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '"':
			i = skipString(value, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// The drafts that Cloud Foundry knows, without the fragment.
const (
	draft4 = "http://json-schema.org/draft-04/schema"
	draft6 = "http://json-schema.org/draft-06/schema"
)

var oldDrafts = []string{
	"http://json-schema.org/draft-01/schema", "http://json-schema.org/draft-01/hyper-schema",
	"http://json-schema.org/draft-02/schema", "http://json-schema.org/draft-02/hyper-schema",
	"http://json-schema.org/draft-03/schema", "http://json-schema.org/draft-03/hyper-schema",
	"http://json-schema.org/draft-04/hyper-schema", "http://json-schema.org/draft-06/hyper-schema",
}

// checkDraft checks that a schema names its draft, and one that Cloud Foundry knows: it takes other names, those of
// later drafts among them, for schemas of somebody's own, which it does not accept.
func checkDraft(root map[string]any) []finding {
	value, ok := root["$schema"]
	if !ok || value == nil || value == false {
		return []finding{{RuleSchemaDraft, "has no $schema", true}}
	}
	name, ok := value.(string)
	if !ok {
		return []finding{{RuleSchemaDraft, "has a $schema that is not a string", true}}
	}
	switch draft := withoutFragment(name); {
	case draft == draft4 || draft == draft6:
		return nil
	case slices.Contains(oldDrafts, draft):
		return []finding{{RuleSchemaDraft, "has the $schema " + quote(name) + ", which few programs know", false}}
	default:
		return []finding{{RuleSchemaDraft, "has the $schema " + quote(name) +
			", which Cloud Foundry does not know; it knows " + draft4 + "#", true}}
	}
}

func withoutFragment(uri string) string {
	before, _, _ := strings.Cut(uri, "#")
	return before
}
