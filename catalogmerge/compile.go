package catalogmerge

import (
	"errors"
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

const (
	// maxCompiledObjects and maxCompiledReferences are how many objects and references a schema may hold and still be
	// compiled. The compiler's work grows with the square of the former and the product of both.
	maxCompiledObjects    = 1000
	maxCompiledReferences = 200
	// maxPatternBytes is how long a pattern may be and still be parsed. A class of characters takes a thousand times
	// the memory of its name.
	maxPatternBytes = 1024
)

// draft4Schema is the schema of the schemas of draft 4. Patterns in it are not looked at: Cloud Foundry does not.
var draft4Schema = sync.OnceValue(func() *jsonschema.Schema {
	anyPattern := func(pattern string) (jsonschema.Regexp, error) { return anyText(pattern), nil }
	return newCompiler(anyPattern).MustCompile(draft4)
})

// nothing is a loader that opens nothing.
type nothing struct{}

var errNothingOpened = errors.New("schemas outside of it are not opened")

func (nothing) Load(string) (any, error) { return nil, errNothingOpened }

func newCompiler(patterns jsonschema.RegexpEngine) *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(nothing{})
	c.UseRegexpEngine(patterns)
	return c
}

// conformsToDraft4 checks a schema against the schema of draft 4, as Cloud Foundry does with all of them.
func conformsToDraft4(root map[string]any) []finding {
	err := draft4Schema().Validate(root)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return []finding{{RuleSchemaShape, "does not conform to draft 4", true}}
	}
	var leaves []string
	var collect func(*jsonschema.ValidationError)
	collect = func(e *jsonschema.ValidationError) {
		if _, alternatives := e.ErrorKind.(*kind.AnyOf); !alternatives && len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				collect(cause)
			}
			return
		}
		var at strings.Builder
		for _, step := range e.InstanceLocation {
			at.WriteString("/" + pointerStep(step))
		}
		keyword := ""
		if path := e.ErrorKind.KeywordPath(); len(path) > 0 {
			keyword = path[0]
		}
		leaves = append(leaves, fmt.Sprintf("does not conform to draft 4 at %s, by the rule %q", quote("#"+at.String()), keyword))
	}
	collect(invalid)
	return []finding{{RuleSchemaShape, first(leaves), true}}
}

// compileSchema compiles a schema that Cloud Foundry accepts, as clients in other languages do that check parameters
// before they send them. All that it finds is soft. It does not say where the compiler stopped, which is at another place
// each time.
func compileSchema(root map[string]any, references int) []finding {
	draft := withoutFragment(root["$schema"].(string))
	if draft != draft4 && draft != draft6 {
		return nil // not known to the compiler; said already
	}
	if references > maxCompiledReferences || countObjects(root) > maxCompiledObjects {
		return []finding{{RuleSchemaSize, fmt.Sprintf("holds more than %d objects or %d references and was not compiled",
			maxCompiledObjects, maxCompiledReferences), false}}
	}
	p := patterns{unreadable: make(map[string]bool), seen: make(map[string]bool)}
	if err := compile(root, newCompiler(p.read)); err != nil {
		return []finding{{RuleSchemaShape, "does not compile as a schema of " + draft, false}}
	}
	if len(p.unreadable) > 0 {
		return []finding{{RuleSchemaPattern, first(slices.Collect(maps.Keys(p.unreadable))), false}}
	}
	return nil
}

// compile turns a panic of the compiler, which reads what a broker sent, into an error.
func compile(root map[string]any, c *jsonschema.Compiler) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("the compiler failed: %v", recovered)
		}
	}()
	if err := c.AddResource(anywhere.String(), root); err != nil {
		return err
	}
	_, err = c.Compile(anywhere.String())
	return err
}

func countObjects(value any) int {
	count := 0
	switch value := value.(type) {
	case map[string]any:
		count = 1
		for _, inner := range value {
			count += countObjects(inner)
		}
	case []any:
		for _, inner := range value {
			count += countObjects(inner)
		}
	}
	return count
}

// patterns collects the regular expressions that cannot be read. They are parsed and not compiled, because a compiled
// one can be a million times as large.
type patterns struct {
	unreadable map[string]bool
	// seen holds those that were looked at; the compiler asks for each of them twice.
	seen map[string]bool
}

func (p patterns) read(pattern string) (jsonschema.Regexp, error) {
	if p.seen[pattern] {
		return anyText(pattern), nil
	}
	p.seen[pattern] = true
	if len(pattern) > maxPatternBytes {
		p.unreadable[fmt.Sprintf("has a pattern of %d bytes, which was not read", len(pattern))] = true
	} else if _, err := syntax.Parse(pattern, syntax.Perl); err != nil {
		p.unreadable["has the pattern "+quote(pattern)+", which programs in Go cannot read"] = true
	}
	return anyText(pattern), nil
}

// anyText is a regular expression that matches everything. Nothing is ever matched with it.
type anyText string

func (t anyText) String() string        { return string(t) }
func (anyText) MatchString(string) bool { return true }
