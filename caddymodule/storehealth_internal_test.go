package caddymodule

import (
	"errors"
	"sync"
	"testing"
	"time"

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
	start := time.Now()
	for _, call := range []struct {
		second int
		err    error
	}{
		{0, nil},
		{0, nil},
		{1, trouble},
		{2, trouble},
		{3, errors.New("another")},
		{12, nil},
		{13, nil},
		{14, nil},
		// It takes no writes.
		{20, nil},
		{21, trouble},
		{22, nil},
		{25, trouble},
		{26, nil},
		{30, trouble},
		{31, nil},
		{39, nil},
		{40, trouble},
		{49, nil},
	} {
		health.noteAt(start.Add(time.Duration(call.second)*time.Second), call.err)
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
		all.Go(func() { health.noteAt(time.Now().Add(storeHealthQuiet), nil) })
	}
	all.Wait()
	if got := logs.Len(); got != 2 {
		t.Errorf("%d lines were logged, want 2", got)
	}
}

// TestGivenUp gives up an outcome a second for two minutes, which makes a line a minute.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	var outcomes givenUp
	start := time.Now()
	for second := range 121 {
		outcomes.note(zap.New(core), start.Add(time.Duration(second)*time.Second))
	}
	var got []int64
	for _, entry := range logs.All() {
		got = append(got, entry.ContextMap()["given_up"].(int64))
	}
	if difference := cmp.Diff([]int64{1, 61, 121}, got); difference != "" {
		t.Errorf("logged otherwise (-want +got):\n%s", difference)
	}
}
