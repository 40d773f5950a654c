package caddymodule

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// warner is a store that warns of what a test says.
type warner struct {
	warnings []string
	err      error
	asked    chan struct{}
}

func (w *warner) Warnings(context.Context) ([]string, error) {
	if w.asked != nil {
		w.asked <- struct{}{}
	}
	return w.warnings, w.err
}

// TestStoreWarnings looks at a store again and again, and reads what is logged: what is new, what lasts for an hour,
// what is over.
func TestStoreWarnings(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.DebugLevel)
	store := &warner{}
	w := newStoreWarnings(store, func() *zap.Logger { return zap.New(core) })
	start := time.Now()
	const a, b = "warn: the ownership store may lose records: a", "warn: the ownership store may lose records: b"
	const over = "info: a danger to the ownership store is over"
	steps := []struct {
		after    time.Duration
		warnings []string
		err      error
		want     []string
	}{
		{0, nil, nil, nil},
		{time.Minute, []string{"a"}, nil, []string{a}},
		{2 * time.Minute, []string{"a"}, nil, nil},
		{3 * time.Minute, []string{"a", "b"}, nil, []string{b}},
		{4 * time.Minute, nil, errors.New("down"), nil},
		{5 * time.Minute, []string{"b", "a"}, nil, nil},
		{60 * time.Minute, []string{"a", "b"}, nil, nil},
		{61 * time.Minute, []string{"a", "b"}, nil, []string{a}},
		{62 * time.Minute, []string{"a", "b"}, nil, nil},
		{63 * time.Minute, []string{"a"}, nil, []string{over}},
		{121 * time.Minute, []string{"a"}, nil, []string{a}},
		{122 * time.Minute, nil, nil, []string{over}},
		{123 * time.Minute, []string{"a"}, nil, []string{a}},
	}
	for _, step := range steps {
		store.warnings, store.err = step.warnings, step.err
		w.look(t.Context(), start.Add(step.after))
		var got []string
		for _, entry := range logs.TakeAll() {
			got = append(got, entry.Level.String()+": "+entry.Message)
		}
		if difference := cmp.Diff(step.want, got); difference != "" {
			t.Errorf("after %s: logged otherwise (-want +got):\n%s", step.after, difference)
		}
	}
}

// TestStoreWarningsBeginAndEnd: each gateway that starts has the store looked at, and the last one ends that.
func TestStoreWarningsBeginAndEnd(t *testing.T) {
	t.Parallel()
	store := &warner{asked: make(chan struct{})}
	w := newStoreWarnings(store, zap.NewNop)
	for range 3 {
		w.begin()
		<-store.asked
	}
	w.end()
	newStoreWarnings(store, zap.NewNop).end() // one that was never begun

	none := newStoreWarnings(struct{}{}, zap.NewNop) // a store that has nothing to warn of
	none.begin()
	none.end()
}
