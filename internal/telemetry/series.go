package telemetry

import "sync"

// series keeps what was resolved from labels. Reading takes no lock and allocates nothing.
type series[K comparable, V any] struct {
	known sync.Map // of V by K
	mu    sync.Mutex
}

// get returns what is known for a key, or what resolve returns.
func (s *series[K, V]) get(key K, resolve func(K) V) V {
	if v, ok := s.known.Load(key); ok {
		return v.(V)
	}
	// Under the lock no series can be deleted between being resolved and being kept: it would be counted in for ever
	// and never be shown.
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.known.Load(key); ok {
		return v.(V)
	}
	v := resolve(key)
	s.known.Store(key, v)
	return v
}

// forget drops the keys that match, and has remove delete their series.
func (s *series[K, V]) forget(match func(K) bool, remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Range(func(key, _ any) bool {
		if match(key.(K)) {
			s.known.Delete(key)
		}
		return true
	})
	remove()
}
