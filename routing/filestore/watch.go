package filestore

import (
	"context"
	"fmt"
	"sync"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var errLost = fmt.Errorf("%w: %w", routing.ErrUnavailable, errClosed)

// listeners are those who are told of changes. Only this process has the file, so it makes all of them.
type listeners struct {
	mu     sync.Mutex
	all    map[*routing.Listener]routing.Listener
	closed bool
}

// Watch implements routing.Watcher. Changes are told of when they were committed, before whoever made them is answered.
func (s *Store) Watch(ctx context.Context, listener routing.Listener) {
	l := &s.listeners
	l.mu.Lock()
	if l.all == nil {
		l.all = make(map[*routing.Listener]routing.Listener)
	}
	l.all[&listener] = listener
	if l.closed {
		listener.Lost(errLost)
	} else {
		listener.Ready()
	}
	l.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, &listener)
}

// tell tells of the records that a change has written.
func (l *listeners) tell(change routing.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, listener := range l.all {
		if change.Instance != nil {
			listener.Changed(routing.Key{Instance: change.Key.Instance})
		}
		if change.Binding != nil {
			listener.Changed(change.Key)
		}
	}
}

// tellDocument tells of a document that was written.
func (l *listeners) tellDocument(name string, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, listener := range l.all {
		listener.DocumentChanged(name, version)
	}
}

// close tells that there will be nothing to tell of any more.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, listener := range l.all {
		listener.Lost(errLost)
	}
}

// Interface guard.
var _ routing.Watcher = (*Store)(nil)
