package routing

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// defaultCacheEntries is how many records a cache holds. At some 2 kB each they take 200 MB when it is full.
	defaultCacheEntries = 100_000
	// maxCacheAge is how long a record is used that nobody was told to have changed. Changes are told of, so this is
	// the last resort only: it bounds how stale a record may be while nobody has noticed that the messages do not come.
	maxCacheAge = time.Minute
	// maxCachedBytes is how large an encoded record may be to be cached. Larger ones are rare, and cost a read each
	// time.
	maxCachedBytes = 16 << 10
	// maxCacheShards is how many parts a cache has. Each has its own lock.
	maxCacheShards = 256
	// minShardEntries keeps small caches from being cut into parts that hold next to nothing.
	minShardEntries = 16
)

// recordCache holds records that were read from the store, so that most polls and GETs need not ask for them.
//
// It never holds a record whose change this process knows of. For that there is one rule: a record is put in only if,
// since before the store was asked for it, nothing at all was dropped from its shard. Take a record that is read at
// some time, written anew by whomever later, and of whose change this process learns later still, by a message of the
// store or by the answer to its own write. If it learns of it before the record is put in, then that happened after the
// store was asked, so the shard's sequence number has moved and the record is not put in. If it learns of it
// afterwards, the record is dropped. Which change a message is about, and in what order messages and answers arrive,
// makes no difference: all that a message does is to drop. For the same reason nothing that this process wrote is put
// in: the message of that very write, or of one that came before it, could not be told from that of a later one. What
// is dropped too much costs a read.
//
// What is dropped stays as a guess, and what this process wrote becomes one. A guess is never believed: it may only be
// what a compare-and-set compares with, and if it is wrong, the store's answer to that is the record. So a delete that
// comes long after the create needs no read.
//
// Messages count from Ready on, and until Lost. Both drop everything, in each shard in one step with the sequence
// number, so that what was read while messages could be lost is never put in.
//
// Not all records are put in:
//
//   - absence is no record: calls on what is not there read the store;
//   - tombstones end by themselves, and no message says so;
//   - a claim that no backend ever confirmed may end as if it had never been, and then another platform may have the id
//     at once. All others leave a tombstone that keeps the id for their platform far longer than maxCacheAge. So
//     whatever happens to the messages, a cached record never leads a platform to what is now another's.
//
// A call that goes by a cached record is judged in [Ledger.Close]: the answer counts only if the record is still what
// it was, or if it does not matter.
type recordCache struct {
	seed     maphash.Seed
	shards   []cacheShard
	capacity int
	watched  atomic.Bool
	outdated atomic.Uint64
	onWatch  func(err error)
	// silent: onWatch was told that changes are not told of, or need not be.
	silent atomic.Bool
}

// cacheShard is a part of a cache. An instance and its bindings share one.
type cacheShard struct {
	mu sync.Mutex
	// watched: the store tells of changes.
	watched bool
	// sequence grows each time anything is dropped.
	sequence uint64
	entries  *simplelru.LRU[Key, cachedRecord]

	hits, misses, dropped uint64
}

// cachedRecord is a record and what it was decoded from. Neither is ever changed.
type cachedRecord struct {
	record *Record
	data   []byte
	// asked is when the store was asked for it, by this process's clock.
	asked time.Time
	// guess: it was dropped, or written by this process, and may not be what the store holds.
	guess bool
}

// ticket is taken before the store is asked for records, and lets them be cached if nothing was dropped meanwhile.
type ticket struct {
	valid    bool
	sequence uint64
	asked    time.Time
}

// newRecordCache returns a cache of at most that many records. It holds none until it is told that it is Ready.
func newRecordCache(capacity int, onWatch func(error)) *recordCache {
	shards := max(1, min(maxCacheShards, capacity/minShardEntries))
	c := &recordCache{
		seed: maphash.MakeSeed(), shards: make([]cacheShard, shards), capacity: capacity / shards * shards, onWatch: onWatch,
	}
	for i := range c.shards {
		// The only error is that of a size which is not positive.
		c.shards[i].entries, _ = simplelru.NewLRU[Key, cachedRecord](capacity/shards, nil)
	}
	return c
}

func (c *recordCache) shard(instance InstanceID) *cacheShard {
	return &c.shards[maphash.String(c.seed, string(instance))%uint64(len(c.shards))]
}

// ask returns the ticket for records that are about to be read.
func (c *recordCache) ask(key Key) ticket {
	if c == nil {
		return ticket{}
	}
	s := c.shard(key.Instance)
	asked := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	return ticket{valid: s.watched, sequence: s.sequence, asked: asked}
}

// put keeps what the store answered to the call that the ticket was taken for.
func (c *recordCache) put(key Key, t ticket, read held) {
	if c == nil {
		return
	}
	s := c.shard(key.Instance)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.valid = t.valid && t.sequence == s.sequence
	s.put(Key{Instance: key.Instance}, t, read.records.Instance, read.snapshot.Instance)
	if key.Binding != "" {
		s.put(key, t, read.records.Binding, read.snapshot.Binding)
	}
}

func (s *cacheShard) put(key Key, t ticket, record *Record, data []byte) {
	if held, ok := s.entries.Peek(key); ok && !held.guess && !bytes.Equal(held.data, data) {
		// Two reads disagree, so there is a change whose message has not come yet. Which of them came first is not
		// known.
		s.drop(key)
		return
	}
	if t.valid && record.cacheable() && len(data) <= maxCachedBytes {
		s.entries.Add(key, cachedRecord{record: record, data: data, asked: t.asked})
	}
}

