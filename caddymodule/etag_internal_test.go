package caddymodule

import "testing"

func TestMatches(t *testing.T) {
	t.Parallel()
	const etag = `"abc"`
	for _, test := range []struct {
		name    string
		headers []string
		want    bool
	}{
		{"None", nil, false},
		{"Empty", []string{""}, false},
		{"Same", []string{`"abc"`}, true},
		{"Other", []string{`"abd"`}, false},
		{"Weak", []string{`W/"abc"`}, true},
		{"WeakOther", []string{`W/"abd"`}, false},
		{"LowerWeak", []string{`w/"abc"`}, false},
		{"List", []string{`"x", "abc"`}, true},
		{"ListWithoutSpaces", []string{`"x","abc","y"`}, true},
		{"ListOfOthers", []string{`"x", "y"`}, false},
		{"SeveralHeaders", []string{`"x"`, `"abc"`}, true},
		{"Spaces", []string{"\t\"abc\" "}, true},
		{"Any", []string{"*"}, true},
		{"AnyInAList", []string{`"x", *`}, true},
		{"WithoutQuotes", []string{"abc"}, false},
		{"Prefix", []string{`"ab`}, false},
		{"OtherCase", []string{`"ABC"`}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := matches(test.headers, etag); got != test.want {
				t.Errorf("%q: got %t, want %t", test.headers, got, test.want)
			}
		})
	}
}
