package caddymodule

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNotices: something is told when it begins, and while it lasts every minute, with how often it happened since.
func TestNotices(t *testing.T) {
	t.Parallel()
	n, start := newNotices(), time.Now()
	type told struct {
		untold int
		ok     bool
	}
	tell := func(key string, after time.Duration) told {
		untold, ok := n.tell(key, time.Minute, start.Add(after))
		return told{untold, ok}
	}
	for _, step := range []struct {
		key   string
		after time.Duration
		want  told
	}{
		{"a", 0, told{0, true}},
		{"a", time.Second, told{0, false}},
		{"b", 2 * time.Second, told{0, true}},
		{"a", 59 * time.Second, told{0, false}},
		{"a", time.Minute, told{2, true}},
		{"a", 61 * time.Second, told{0, false}},
		{"b", 3 * time.Minute, told{0, true}},
		{"a", 3 * time.Minute, told{1, true}},
	} {
		if diff := cmp.Diff(step.want, tell(step.key, step.after), cmp.AllowUnexported(told{})); diff != "" {
			t.Errorf("%s after %s (-want +got):\n%s", step.key, step.after, diff)
		}
	}
	n.forget(func(key string) bool { return key == "a" })
	if got := tell("a", 3*time.Minute); !got.ok {
		t.Error("what was over and begins again is not told")
	}
	if got := tell("b", 3*time.Minute); got.ok {
		t.Error("something else was forgotten")
	}
}

// TestNoticesAreBounded: ids of callers do not fill the memory.
func TestNoticesAreBounded(t *testing.T) {
	t.Parallel()
	n, now := newNotices(), time.Now()
	for i := range 10 * maxNotices {
		if _, ok := n.tell(strings.Repeat("x", 10)+strconv.Itoa(i), time.Hour, now); !ok {
			t.Fatalf("%d is not told", i)
		}
		if len(n.told) > maxNotices {
			t.Fatalf("%d are remembered", len(n.told))
		}
	}
}
