package caddymodule

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

// grammarText is the syntax of the directive, by which errors say what could stand in place of a mistake. The comment of
// Gateway.UnmarshalCaddyfile and docs/configuration.md show the same.
//
//go:embed grammar.txt
var grammarText string

// grammar returns the lines that may stand in each block, without braces, by what opens the block: `platform`, or
// `store redis`.
var grammar = sync.OnceValue(func() map[string][]string {
	lines := make(map[string][]string)
	var blocks []string
	for line := range strings.Lines(grammarText) {
		line = strings.TrimSpace(line)
		switch line {
		case "", "...":
			continue
		case "}":
			blocks = blocks[:len(blocks)-1]
			continue
		}
		line, opens := strings.CutSuffix(line, " {")
		if len(blocks) > 0 {
			in := blocks[len(blocks)-1]
			lines[in] = append(lines[in], line)
		}
		if opens {
			name, rest, _ := strings.Cut(line, " ")
			if name == "store" {
				name += " " + rest
			}
			blocks = append(blocks, name)
		}
	}
	return lines
})

// subdirectives returns the names of what may stand in a block, in the order of the grammar.
func subdirectives(in string) []string {
	var names []string
	for _, line := range grammar()[in] {
		if name, _, _ := strings.Cut(line, " "); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// usage returns how a subdirective is written in a block.
func usage(in, name string) string {
	name, _, _ = strings.Cut(name, " ") // `store redis` is a store
	var written []string
	for _, line := range grammar()[in] {
		if first, _, _ := strings.Cut(line, " "); first == name {
			written = append(written, "`"+line+"`")
		}
	}
	return strings.Join(written, " or ")
}

// instead says what may have been meant by a subdirective that a block does not have: one of another block, where a
// brace is missing or too much, one that is spelled nearly so, or any of those there are.
func instead(in, name string) string {
	var elsewhere []string
	for block := range grammar() {
		if slices.Contains(subdirectives(block), name) {
			elsewhere = append(elsewhere, block)
		}
	}
	if len(elsewhere) > 0 {
		slices.Sort(elsewhere)
		return "it belongs in " + strings.Join(elsewhere, " or ") + "; is a brace missing, or one too many?"
	}
	here := subdirectives(in)
	nearest := slices.MinFunc(here, func(a, b string) int { return misspellings(name, a) - misspellings(name, b) })
	if 3*misspellings(name, nearest) <= len(name) {
		return "did you mean " + nearest + "?"
	}
	return "there are " + strings.Join(here, ", ")
}

// misspellings counts the bytes that must be inserted, removed or changed to make one word of another.
func misspellings(written, meant string) int {
	row := make([]int, len(meant)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(written) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(meant) {
			changed := diagonal
			if written[i] != meant[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(meant)]
}
