package routing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// List implements Store. The memory has one page.
func (m *MemoryStore) List(ctx context.Context, _ string, _ int) (page []Listed, next string, err error) {
	ctx, done := m.observe.Start(ctx, StoreList)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, "", err
	}
	now := m.now()
	for key := range m.records {
		if data := m.record(key, now); data != nil {
			page = append(page, Listed{Key: key, Data: data})
		}
	}
	slices.SortFunc(page, func(a, b Listed) int { return compareKeys(a.Key, b.Key) })
	return page, "", nil
}

// Unfinished implements Store.
func (m *MemoryStore) Unfinished(ctx context.Context, age time.Duration, limit int) (keys []Key, err error) {
	ctx, done := m.observe.Start(ctx, UnfinishedName(age))
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return nil, err
	}
	now := m.now()
	for key, record := range m.records {
		if record.unfinished && !record.expired(now) && now.Sub(record.written) >= age {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if order := m.records[a].written.Compare(m.records[b].written); order != 0 {
			return order
		}
		return compareKeys(a, b)
	})
	return keys[:min(limit, len(keys))], nil
}

func compareKeys(a, b Key) int {
	if order := strings.Compare(string(a.Instance), string(b.Instance)); order != 0 {
		return order
	}
	return strings.Compare(string(a.Binding), string(b.Binding))
}

// Mark implements Store.
func (m *MemoryStore) Mark(ctx context.Context, identity string, replace bool) (err error) {
	ctx, done := m.observe.Start(ctx, StoreMark)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return err
	}
	if m.identity == "" || replace {
		m.identity = identity
	}
	return nil
}

// Unmarked implements Store. The memory is one part.
func (m *MemoryStore) Unmarked(ctx context.Context, identity string) (unmarked, parts int, err error) {
	ctx, done := m.observe.Start(ctx, StoreUnmarked)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return 0, 0, err
	}
	if m.identity != identity {
		unmarked = 1
	}
	return unmarked, 1, nil
}

// Expect implements Store.
func (m *MemoryStore) Expect(identity string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expected = identity
}

// known refuses to say that a record is absent in a store that is not the expected one.
func (m *MemoryStore) known(held Snapshot) error {
	if held.Instance != nil || held.Binding != nil || m.expected == "" || m.expected == m.identity {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, ErrUnknownStore)
}

// Watch implements Watcher. A store in memory tells of every change while it happens.
func (m *MemoryStore) Watch(ctx context.Context, listener Listener) {
	m.mu.Lock()
	m.listeners[&listener] = listener
	if m.closed {
		listener.Lost(fmt.Errorf("%w: %w", ErrUnavailable, errMemoryClosed))
	} else {
		listener.Ready()
	}
	m.mu.Unlock()
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.listeners, &listener)
}

// Interface guard.
var _ Watcher = (*MemoryStore)(nil)
