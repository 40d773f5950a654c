package platform

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// loadTimeout bounds one look at a source of keys.
	loadTimeout = 10 * time.Second
	// loadFloor is how long after one look the next one may begin, whoever asks for keys that are not there. It is how
	// soon a look that failed is repeated, too; the wait doubles up to maxRetry.
	loadFloor = 10 * time.Second
	maxRetry  = 5 * time.Minute
	// maxStale is how long keys are good whose source cannot be read any more.
	maxStale = 24 * time.Hour
	// overlap is how long a key is good that has left its set: the servers of an issuer may not agree for a moment.
	overlap = time.Minute
	// absence is how long a name that no key had gives no cause to look again, and maxAbsent how many are remembered.
	absence   = time.Minute
	maxAbsent = 256
)

// keySource is where keys come from.
type keySource interface {
	load(ctx context.Context) (loadedKeys, error)
}

// loadedKeys are what a source had.
type loadedKeys struct {
	keys []publicKey
	// named tells that a token's key id says which of them it is signed with. Otherwise all that fit are tried.
	named bool
	// next is when to look again.
	next    time.Duration
	leftOut []string
}

// KeyReport tells how a look at a source of keys went.
type KeyReport struct {
	Platform, Issuer string
	// Keys is how many there are now.
	Keys int
	// LeftOut says why others of the set were left out.
	LeftOut []string
	// Err is why there are no new ones; those that there were stay.
	Err error
}

// keys are the keys of a set at one moment. They do not change.
type keys struct {
	all   []publicKey
	named bool
}

// keySet keeps the keys of one issuer. A look-up takes no lock and waits for nobody; only who needs a key that is not
// there may have the source looked at again, and waits for that.
type keySet struct {
	source keySource
	// name tells sources apart.
	name    string
	report  func(KeyReport)
	current atomic.Pointer[keys]
	// loaded is when the source was last read, in Unix nanoseconds.
	loaded atomic.Int64

	lifetime context.Context //nolint:containedctx // that of the set, which looks at its source for whoever waits
	end      context.CancelFunc
	looks    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	ended    bool
	look     *look
	tried    time.Time
	failures int
	next     time.Duration
	absent   map[string]time.Time
}

// look is a look at the source that somebody has begun.
type look struct{ done chan struct{} }

func newKeySet(name string, source keySource, report func(KeyReport)) *keySet {
	s := &keySet{source: source, name: name, report: report, absent: make(map[string]time.Time)}
	s.lifetime, s.end = context.WithCancel(context.Background())
	return s
}

// get returns the keys, nil if there are none that may still be used.
func (s *keySet) get(now time.Time) *keys {
	if now.UnixNano()-s.loaded.Load() > int64(maxStale) {
		return nil
	}
	return s.current.Load()
}

// find returns the keys that a token with this key id and algorithm may be signed with. known tells whether a key has
// the name at all.
func (k *keys) find(id, algorithm string, now time.Time) (fitting []publicKey, known bool) {
	for _, key := range k.all {
		if k.named && id != "" && key.id != id || !key.until.IsZero() && !now.Before(key.until) {
			continue
		}
		known = true
		if key.fits(algorithm) {
			fitting = append(fitting, key)
		}
	}
	if k.named && id == "" && len(fitting) > 1 {
		return nil, true // a token that does not say which it is can only be signed with the only one
	}
	return fitting[:min(len(fitting), maxFileKeys)], known
}

