package catalogmerge_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osb-gateway/caddy-osb-gateway/catalogmerge"
)

// TestAnswer: a copy gives back what its backend last had, byte for byte, without what was missing then.
func TestAnswer(t *testing.T) {
	t.Parallel()
	a, b, c := with(service("a", "a", "p"), `"n": 1.0`), service("b", "b", "q"), service("c", "c", "r")
	var previous *catalogmerge.Copy
	for i, step := range []struct{ answered, want []byte }{
		{body(a, b), body(a, b)},
		{body(a, c), body(a, c)},
		{body(), body()},
	} {
		got, err := refreshed(previous, "one", step.answered, "", noon.Add(time.Duration(i)*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(step.want), string(got.Answer())); diff != "" {
			t.Errorf("answer %d (-want +got):\n%s", i, diff)
		}
		previous = got
	}
}
