package caddymodule

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestStoreHealth notes outcomes and reads what is logged of them: changes only.
func TestStoreHealth(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	health := &storeHealth{logger: zap.New(core)}
	trouble := errors.New("connection refused")
	for _, err := range []error{nil, nil, trouble, trouble, errors.New("another"), nil, nil, trouble} {
		health.note(err)
	}
	var got []string
	for _, entry := range logs.All() {
		text := entry.Level.String() + ": " + entry.Message
		if cause, ok := entry.ContextMap()["error"]; ok {
			text += ": " + cause.(string)
		}
		got = append(got, text)
	}
	down := "error: the ownership store does not answer; calls get 503 until it does: connection refused"
	want := []string{down, "info: the ownership store answers again", down}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("logged otherwise (-want +got):\n%s", difference)
	}
}

// TestStoreHealthRace fails many calls at once, which makes one line.
func TestStoreHealthRace(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	health := &storeHealth{logger: zap.New(core)}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { health.note(errors.New("down")) })
	}
	all.Wait()
	for range 16 {
		all.Go(func() { health.note(nil) })
	}
	all.Wait()
	if got := logs.Len(); got != 2 {
		t.Errorf("%d lines were logged, want 2", got)
	}
}
