package caddymodule

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/dustin/go-humanize"
)

// Duration is a length of time as it is written in a configuration: Go's notation, such as `55s` or `1m30s`, `d` for
// days, or a placeholder. In JSON a number is taken as nanoseconds, as everywhere in Caddy.
type Duration string

// maxDuration bounds every duration. It is far above anything useful, and far below what arithmetic on it overflows at.
const maxDuration = 365 * 24 * time.Hour

// UnmarshalJSON reads a string or a whole number.
func (d *Duration) UnmarshalJSON(data []byte) error {
	text, err := stringOrNumber(data, func(number int64) string { return time.Duration(number).String() })
	*d = Duration(text)
	return err
}

// Size is a number of bytes as it is written in a configuration: `1MiB`, `500kB`, a plain number, or a placeholder.
type Size string

// maxSize bounds every size.
const maxSize = 1 << 30

// UnmarshalJSON reads a string or a whole number.
func (s *Size) UnmarshalJSON(data []byte) error {
	text, err := stringOrNumber(data, func(number int64) string { return strconv.FormatInt(number, 10) })
	*s = Size(text)
	return err
}

// Number is a whole number as it is written in a configuration, or a placeholder.
type Number string

// UnmarshalJSON reads a string or a whole number.
func (n *Number) UnmarshalJSON(data []byte) error {
	text, err := stringOrNumber(data, func(number int64) string { return strconv.FormatInt(number, 10) })
	*n = Number(text)
	return err
}

// stringOrNumber reads what JSON has for a Duration, a Size or a Number; null stands for nothing, as everywhere in JSON.
func stringOrNumber(data []byte, format func(int64) string) (string, error) {
	if string(data) == "null" {
		return "", nil
	}
	var number int64
	if json.Unmarshal(data, &number) == nil {
		return format(number), nil
	}
	var text string
	if json.Unmarshal(data, &text) != nil {
		return "", fmt.Errorf("%s is neither a string nor a whole number", data)
	}
	return text, nil
}

// resolver puts values in the place of placeholders and collects the mistakes.
type resolver struct {
	replacer *caddy.Replacer
	problems []error
}

func newResolver() *resolver { return &resolver{replacer: caddy.NewReplacer()} }

// fail notes a mistake.
func (r *resolver) fail(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// ok tells whether no mistake was found so far.
func (r *resolver) ok() bool { return len(r.problems) == 0 }

// text resolves a value. A placeholder that is unknown, or that stands for nothing, is an error: an empty password must
// never come from a variable that somebody forgot to set.
func (r *resolver) text(name, value string) string {
	resolved, _ := r.replace(name, value)
	return resolved
}

func (r *resolver) replace(name, value string) (resolved string, ok bool) {
	resolved, err := r.replacer.ReplaceOrErr(value, true, true)
	if err != nil {
		r.fail("%s: %w", name, err)
		return "", false
	}
	return resolved, true
}

// secret resolves a value that no error may repeat: what looks like an unknown placeholder may be part of a password.
func (r *resolver) secret(name, value string) string {
	resolved, err := r.replacer.ReplaceOrErr(value, true, true)
	if err == nil {
		return resolved
	}
	if _, unknown := r.replacer.ReplaceOrErr(value, false, true); unknown != nil {
		r.fail(`%s: a placeholder in it is unknown; before a brace that is meant literally write a backslash`, name)
	} else {
		r.fail("%s: %w", name, err)
	}
	return ""
}

func (r *resolver) texts(name string, values []string) []string {
	resolved := make([]string, len(values))
	for i, value := range values {
		resolved[i] = r.text(name, value)
	}
	return resolved
}

// duration resolves a length of time above zero; empty gives the default.
func (r *resolver) duration(name string, value Duration, otherwise time.Duration) time.Duration {
	if value == "" {
		return otherwise
	}
	text, ok := r.replace(name, string(value))
	if !ok {
		return otherwise
	}
	d, err := caddy.ParseDuration(text)
	if err != nil || d <= 0 || d > maxDuration {
		r.fail("%s: %q is not a duration above zero and up to a year, such as 55s", name, text)
		return otherwise
	}
	return d
}

// size resolves a number of bytes above zero; empty gives the default.
func (r *resolver) size(name string, value Size, otherwise int64) int64 {
	if value == "" {
		return otherwise
	}
	text, ok := r.replace(name, string(value))
	if !ok {
		return otherwise
	}
	bytes, err := humanize.ParseBytes(text)
	if err != nil || bytes == 0 || bytes > maxSize {
		r.fail("%s: %q is not a size from 1 byte to 1 GiB, such as 1MiB", name, text)
		return otherwise
	}
	return int64(bytes)
}

// number resolves a whole number; empty gives 0.
func (r *resolver) number(name, value string, least, most int) int {
	if value == "" {
		return 0
	}
	text, ok := r.replace(name, value)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail("%s: %q is not a whole number from %d to %d", name, text, least, most)
		return 0
	}
	return n
}
