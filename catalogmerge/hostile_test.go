package catalogmerge_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// repeated returns count members, made by format from their number, joined by commas.
func repeated(format string, count int) string {
	members := make([]string, count)
	for i := range members {
		members[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
	}
	return strings.Join(members, ",")
}

// hostileSchemas are schemas of up to 64 KiB that ask for more work than others. Each is another one by its number.
var hostileSchemas = map[string]func(number int) string{
	"many objects": func(n int) string { return draft4Schema(repeated(`"x#":{}`, 5000) + fmt.Sprintf(`,"title":"%d"`, n)) },
	"many wrong types": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","properties":{`, n) + repeated(`"#":{"type":#}`, 2800) + `}`)
	},
	"many schemas": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","properties":{`, n) + repeated(`"#":{}`, 990) + `}`)
	},
	"many references": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","x":[`, n) + repeated(`{}`, 700) + `],"properties":{` + repeated(`"#":{"$ref":"#/x/#"}`, 190) + `}`)
	},
	"many references along": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","$ref":"#/d/0","d":[`, n) + repeated(`{"$ref":"#/d/#"}`, 190) + `]`)
	},
	"many ids": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","definitions":{`, n) + repeated(`"#":{"id":"#"}`, 990) + `}`)
	},
	"many alternatives": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","anyOf":[`, n) + repeated(`{"items":[{"type":"#"}]}`, 1800) + `]`)
	},
	"many numbers": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","enum":[`, n) + repeated(`1e-99999#`, 5000) + `]`)
	},
	"many equal values": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","enum":[`, n) + repeated(`[1]`, 15000) + `]`)
	},
	"many patterns": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","patternProperties":{`, n) + repeated(`"#`+strings.Repeat(`\\pL`, 200)+`":{}`, 50) + `}`)
	},
	"a large repetition": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","pattern":"(((a{9}){9}){9}){1000}"`, n))
	},
	"nesting": func(n int) string {
		return strings.Replace(nested(100), `"not"`, fmt.Sprintf(`"title":"%d","not"`, n), 1)
	},
	"nesting without end": func(n int) string {
		return strings.Replace(nested(4000), `"not"`, fmt.Sprintf(`"title":"%d","not"`, n), 1)
	},
	"nested alternatives": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d",`, n) + strings.Repeat(`"dependencies":{"a":{`, 45) + `"type":1` + strings.Repeat(`}}`, 45))
	},
	"a web of references": func(n int) string {
		return draft4Schema(fmt.Sprintf(`"title":"%d","$ref":"#/d/0","d":[`, n) + repeated(`{"anyOf":[{"$ref":"#/d/#1"},{"$ref":"#/d/#2"}]}`, 60) + `]`)
	},
}

// hostileOfferings are offerings of any size that ask for more work than others.
var hostileOfferings = map[string]func(size int) string{
	"many fields":       func(n int) string { return with(service("a", "n", "p"), repeated(`"x#":[]`, n)) },
	"many misspellings": func(n int) string { return with(service("a", "n", "p"), repeated(`"TAGS":[]`, n)) },
	"many wrong plans":  func(n int) string { return planned(`[` + repeated(`{"id":#,"schemas":0}`, n) + `]`) },
	"many equal plans":  func(n int) string { return planned(`[` + repeated(plan(``), n) + `]`) },
	"many warnings": func(n int) string {
		return planned(`[` + repeated(`{"id":" #","name":" #","description":"d"}`, n) + `]`)
	},
	"many tags":        func(n int) string { return with(service("a", "n", "p"), `"tags":[`+repeated(`"#"`, n)+`]`) },
	"many permissions": func(n int) string { return with(service("a", "n", "p"), `"requires":[`+repeated(`"#"`, n)+`]`) },
	"many numbers": func(n int) string {
		return with(service("a", "n", "p"), `"metadata":{"x":[`+repeated(`1e-9999#`, n)+`]}`)
	},
	"deep metadata": func(n int) string {
		return with(service("a", "n", "p"), `"metadata":{"x":`+strings.Repeat(`[`, min(n, 9000))+strings.Repeat(`]`, min(n, 9000))+`}`)
	},
	"many maintenance keys": func(n int) string {
		return ofPlan(`"maintenance_info":{` + repeated(`"version":"1.0.0","x#":1`, n) + `}`)
	},
	"a long version": func(n int) string {
		return ofPlan(`"maintenance_info":{"version":"1.0.0-` + strings.Repeat(`a.`, n) + `a"}`)
	},
	"a long description": func(n int) string { return planned(`[` + plan(`"x":"`+strings.Repeat(`\\u00e9`, n)+`"`) + `]`) },
	"a large schema":     func(n int) string { return ofSchema(draft4Schema(repeated(`"x#":"<"`, n))) },
}

// TestHostileMemory measures that four times as much of anything takes about four times the memory. It does not run
// beside other tests, whose memory it would measure too.
func TestHostileMemory(t *testing.T) {
	allocated := func(answer []byte) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := refreshed(nil, "x", answer, "", noon)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		checkAccepted(t, []*catalogmerge.Copy{c})
		return after.TotalAlloc - before.TotalAlloc
	}
	compare := func(name string, small, large []byte) {
		one, four := allocated(small), allocated(large)
		growth := float64(four) / float64(one) / (float64(len(large)) / float64(len(small)))
		t.Logf("%s: %d bytes took %d, %d took %d", name, len(small), one, len(large), four)
		if growth > 1.5 {
			t.Errorf("%s: memory grows %.1f times as fast as the catalog", name, growth)
		}
	}
	for name, hostile := range hostileOfferings {
		compare(name, body(hostile(2000)), body(hostile(8000)))
	}
	number := 0
	for name, hostile := range hostileSchemas {
		of := func(count int) []byte {
			plans := make([]string, count)
			for i := range plans {
				number++
				schema := hostile(number)
				if len(schema) > 65536 {
					t.Fatalf("%s: a schema of %d bytes", name, len(schema))
				}
				plans[i] = fmt.Sprintf(`{"id":"p%d","name":"p%d","description":"d","schemas":{"service_binding":{"create":{"parameters":%s}}}}`,
					i, i, schema)
			}
			return body(planned(`[` + strings.Join(plans, ",") + `]`))
		}
		compare(name, of(1), of(4))
	}
}
