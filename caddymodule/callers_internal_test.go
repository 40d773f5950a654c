package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// TestKeysTokenIsReadAnew: Kubernetes exchanges the file.
func TestKeysTokenIsReadAnew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	for _, token := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readKeysToken("{file." + file + "}"); got != token || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, token)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got, err := readKeysToken("{file." + file + "}"); got != "" || err == nil || !strings.Contains(err.Error(), "jwks_token") {
		t.Errorf("without the file: got %q, %v", got, err)
	}
}

// TestConflictsAreLoggedNowAndThen: each group of platforms once a minute.
func TestConflictsAreLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	var log refusalLog
	now := time.Now()
	for _, step := range []struct {
		conflict string
		after    time.Duration
		due      bool
	}{
		{"a b", 0, true},
		{"a b", 0, false},
		{"a c", 0, true},
		{"a b", conflictPause - 1, false},
		{"a b", conflictPause, true},
		{"a b", conflictPause + 1, false},
		{"a c", conflictPause, true},
	} {
		if got := log.isDue(step.conflict, now.Add(step.after)); got != step.due {
			t.Errorf("%s after %s: got %t, want %t", step.conflict, step.after, got, step.due)
		}
	}
}

// TestKeysAreLoggedOnceForAll: trouble with an issuer's keys is logged when it begins, changes and ends.
func TestKeysAreLoggedOnceForAll(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.DebugLevel)
	rt := &runtime{settings: &settings{name: "g"}, logger: zap.New(core)}
	report := func(issuer, problem string, leftOut ...string) {
		r := platform.KeyReport{Platform: "cf", Issuer: issuer, LeftOut: leftOut}
		if problem != "" {
			r.Err = errors.New(problem)
		}
		rt.noteKeys(r)
	}
	wantLogged := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, entry := range logs.TakeAll() {
			got = append(got, entry.Level.String()+": "+entry.Message)
		}
		if len(got) != len(want) {
			t.Fatalf("%s: the log says %q, want %d lines", what, got, len(want))
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: the log says %q, want %q", what, got[i], want[i])
			}
		}
	}
	report("one", "")
	report("one", "")
	wantLogged("no trouble")
	report("one", "down")
	report("one", "down")
	wantLogged("trouble", "warn: the keys of an issuer cannot be read")
	report("two", "down")
	wantLogged("trouble with another one", "warn: the keys")
	report("one", "slow")
	wantLogged("other trouble", "warn: the keys")
	report("one", "", "key 1: odd")
	report("one", "", "key 1: odd")
	wantLogged("the end of it, and a key that is left out", "info: the keys of an issuer can be read again", "info: some keys of an issuer are not used")
	report("one", "down")
	report("one", "", "key 1: odd")
	wantLogged("a short trouble", "warn: the keys", "info: the keys of an issuer can be read again")
}
