// Package doctest finds the examples of the project's documents, so that tests can run them and none of them rots.
//
// An example is a fenced block of a Markdown file below a comment that names the test it is for:
//
//	<!-- test: name -->
//	```console
//	$ uname
//	Linux
//	```
//
// In a console example every line that begins with "$ " is a command of a shell; one that ends with a backslash goes on
// in the next line. What follows up to the next command is what it prints.
package doctest

import (
	"fmt"
	"strings"
)

const (
	markerStart = "<!-- test: "
	markerEnd   = " -->"
	fence       = "```"
	prompt      = "$ "
)

// Example is one block.
type Example struct {
	// Name is the test it is for.
	Name string
	// Language is what stands behind the opening fence.
	Language string
	// Line is the number of the block's first line of text, counted from 1.
	Line int
	// Text is the block without its fences, each line with its end.
	Text string
}

// Command is a command of a console example.
type Command struct {
	// Line is the number of its first line, counted from 1.
	Line int
	// Text is the command without the prompt, its lines joined as they are.
	Text string
	// Want is what it prints, without trailing white space.
	Want string
}

// Examples returns the examples of a Markdown document in their order. A marker without a block, and a block without an
// end, are errors.
func Examples(document string) ([]Example, error) {
	var examples []Example
	lines := strings.SplitAfter(document, "\n")
	for i := 0; i < len(lines); i++ {
		name, found := marker(lines[i])
		if !found {
			continue
		}
		open := i + 1
		for open < len(lines) && strings.TrimSpace(lines[open]) == "" {
			open++
		}
		if open >= len(lines) || !strings.HasPrefix(lines[open], fence) {
			return nil, fmt.Errorf("line %d: no fenced block follows the marker %q", i+1, name)
		}
		end := open + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != fence {
			end++
		}
		if end >= len(lines) {
			return nil, fmt.Errorf("line %d: the fenced block does not end", open+1)
		}
		examples = append(examples, Example{
			Name:     name,
			Language: strings.TrimSpace(strings.TrimPrefix(lines[open], fence)),
			Line:     open + 2,
			Text:     strings.Join(lines[open+1:end], ""),
		})
		i = end
	}
	return examples, nil
}

func marker(line string) (name string, found bool) {
	rest, found := strings.CutPrefix(strings.TrimSpace(line), markerStart)
	if !found {
		return "", false
	}
	return strings.CutSuffix(rest, markerEnd)
}

// Commands returns the commands of a console example.
func (e Example) Commands() []Command {
	var (
		commands []Command
		unended  bool
	)
	for i, line := range strings.Split(e.Text, "\n") {
		text, begins := strings.CutPrefix(line, prompt)
		switch {
		case unended:
			last := &commands[len(commands)-1]
			last.Text += "\n" + line
			unended = strings.HasSuffix(line, `\`)
		case begins:
			commands = append(commands, Command{Line: e.Line + i, Text: text})
			unended = strings.HasSuffix(text, `\`)
		case len(commands) > 0:
			commands[len(commands)-1].Want += line + "\n"
		}
	}
	for i := range commands {
		commands[i].Want = strings.TrimRight(commands[i].Want, " \t\n")
	}
	return commands
}

// Format writes commands the way Commands reads them.
func Format(commands []Command) string {
	var text strings.Builder
	for _, c := range commands {
		text.WriteString(prompt + c.Text + "\n")
		if c.Want != "" {
			text.WriteString(c.Want + "\n")
		}
	}
	return text.String()
}
