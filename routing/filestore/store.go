package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var (
	errNotOpen = errors.New("the store is not open")
	errClosed  = errors.New("the store is closed")
)

// Store is a routing.Store in a file.
type Store struct {
	path    string
	now     func() time.Time
	observe routing.Observer

	// identity is what the file should carry; nil for anything.
	identity  atomic.Pointer[string]
	listeners listeners

	mu     sync.RWMutex
	closed bool
	file   *file
}

// Option changes what New makes.
type Option func(*Store)

// Clock replaces time.Now as the store's clock.
func Clock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// Observe has each call of the store observed.
func Observe(observe routing.Observer) Option {
	return func(s *Store) { s.observe = observe }
}

// New returns a store in the file at path, which it does not touch before Open.
func New(path string, options ...Option) *Store {
	s := &Store{path: path, now: time.Now}
	for _, option := range options {
		option(s)
	}
	return s
}

// Open opens the file, and makes it and its directory where they are missing. It does nothing when the store is open.
// It fails when another process has the file, which it waits for a second, and when the file is not one of this store,
// is damaged or comes from a newer version: then it leaves it as it is. A store that was closed stays closed.
func (s *Store) Open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("opening %s: %w: %w", s.path, routing.ErrUnavailable, errClosed)
	}
	if s.file != nil {
		return nil
	}
	opened, err := openFile(s.path)
	if err != nil {
		return fmt.Errorf("opening %s: %w: %w", s.path, routing.ErrUnavailable, err)
	}
	s.file = opened
	return nil
}

// Read implements routing.Store.
func (s *Store) Read(ctx context.Context, key routing.Key) (snapshot routing.Snapshot, err error) {
	err = s.call(ctx, routing.StoreRead, func(_ context.Context, f *file) error {
		if err := checkKey(key); err != nil {
			return err
		}
		return f.view(func(tx *bbolt.Tx) error {
			held, err := readSnapshot(tx, key, s.now())
			if err == nil {
				err = s.known(tx, held)
			}
			if err == nil {
				snapshot = held
			}
			return err
		})
	})
	return snapshot, err
}

// Swap implements routing.Store. BeforeSend changes nothing: there is no replica.
func (s *Store) Swap(
	ctx context.Context, change routing.Change,
) (snapshot routing.Snapshot, swapped bool, err error) {
	type outcome struct {
		snapshot routing.Snapshot
		swapped  bool
	}
	var result outcome
	err = s.call(ctx, routing.StoreSwap, func(ctx context.Context, f *file) error {
		if err := errors.Join(change.Check(), checkKey(change.Key), checkWrites(change)); err != nil {
			return err
		}
		// The writer may still be at it when the caller has gone.
		change, made := cloneChange(change), new(outcome)
		err := f.update(ctx, func(tx *bbolt.Tx) (bool, error) {
			var held routing.Snapshot
			if err := guard(func() (err error) {
				if held, err = readSnapshot(tx, change.Key, s.now()); err != nil {
					return err
				}
				return s.known(tx, held)
			}); err != nil {
				return false, err
			}
			if !change.Matches(held) {
				*made = outcome{snapshot: held}
				return false, nil
			}
			*made = outcome{change.After(held.Now), true}
			tx.OnCommit(func() { s.listeners.tell(change) })
			return applyChange(tx, change, held.Now)
		})
		if err == nil {
			result = *made
		}
		return err
	})
	return result.snapshot, result.swapped, err
}

// ReadDocument implements routing.Store.
func (s *Store) ReadDocument(ctx context.Context, name string) (document routing.Document, err error) {
	err = s.call(ctx, routing.StoreReadDocument, func(_ context.Context, f *file) error {
		if err := checkName(name); err != nil {
			return err
		}
		return f.view(func(tx *bbolt.Tx) error {
			var err error
			document, err = readDocument(tx, documentKey(name))
			return err
		})
	})
	return document, err
}

// SwapDocument implements routing.Store.
func (s *Store) SwapDocument(
	ctx context.Context, name string, old uint64, data []byte,
) (document routing.Document, swapped bool, err error) {
	type outcome struct {
		document routing.Document
		swapped  bool
	}
	var result outcome
	err = s.call(ctx, routing.StoreSwapDocument, func(ctx context.Context, f *file) error {
		if err := errors.Join(checkName(name), checkData(data)); err != nil {
			return err
		}
		key, next := documentKey(name), routing.Document{Version: old + 1, Data: append([]byte{}, data...)}
		value, made := encodeDocument(key, next), new(outcome)
		err := f.update(ctx, func(tx *bbolt.Tx) (bool, error) {
			var held routing.Document
			if err := guard(func() (err error) {
				held, err = readDocument(tx, key)
				return err
			}); err != nil {
				return false, err
			}
			if held.Version != old {
				*made = outcome{document: held}
				return false, nil
			}
			*made = outcome{next, true}
			tx.OnCommit(func() { s.listeners.tellDocument(name, next.Version) })
			return true, tx.Bucket(documentsBucket).Put(key, value)
		})
		if err == nil {
			result = *made
		}
		return err
	})
	return result.document, result.swapped, err
}

// Close implements routing.Store. Writes that were begun are finished first.
func (s *Store) Close() error {
	s.mu.Lock()
	closing := s.file
	s.file, s.closed = nil, true
	s.mu.Unlock()
	s.listeners.close()
	if closing == nil {
		return nil
	}
	if err := closing.close(); err != nil {
		return fmt.Errorf("closing %s: %w", s.path, err)
	}
	return nil
}

// call runs one operation on the open file and has it observed. Each of its errors matches routing.ErrUnavailable.
func (s *Store) call(
	ctx context.Context, operation string, work func(ctx context.Context, f *file) error,
) (err error) {
	ctx, done := s.observe.Start(ctx, operation)
	defer func() { done(err) }()

	s.mu.RLock()
	f, closed := s.file, s.closed
	s.mu.RUnlock()
	switch {
	case closed:
		err = errClosed
	case f == nil:
		err = errNotOpen
	default:
		if err = ctx.Err(); err == nil {
			err = work(ctx, f)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", routing.ErrUnavailable, s.path, err)
	}
	return nil
}

// applyChange writes both records and clears away a few expired ones. It tells whether the file changed.
func applyChange(tx *bbolt.Tx, change routing.Change, now time.Time) (bool, error) {
	if change.Instance == nil && change.Binding == nil {
		return false, nil
	}
	if err := sweep(tx, now); err != nil {
		return true, err
	}
	if err := instancePlace(change.Key).write(tx, change.Instance, now); err != nil {
		return true, err
	}
	return true, bindingPlace(change.Key).write(tx, change.Binding, now)
}

func checkWrites(change routing.Change) error {
	for _, write := range []*routing.Write{change.Instance, change.Binding} {
		if write != nil && recordHeader+len(write.Data) > bbolt.MaxValueSize {
			return errors.New("the record is larger than the file can hold")
		}
	}
	return nil
}

func cloneChange(change routing.Change) routing.Change {
	change.Old.Instance = bytes.Clone(change.Old.Instance)
	change.Old.Binding = bytes.Clone(change.Old.Binding)
	clone := func(write *routing.Write) *routing.Write {
		if write == nil {
			return nil
		}
		copied := *write
		copied.Data = bytes.Clone(write.Data)
		return &copied
	}
	change.Instance, change.Binding = clone(change.Instance), clone(change.Binding)
	return change
}

// Interface guard.
var _ routing.Store = (*Store)(nil)
