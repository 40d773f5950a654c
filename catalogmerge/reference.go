package catalogmerge

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// reference is a $ref of a schema.
type reference struct {
	at    string // JSON pointer of the schema that holds it
	base  *url.URL
	value any
	// unseen tells that Cloud Foundry does not follow references there, beyond that it does not know the keyword either.
	unseen, beyond bool
}

// schemaWalk collects the references of a schema and the ids that it gives to its parts. It goes where Cloud Foundry
// goes, which is into the keywords of draft 4 whatever the draft, and where the compiler goes.
type schemaWalk struct {
	root       map[string]any
	references []reference
	ids        map[string]bool
	drafts     []string // what is wrong with the $schema of inner schemas
	shapes     []string // what is wrong with numbers that draft 4 wants to be integers
	// broken tells that some references lead nowhere, so that the schema cannot be compiled.
	broken bool
}

// anywhere is the base of a schema that has no id. Nobody opens it, and nothing refers to it but by a fragment.
var anywhere = &url.URL{Scheme: "https", Host: "schema.invalid", Path: "/without-an-id"}

func walkSchema(root map[string]any) *schemaWalk {
	w := &schemaWalk{root: root, ids: make(map[string]bool)}
	w.visit(root, reference{base: anywhere})
	return w
}

// The keywords of drafts 4 and 6, and those of earlier drafts that Cloud Foundry still follows, by what they hold; and
// those of draft 6, which it does not know.
var (
	schemaMaps     = []string{"definitions", "properties", "patternProperties", "dependencies"}
	schemaLists    = []string{"allOf", "anyOf", "oneOf", "not", "items", "extends", "type", "disallow"}
	schemaOnes     = []string{"additionalProperties", "additionalItems", "contains", "propertyNames"}
	draft6Keywords = []string{"contains", "propertyNames"}
	// integerKeywords are those that hold a number of things.
	integerKeywords = []string{"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)

// visit walks the schema that is found at a place; that of a reference in it. It drops a $ref or format of a wrong type,
// which draft 4 does not forbid, but the compiler's schema of it does.
func (w *schemaWalk) visit(value any, from reference) {
	schema, ok := value.(map[string]any)
	if !ok {
		return
	}
	if id, ok := schema["id"].(string); ok {
		if u, err := from.base.Parse(id); err == nil {
			from.base = u
		}
	}
	if id := withoutFragment(from.base.String()); id != anywhere.String() {
		w.ids[id] = true
	}
	if _, ok := schema["$schema"].(string); ok && from.at != "" && !from.unseen && hasHard(checkDraft(schema)) {
		w.drafts = append(w.drafts, "has a $schema that Cloud Foundry does not know at "+quote("#"+from.at))
	}
	for _, keyword := range integerKeywords {
		// To Ruby 3.0 and 3e0 are no integers, as they are to the compiler.
		if _, ok := schema[keyword].(float64); ok && !from.beyond {
			w.shapes = append(w.shapes,
				fmt.Sprintf("has a number at %s that is not written as an integer", quote("#"+from.at+"/"+keyword)))
		}
	}
	for _, keyword := range []string{"$ref", "extends"} {
		ref := schema[keyword]
		if _, isText := ref.(string); isText || keyword == "$ref" && ref != nil && ref != false {
			from.value = ref
			w.references = append(w.references, from)
		}
	}
	for _, keyword := range []string{"$ref", "format"} {
		if _, isText := schema[keyword].(string); !isText {
			delete(schema, keyword)
		}
	}
	inside := func(keyword, step string) reference {
		return reference{
			at: from.at + "/" + keyword + step, base: from.base,
			unseen: from.unseen || keyword == "dependencies" || slices.Contains(draft6Keywords, keyword),
			beyond: from.beyond || slices.Contains(draft6Keywords, keyword),
		}
	}
	for _, keyword := range schemaMaps {
		inner, _ := schema[keyword].(map[string]any)
		for name, s := range inner {
			w.visit(s, inside(keyword, "/"+pointerStep(name)))
		}
	}
	for _, keyword := range schemaLists {
		list, ok := schema[keyword].([]any)
		if !ok {
			w.visit(schema[keyword], inside(keyword, ""))
		}
		for i, s := range list {
			w.visit(s, inside(keyword, "/"+strconv.Itoa(i)))
		}
	}
	for _, keyword := range schemaOnes {
		w.visit(schema[keyword], inside(keyword, ""))
	}
}

func (w *schemaWalk) findings() []finding {
	var outside, unseen, byID, dangling []string
	for _, r := range w.references {
		ref, ok := r.value.(string)
		says := fmt.Sprintf("refers to %s at %s", quote(ref), quote("#"+r.at))
		switch {
		case !ok:
			outside = append(outside, fmt.Sprintf("has a $ref that is not a string at %s", quote("#"+r.at)))
		case ref == "" || ref[0] == '#':
			if pointer, ok := strings.CutPrefix(ref, "#/"); ok && r.base == anywhere {
				if _, _, found := lookUp(w.root, pointer); !found {
					dangling = append(dangling, says)
				}
			}
		case w.holds(r, ref):
			byID = append(byID, says)
		case r.unseen:
			unseen = append(unseen, says)
		default:
			outside = append(outside, says)
		}
	}
	var findings []finding
	add := func(rule Rule, hard bool, texts []string, why string) {
		if len(texts) > 0 {
			findings = append(findings, finding{rule, first(texts) + why, hard})
		}
	}
	add(RuleSchemaDraft, true, w.drafts, "")
	add(RuleSchemaShape, true, w.shapes, "")
	add(RuleSchemaReference, true, outside, ", which is outside of it")
	e := &emptyObject{root: w.root, done: make(map[string]bool), open: make(map[string]bool)}
	if problem := e.follow(w.root, ""); problem != "" {
		findings = append(findings, finding{RuleSchemaReference, problem, true})
		dangling = nil
	}
	add(RuleSchemaReference, false, unseen, ", which is outside of it")
	add(RuleSchemaReference, false, dangling, ", where there is nothing")
	w.broken = len(findings) > 0
	add(RuleSchemaReference, false, byID, ", which Cloud Foundry finds only once it has read that part")
	return findings
}

// holds tells whether a reference leads to a part of the schema by its id, or to the schema of draft 4, which Cloud
// Foundry and the compiler have.
func (w *schemaWalk) holds(r reference, ref string) bool {
	u, err := r.base.Parse(ref)
	if err != nil {
		return false
	}
	absolute := withoutFragment(u.String())
	return w.ids[absolute] || absolute == draft4
}

// first returns the least of some texts, and how many others there are.
func first(texts []string) string {
	least := slices.Min(texts)
	if len(texts) == 1 {
		return least
	}
	return fmt.Sprintf("%s (and %d more)", least, len(texts)-1)
}

// The escapes of JSON pointers.
var (
	pointerEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

func pointerStep(name string) string { return pointerEscaper.Replace(name) }

// emptyObject follows a schema as Cloud Foundry does when it tries the schema on an empty object.
type emptyObject struct {
	root any
	// done holds the places that were followed to the end, open those that are on the way.
	done, open map[string]bool
}

// follow returns why the schema cannot be tried; empty if it can.
func (e *emptyObject) follow(value any, at string) string {
	schema, ok := value.(map[string]any)
	switch {
	case e.done[at]:
		return ""
	case e.open[at]:
		return "refers to itself at " + quote("#"+at) + " without end"
	case !ok:
		return "refers to " + quote("#"+at) + ", which is no schema"
	}
	e.open[at] = true
	problem := ""
	if ref, ok := schema["$ref"].(string); ok && (ref == "#" || strings.HasPrefix(ref, "#/")) {
		target, place, found := lookUp(e.root, strings.TrimLeft(ref, "#/"))
		if !found {
			return "refers to " + quote(ref) + ", where there is nothing"
		}
		problem = e.follow(target, place)
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf", "not", "extends"} {
		switch inner := schema[keyword].(type) {
		case map[string]any:
			problem = cmp.Or(problem, e.follow(inner, at+"/"+keyword))
		case []any:
			for i := range inner {
				problem = cmp.Or(problem, e.follow(inner[i], at+"/"+keyword+"/"+strconv.Itoa(i)))
			}
		}
	}
	delete(e.open, at)
	e.done[at] = true
	return problem
}

// lookUp returns what a JSON pointer without its first slash leads to, and the pointer in its plain form.
func lookUp(value any, pointer string) (found any, place string, ok bool) {
	for step := range strings.SplitSeq(pointer, "/") {
		if step == "" {
			continue
		}
		if unescaped, err := url.PathUnescape(step); err == nil {
			step = unescaped
		}
		step = pointerUnescaper.Replace(step)
		place += "/" + pointerStep(step)
		switch inner := value.(type) {
		case map[string]any:
			value = inner[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(inner) {
				return nil, "", false
			}
			value = inner[i]
		default:
			return nil, "", false
		}
		if value == nil {
			return nil, "", false
		}
	}
	return value, place, true
}
