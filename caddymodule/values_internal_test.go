package caddymodule

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// checkResult compares a resolved value, or the mistakes, with what is wanted.
func checkResult[T comparable](t *testing.T, r *resolver, got, want T, problem string) {
	t.Helper()
	err := errors.Join(r.problems...)
	switch {
	case problem == "" && err != nil:
		t.Errorf("got the error %v", err)
	case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
		t.Errorf("got the error %v, want one that says %q", err, problem)
	case problem != "" && len(r.problems) != 1:
		t.Errorf("one mistake is reported as %d: %v", len(r.problems), err)
	case got != want:
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDurations(t *testing.T) {
	t.Setenv("OSB_TEST_DURATION", "90s")
	const fallback = 7 * time.Second
	for _, test := range []struct {
		value   Duration
		want    time.Duration
		problem string
	}{
		{"", fallback, ""},
		{"500ms", 500 * time.Millisecond, ""},
		{"1m30s", 90 * time.Second, ""},
		{"1d", 24 * time.Hour, ""},
		{"365d", 365 * 24 * time.Hour, ""},
		{"1ns", 1, ""},
		{"{env.OSB_TEST_DURATION}", 90 * time.Second, ""},
		{"1{env.OSB_TEST_DURATION}", 190 * time.Second, ""},
		{"0", fallback, `x: "0" is not a duration`},
		{"0s", fallback, "above zero"},
		{"-1s", fallback, "above zero"},
		{"55", fallback, `x: "55" is not a duration`},
		{"365d1ns", fallback, "up to a year"},
		{"9999999d", fallback, "up to a year"},
		{"long", fallback, "such as 55s"},
		{"{env.OSB_TEST_UNSET}", fallback, "x: evaluated placeholder {env.OSB_TEST_UNSET} is empty"},
		{"{osb.nothing}", fallback, "x: unrecognized placeholder {osb.nothing}"},
	} {
		t.Run(string(test.value), func(t *testing.T) {
			r := newResolver()
			checkResult(t, r, r.duration("x", test.value, fallback), test.want, test.problem)
		})
	}
}

func TestSizes(t *testing.T) {
	t.Setenv("OSB_TEST_SIZE", "3KiB")
	const fallback = 7
	for _, test := range []struct {
		value   Size
		want    int64
		problem string
	}{
		{"", fallback, ""},
		{"1", 1, ""},
		{"1024", 1024, ""},
		{"64KiB", 64 << 10, ""},
		{"8MB", 8_000_000, ""},
		{"1 MiB", 1 << 20, ""},
		{"1.5MiB", 3 << 19, ""},
		{"1GiB", 1 << 30, ""},
		{"{env.OSB_TEST_SIZE}", 3 << 10, ""},
		{"0", fallback, `x: "0" is not a size from 1 byte to 1 GiB, such as 1MiB`},
		{"0.4B", fallback, "is not a size"},
		{"-1MiB", fallback, "is not a size"},
		{"1025MiB", fallback, "is not a size"},
		{"9999999999EiB", fallback, "is not a size"},
		{"1 parsec", fallback, "is not a size"},
		{"NaN", fallback, "is not a size"},
		{"{env.OSB_TEST_UNSET}", fallback, "x: evaluated placeholder"},
	} {
		t.Run(string(test.value), func(t *testing.T) {
			r := newResolver()
			checkResult(t, r, r.size("x", test.value, fallback), test.want, test.problem)
		})
	}
}

func TestNumbers(t *testing.T) {
	t.Setenv("OSB_TEST_NUMBER", "12")
	for _, test := range []struct {
		value   string
		want    int
		problem string
	}{
		{"", 0, ""},
		{"0", 0, ""},
		{"15", 15, ""},
		{"{env.OSB_TEST_NUMBER}", 12, ""},
		{"16", 0, `x: "16" is not a whole number from 0 to 15`},
		{"-1", 0, "is not a whole number"},
		{"1.5", 0, "is not a whole number"},
		{"one", 0, "is not a whole number"},
		{"{env.OSB_TEST_UNSET}", 0, "x: evaluated placeholder"},
	} {
		t.Run(test.value, func(t *testing.T) {
			r := newResolver()
			checkResult(t, r, r.number("x", test.value, 0, 15), test.want, test.problem)
		})
	}
}

func TestTextsAndSecrets(t *testing.T) {
	t.Setenv("OSB_TEST_SECRET", "s3cret")
	for _, test := range []struct {
		value, want string
		// text and secret are what goes wrong with it as the one and as the other.
		text, secret string
	}{
		{"", "", "", ""},
		{"plain", "plain", "", ""},
		{"{env.OSB_TEST_SECRET}", "s3cret", "", ""},
		{"a-{env.OSB_TEST_SECRET}-b", "a-s3cret-b", "", ""},
		{`a\{b\}c`, "a{b}c", "", ""},
		{"a{b", "a{b", "", ""},
		{"a}b", "a}b", "", ""},
		{"{env.OSB_TEST_UNSET}", "", "{env.OSB_TEST_UNSET} is empty", "x: evaluated placeholder {env.OSB_TEST_UNSET} is empty"},
		{"pass{word}", "", "unrecognized placeholder {word}", "x: a placeholder in it is unknown"},
		{"{env.OSB_TEST_UNSET}{word}", "", "{env.OSB_TEST_UNSET} is empty", "x: a placeholder in it is unknown"},
	} {
		t.Run(test.value, func(t *testing.T) {
			r := newResolver()
			checkResult(t, r, r.text("x", test.value), test.want, test.text)
			r = newResolver()
			checkResult(t, r, r.secret("x", test.value), test.want, test.secret)
			if err := errors.Join(r.problems...); err != nil && strings.Contains(err.Error(), "word") {
				t.Errorf("the error repeats a part of the secret: %v", err)
			}
		})
	}
}

// TestResolverCollects keeps all mistakes, in their order.
func TestResolverCollects(t *testing.T) {
	t.Parallel()
	r := newResolver()
	if !r.ok() {
		t.Error("a new resolver is not ok")
	}
	r.duration("first", "never", 0)
	r.texts("second", []string{"fine", "{osb.nothing}"})
	r.fail("third")
	err := errors.Join(r.problems...).Error()
	if lines := strings.Split(err, "\n"); r.ok() || len(lines) != 3 || !strings.HasPrefix(lines[0], "first: ") ||
		!strings.HasPrefix(lines[1], "second: ") || lines[2] != "third" {
		t.Errorf("got the mistakes\n%s", err)
	}
}

func TestIsPlaceholder(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"": false, "plain": false, "{env.X}": true, "a{env.X}b": true, "}{": false, "a{b": false,
		`\{b\}`: false, `a\{b}`: false, `\{a\}{env.X}`: true, "{": false, "{}": true,
	} {
		if got := isPlaceholder(value); got != want {
			t.Errorf("%q: got %t, want %t", value, got, want)
		}
	}
}

func TestPasswordOfURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"": "", "redis://host:6379/0": "", "redis://user@host": "", "redis://:pass@host": "pass",
		"rediss://user:pa:ss@host:6379/1": "pa:ss", "redis://user:p@ss@host": "p@ss", "redis://user:{env.P}@{env.H}": "{env.P}",
		"nonsense": "", "host:6379": "",
	} {
		if got := passwordOfURL(address); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

func TestValuesFromJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, duration, size, problem string }{
		{`"55s"`, "55s", "55s", ""},
		{`""`, "", "", ""},
		{`null`, "", "", ""},
		{`1500000000`, "1.5s", "1500000000", ""},
		{`0`, "0s", "0", ""},
		{`-1`, "-1ns", "-1", ""},
		{`1.5`, "", "", "1.5 is neither a string nor a whole number"},
		{`1e400`, "", "", "1e400 is neither"},
		{`true`, "", "", "true is neither"},
		{`["55s"]`, "", "", "is neither"},
		{`{}`, "", "", "is neither"},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			var got struct {
				Duration Duration
				Size     Size
			}
			for _, field := range []string{"Duration", "Size"} {
				err := json.Unmarshal([]byte(`{"`+field+`":`+test.text+`}`), &got)
				if (test.problem == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.problem) {
					t.Errorf("%s: got the error %v, want one that says %q", field, err, test.problem)
				}
			}
			if string(got.Duration) != test.duration || string(got.Size) != test.size {
				t.Errorf("got %q and %q, want %q and %q", got.Duration, got.Size, test.duration, test.size)
			}
		})
	}
}
