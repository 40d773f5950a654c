package routing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// memorySweepLimit is how many records one write looks at for expired ones. It is more than a write can add, so the
// store does not grow without bound.
const memorySweepLimit = 8

var errMemoryClosed = errors.New("the store is closed")

// MemoryStore is a Store that ends with the process. It is for tests and trials: a gateway that uses it forgets who
// owns what when it is restarted. It keeps no index of unfinished records, for nothing is left of them after a restart.
type MemoryStore struct {
	now     func() time.Time
	observe Observer

	mu        sync.Mutex
	closed    bool
	records   map[Key]memoryRecord
	documents map[string]Document
	// identity is the store's, expected the one that it must have.
	identity, expected string
	listeners          map[*Listener]Listener
}

// memoryRecord is one record; the zero expires is never.
type memoryRecord struct {
	data             []byte
	expires, written time.Time
	unfinished       bool
}

// MemoryOption changes what NewMemoryStore makes.
type MemoryOption func(*MemoryStore)

// MemoryClock replaces time.Now as the store's clock.
func MemoryClock(now func() time.Time) MemoryOption {
	return func(m *MemoryStore) { m.now = now }
}

// MemoryObserver has each call of the store observed.
func MemoryObserver(observe Observer) MemoryOption {
	return func(m *MemoryStore) { m.observe = observe }
}

// NewMemoryStore returns an empty store.
func NewMemoryStore(options ...MemoryOption) *MemoryStore {
	m := &MemoryStore{
		now:       time.Now,
		records:   make(map[Key]memoryRecord),
		documents: make(map[string]Document),
		listeners: make(map[*Listener]Listener),
	}
	for _, option := range options {
		option(m)
	}
	return m
}

// Read implements Store.
func (m *MemoryStore) Read(ctx context.Context, key Key) (snapshot Snapshot, err error) {
	ctx, done := m.observe.Start(ctx, StoreRead)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Snapshot{}, err
	}
	held := m.snapshot(key)
	if err := m.known(held); err != nil {
		return Snapshot{}, err
	}
	return held, nil
}

// Swap implements Store.
func (m *MemoryStore) Swap(ctx context.Context, change Change) (snapshot Snapshot, swapped bool, err error) {
	ctx, done := m.observe.Start(ctx, StoreSwap)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Snapshot{}, false, err
	}
	if err := change.Check(); err != nil {
		return Snapshot{}, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	held := m.snapshot(change.Key)
	if err := m.known(held); err != nil {
		return Snapshot{}, false, err
	}
	if !change.Matches(held) {
		return held, false, nil
	}
	m.sweep(held.Now)
	m.write(Key{Instance: change.Key.Instance}, change.Instance, held.Now)
	m.write(change.Key, change.Binding, held.Now)
	return change.After(held.Now), true, nil
}

// ReadDocument implements Store.
func (m *MemoryStore) ReadDocument(ctx context.Context, name string) (document Document, err error) {
	ctx, done := m.observe.Start(ctx, StoreReadDocument)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Document{}, err
	}
	return m.document(name), nil
}

// SwapDocument implements Store.
func (m *MemoryStore) SwapDocument(
	ctx context.Context, name string, old uint64, data []byte,
) (document Document, swapped bool, err error) {
	ctx, done := m.observe.Start(ctx, StoreSwapDocument)
	defer func() { done(err) }()

	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.usable(ctx); err != nil {
		return Document{}, false, err
	}
	if m.documents[name].Version != old {
		return m.document(name), false, nil
	}
	m.documents[name] = Document{Version: old + 1, Data: append([]byte{}, data...)}
	for _, listener := range m.listeners {
		listener.DocumentChanged(name, old+1)
	}
	return m.document(name), true, nil
}

// Close implements Store. What the store held is gone.
func (m *MemoryStore) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	m.records, m.documents = nil, nil
	for _, listener := range m.listeners {
		listener.Lost(fmt.Errorf("%w: %w", ErrUnavailable, errMemoryClosed))
	}
	return nil
}

// usable tells why a call cannot be answered, if it cannot.
func (m *MemoryStore) usable(ctx context.Context) error {
	if m.closed {
		return fmt.Errorf("%w: %w", ErrUnavailable, errMemoryClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// snapshot copies what is held under a key.
func (m *MemoryStore) snapshot(key Key) Snapshot {
	now := m.now()
	held := Snapshot{Instance: m.record(Key{Instance: key.Instance}, now), Now: now}
	if key.Binding != "" {
		held.Binding = m.record(key, now)
	}
	return held
}

func (m *MemoryStore) record(key Key, now time.Time) []byte {
	record := m.records[key]
	if record.expired(now) {
		return nil
	}
	return bytes.Clone(record.data)
}

func (m *MemoryStore) write(key Key, write *Write, now time.Time) {
	switch {
	case write == nil:
	case write.Data == nil:
		delete(m.records, key)
	default:
		record := memoryRecord{data: bytes.Clone(write.Data), written: now, unfinished: write.Unfinished}
		if write.TTL > 0 {
			record.expires = now.Add(write.TTL)
		}
		m.records[key] = record
	}
	if write != nil {
		for _, listener := range m.listeners {
			listener.Changed(key)
		}
	}
}

// sweep looks at a few records, other ones each time, and drops those whose time is over.
func (m *MemoryStore) sweep(now time.Time) {
	seen := 0
	for key, record := range m.records {
		if seen == memorySweepLimit {
			return
		}
		seen++
		if record.expired(now) {
			delete(m.records, key)
		}
	}
}

func (m *MemoryStore) document(name string) Document {
	document := m.documents[name]
	document.Data = bytes.Clone(document.Data)
	return document
}

func (r memoryRecord) expired(now time.Time) bool {
	return !r.expires.IsZero() && !now.Before(r.expires)
}

// Interface guard.
var _ Store = (*MemoryStore)(nil)