// run looks at the source now and from then on again and again, until ctx ends.
func (s *keySet) run(ctx context.Context) {
	for {
		if look := s.begin(true); look != nil { //nolint:contextcheck // a look outlives whoever began it
			select {
			case <-look.done:
			case <-ctx.Done():
				return
			}
		}
		timer := time.NewTimer(s.wait())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// wait is how long to wait for the next look, a tenth more or less, so that many gateways do not come at once.
func (s *keySet) wait() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.next
	if s.failures > 0 {
		wait = min(loadFloor<<min(s.failures-1, 16), maxRetry)
	}
	wait = max(wait, loadFloor)
	return wait + time.Duration((rand.Float64()-0.5)*0.2*float64(wait)) //nolint:gosec // no secret
}

// demand has the source looked at because of a token whose key is not there, unless that was done just now, or for the
// same name lately. It returns when nothing is to be waited for any more, with the cause of ctx if that ended first, and
// tells whether the source was looked at.
func (s *keySet) demand(ctx context.Context, id string) (looked bool, err error) {
	s.mu.Lock()
	until, absent := s.absent[id]
	s.mu.Unlock()
	if absent && time.Now().Before(until) {
		return false, nil
	}
	look := s.begin(false) //nolint:contextcheck // a look outlives whoever began it
	if look == nil {
		return false, nil
	}
	select {
	case <-look.done:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// begin begins a look, or joins the one that is under way. Without force it begins none soon after the last one; it
// returns nil then.
func (s *keySet) begin(force bool) *look {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.look != nil:
		return s.look
	case s.ended, !force && !s.tried.IsZero() && time.Since(s.tried) < loadFloor:
		return nil
	}
	own := &look{done: make(chan struct{})}
	s.look = own
	s.looks.Go(func() {
		ctx, cancel := context.WithTimeout(s.lifetime, loadTimeout)
		defer cancel()
		loaded, err := s.source.load(ctx)
		s.take(loaded, err)
		close(own.done)
	})
	return own
}

// take takes over what a look found.
func (s *keySet) take(loaded loadedKeys, err error) {
	now := time.Now()
	report := KeyReport{Keys: len(loaded.keys), LeftOut: loaded.leftOut, Err: err}
	s.mu.Lock()
	s.look, s.tried = nil, now
	if err == nil {
		s.failures, s.next = 0, loaded.next
		s.put(loaded, now)
	} else {
		s.failures++
		if known := s.current.Load(); known != nil {
			report.Keys = len(known.all)
		}
	}
	s.mu.Unlock()
	if s.report != nil && !errors.Is(err, context.Canceled) {
		s.report(report)
	}
}

// put makes the loaded keys the present ones. Keys of a named set that are gone from it stay for a moment. If nothing
// changed, the keys stay the same object, by which others know.
func (s *keySet) put(loaded loadedKeys, now time.Time) {
	s.loaded.Store(now.UnixNano())
	all := slices.Clone(loaded.keys)
	before := s.current.Load()
	if before != nil && loaded.named {
		leaving := 0
		for _, key := range before.all {
			still := slices.ContainsFunc(loaded.keys, func(k publicKey) bool { return k.digest == key.digest })
			if key.until.IsZero() {
				key.until = now.Add(overlap)
			}
			if !still && now.Before(key.until) && leaving < maxKeys {
				all = append(all, key)
				leaving++
			}
		}
	}
	same := func(a, b publicKey) bool { return a.digest == b.digest && a.until.Equal(b.until) }
	if before == nil || before.named != loaded.named || !slices.EqualFunc(before.all, all, same) {
		s.current.Store(&keys{all: all, named: loaded.named})
	}
}

// missing tells whether it is certain that no key has the name: it is not as long as the source cannot be read. If the
// source was looked at for it, that is noted.
func (s *keySet) missing(id string, looked bool) (certain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 || s.current.Load() == nil {
		return false
	}
	if !looked {
		return true // as far as anybody knows; a key that has just been added is found with the next look
	}
	if _, noted := s.absent[id]; !noted && len(s.absent) >= maxAbsent {
		clear(s.absent)
	}
	now := time.Now()
	if until, noted := s.absent[id]; !noted || now.After(until) {
		s.absent[id] = now.Add(absence)
	}
	return true
}

// inherit takes over what another set of the same source knows.
func (s *keySet) inherit(before *keySet) {
	s.current.Store(before.current.Load())
	s.loaded.Store(before.loaded.Load())
}

// close ends a look that is under way. No other one begins.
func (s *keySet) close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.end()
	s.looks.Wait()
}