// wrote notes what this process has written, as a guess for its next write.
func (c *recordCache) wrote(key Key, written held) {
	if c == nil {
		return
	}
	s := c.shard(key.Instance)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote(Key{Instance: key.Instance}, written.records.Instance, written.snapshot.Instance)
	if key.Binding != "" {
		s.wrote(key, written.records.Binding, written.snapshot.Binding)
	}
}

func (s *cacheShard) wrote(key Key, record *Record, data []byte) {
	switch held, ok := s.entries.Peek(key); {
	case !s.watched, ok && !held.guess:
		// The record was not changed by the write, or it was read again since. Then it is better than a guess.
	case record.cacheable() && len(data) <= maxCachedBytes:
		s.entries.Add(key, cachedRecord{record: record, data: data, guess: true})
	default:
		s.entries.Remove(key)
	}
}

// cacheable tells whether the record may be used for a while without asking the store.
func (r *Record) cacheable() bool {
	return r != nil && r.Live() && (r.Seen || r.State != Claimed)
}

// get returns the records of a key, if all of them are held and none is a guess.
func (c *recordCache) get(key Key) (held, bool) { return c.find(key, false, false) }

// guess returns records that may be what the store holds under a key. For a create that of the instance is enough: the
// binding is then taken to be absent.
func (c *recordCache) guess(key Key, create bool) (held, bool) { return c.find(key, true, create) }

func (c *recordCache) find(key Key, guess, create bool) (held, bool) {
	if c == nil {
		return held{}, false
	}
	s := c.shard(key.Instance)
	oldest := time.Now().Add(-maxCacheAge)
	s.mu.Lock()
	defer s.mu.Unlock()
	instance, ok := s.get(Key{Instance: key.Instance}, oldest, guess)
	binding := cachedRecord{}
	if ok && key.Binding != "" {
		binding, ok = s.get(key, oldest, guess)
		ok = ok || create
	}
	if !ok {
		s.misses++
		return held{}, false
	}
	s.hits++
	return held{
		snapshot: Snapshot{Instance: instance.data, Binding: binding.data},
		records:  Records{Instance: instance.record, Binding: binding.record},
		origin:   fromCache,
	}, true
}

func (s *cacheShard) get(key Key, oldest time.Time, guess bool) (cachedRecord, bool) {
	held, ok := s.entries.Get(key)
	if !ok || !guess && (held.guess || held.asked.Before(oldest)) {
		return cachedRecord{}, false
	}
	return held, true
}

// drop forgets the records of a key, of which one or both were written, or may have been.
func (c *recordCache) drop(key Key) {
	if c == nil {
		return
	}
	s := c.shard(key.Instance)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(Key{Instance: key.Instance})
	s.drop(key)
}

func (s *cacheShard) drop(key Key) {
	s.sequence++
	if held, ok := s.entries.Peek(key); ok && !held.guess {
		held.guess = true
		s.entries.Add(key, held)
		s.dropped++
	}
}

// Changed implements Listener.
func (c *recordCache) Changed(key Key) {
	s := c.shard(key.Instance)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// DocumentChanged implements Listener. No document is cached.
func (c *recordCache) DocumentChanged(string, uint64) {}

// Ready implements Listener.
func (c *recordCache) Ready() {
	c.empty(true)
	if !c.watched.Swap(true) && c.onWatch != nil {
		c.silent.Store(false)
		c.onWatch(nil)
	}
}

// Lost implements Listener.
func (c *recordCache) Lost(err error) {
	c.empty(false)
	c.watched.Store(false)
	if !c.silent.Swap(true) && c.onWatch != nil {
		c.onWatch(err)
	}
}

// empty drops everything.
func (c *recordCache) empty(watched bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.watched = watched
		s.sequence++
		s.dropped += uint64(s.entries.Len()) //nolint:gosec // a length
		s.entries.Purge()
		s.mu.Unlock()
	}
}

// CacheStatus is the state of a ledger's cache of records.
type CacheStatus struct {
	// Enabled: the store can tell of changes, so there is a cache.
	Enabled bool `json:"enabled"`
	// Ready: the store tells of changes now. While it does not, nothing is cached, and every call reads the store.
	Ready bool `json:"ready"`
	// Entries is how many records are held, with those that only serve as guesses, Capacity how many may be.
	Entries  int `json:"entries"`
	Capacity int `json:"capacity"`
	// Hits are the calls that found all their records, Misses those that had to read the store.
	Hits   uint64 `json:"hits"`
	Misses uint64 `json:"misses"`
	// Invalidations are the records that were dropped because they changed, or may have.
	Invalidations uint64 `json:"invalidations"`
	// Outdated are the answers that were not relayed because the record they were obtained by had changed.
	Outdated uint64 `json:"outdated"`
}

func (c *recordCache) status() CacheStatus {
	if c == nil {
		return CacheStatus{}
	}
	status := CacheStatus{
		Enabled: true, Ready: c.watched.Load(), Capacity: c.capacity, Outdated: c.outdated.Load(),
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		status.Entries += s.entries.Len()
		status.Hits += s.hits
		status.Misses += s.misses
		status.Invalidations += s.dropped
		s.mu.Unlock()
	}
	return status
}

// Interface guard.
var _ Listener = (*recordCache)(nil)
