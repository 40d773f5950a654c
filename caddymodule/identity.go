package caddymodule

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// identityRetry is how soon the store is asked again who it is, as long as that is not known; the wait doubles up
	// to identityCheck, which is how often it is asked from then on.
	identityRetry = 100 * time.Millisecond
	identityCheck = 5 * time.Second
	// partsCheck is how often the parts that lost their mark are counted.
	partsCheck = 30 * time.Second
	// identityTimeout bounds one look; the store bounds each of its round trips by itself.
	identityTimeout = 30 * time.Second
)

// storeIdentity keeps a store from being taken for another one. It belongs to the pooled store and not to a configuration,
// so that reloads and failed reloads leave it right.
type storeIdentity struct {
	shared     *sharedStore
	identifier routing.Identifier
	memory     rememberedStore
	// began and the others are set when the first gateway starts.
	began  sync.Once
	cancel context.CancelFunc
	ended  chan struct{}
	// changed wakes the loop up when a gateway with another pinned id starts or stops, or a call met another identity.
	changed chan struct{}
	// suspected: a call met another identity, in a part of the store maybe, that no look has found yet.
	suspected atomic.Bool

	// looking is held while the store is asked, so that one look at a time decides.
	looking sync.Mutex
	// remembered is what the data directory says, or is to say; unwritten tells that it could not be written.
	remembered string
	unwritten  bool
	counted    time.Time
	// believed is what was known before the last look, if that found the right store.
	believed routing.Known

	mu     sync.Mutex
	status identityStatus
	// logged is the status that was logged last, so that only changes are.
	logged identityStatus
}

// identityStatus is what is known of a store's identity.
type identityStatus struct {
	// Known tells that the store is the one that this gateway knows. Until it is, no record is believed to be absent.
	Known bool
	// ID is the identity that the store must have; empty as long as none is known. Found is what it has.
	ID, Found string
	// Pinned: ID is configured.
	Pinned bool
	// Unmarked of the store's Parts do not carry the identity: records that are absent there are not believed to be.
	Unmarked, Parts int
	// Trouble says what is wrong and what to do; empty if nothing is.
	Trouble string
}

// newStoreID makes an identity. It may be used as store_id.
func newStoreID() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // it never fails
	return hex.EncodeToString(random[:])
}

func newStoreIdentity(shared *sharedStore, memory rememberedStore) *storeIdentity {
	i := &storeIdentity{
		shared: shared, memory: memory, ended: make(chan struct{}), changed: make(chan struct{}, 1),
		identifier: routing.Identifier{Store: shared.store, NewID: newStoreID},
	}
	// No store has this identity: until it is known which one this is, nothing is believed to be absent.
	shared.store.Expect("unknown-" + newStoreID())
	return i
}

// begin looks at the store once, and from then on again and again in the background.
func (i *storeIdentity) begin(timeout time.Duration) {
	i.began.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		i.cancel = cancel
		first, done := context.WithTimeout(ctx, timeout)
		defer done()
		known := i.look(first)
		go i.follow(ctx, known)
	})
}

// end ends the background work.
func (i *storeIdentity) end() {
	i.began.Do(func() { close(i.ended) })
	if i.cancel != nil {
		i.cancel()
	}
	<-i.ended
}

// recheck has the loop look at the store at once.
func (i *storeIdentity) recheck() {
	select {
	case i.changed <- struct{}{}:
	default:
	}
}

// suspect is called when a call found that the store, or a part of it, is not the known one, so that the operator is
// told at once and not with the next look.
func (i *storeIdentity) suspect() {
	if status := i.current(); status.Known && status.Unmarked == 0 && i.suspected.CompareAndSwap(false, true) {
		i.recheck()
	}
}

// follow looks at the store until ctx ends.
func (i *storeIdentity) follow(ctx context.Context, known bool) {
	defer close(i.ended)
	retry := identityRetry
	for {
		wait := identityCheck
		if !known {
			wait = retry
			retry = min(2*retry, identityCheck)
		} else {
			retry = identityRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-i.changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		attempt, done := context.WithTimeout(ctx, identityTimeout)
		known = i.look(attempt)
		done()
	}
}

// known is what is known of the store before a look at it. The caller holds looking.
func (i *storeIdentity) known() (routing.Known, error) {
	if pinned := i.shared.pinnedID(); pinned != "" {
		return routing.Known{ID: pinned, Pinned: true}, nil
	}
	if i.remembered == "" {
		var err error
		if i.remembered, err = i.memory.read(); err != nil {
			return routing.Known{}, err
		}
	}
	return routing.Known{ID: i.remembered}, nil
}

// look asks the store who it is. It tells whether the store is the known one.
func (i *storeIdentity) look(ctx context.Context) bool {
	i.looking.Lock()
	defer i.looking.Unlock()
	if i.suspected.Swap(false) {
		i.counted = time.Time{}
	}
	known, err := i.known()
	if err != nil {
		i.note(identityStatus{Trouble: err.Error()}, nil)
		return false
	}
	if known.ID != "" && known != i.believed { // else what is expected already may be another one, that follows the known one
		i.shared.store.Expect(known.ID)
	}
	finding, err := i.identifier.Establish(ctx, known)
	if err != nil {
		i.unanswered(ctx, known, err)
		return false
	}
	return i.conclude(ctx, known, finding)
}

// conclude takes over what a look found.
func (i *storeIdentity) conclude(ctx context.Context, known routing.Known, finding routing.Finding) bool {
	status := identityStatus{ID: finding.ID, Found: finding.Found, Pinned: known.Pinned, Known: finding.Trouble == nil}
	before := i.current()
	i.believed = routing.Known{}
	if !status.Known {
		status.Trouble = explain(finding, known.Pinned)
		i.note(status, &finding)
		return false
	}
	if !known.Pinned {
		i.remember(finding.ID)
	}
	i.shared.store.Expect(finding.ID)
	i.believed = known
	status.Unmarked, status.Parts = before.Unmarked, before.Parts
	if before.ID != status.ID || !before.Known || time.Since(i.counted) > partsCheck {
		unmarked, parts, err := i.shared.store.Unmarked(ctx, finding.ID)
		if err != nil {
			i.unanswered(ctx, known, err)
			return false
		}
		status.Unmarked, status.Parts, i.counted = unmarked, parts, time.Now()
	}
	switch {
	case status.Unmarked > 0:
		status.Trouble = fmt.Sprintf("%d of %d parts of the store do not carry its identity: they lost their data, or are of "+
			"another store. Restore them, or take them as they are with `caddy osb-gateway store accept`",
			status.Unmarked, status.Parts)
	case known.Pinned && known.ID != finding.ID:
		status.Trouble = "another identity was accepted in place of the one that store_id says; change store_id to " + finding.ID
	}
	i.note(status, &finding)
	if before.ID != "" && before.ID != finding.ID || !before.Known && !finding.Made {
		i.shared.storeChanged()
	}
	return true
}

// explain says what is wrong with a store and what to do.
func explain(finding routing.Finding, pinned bool) string {
	switch {
	case errors.Is(finding.Trouble, routing.ErrNoIdentity) && pinned:
		return "the store carries no identity: it is new, or it was wiped; with store_id nobody can tell which. If it is new, " +
			"say so with `caddy osb-gateway store accept`; if not, bring its data back first"
	case errors.Is(finding.Trouble, routing.ErrNoIdentity):
		return "the store carries no identity, but the known one does: it was wiped, or the configuration leads to another one. " +
			"Bring the data back or correct the configuration; take the store as it is with `caddy osb-gateway store accept`"
	}
	return "the store is another one than the known one. Correct the configuration or bring the known one back; " +
		"take this one in its place with `caddy osb-gateway store accept`"
}

// unanswered notes that the store did not say who it is. What was known of it stays known.
func (i *storeIdentity) unanswered(ctx context.Context, known routing.Known, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	status := i.current()
	if status.ID == "" {
		status.ID, status.Pinned = known.ID, known.Pinned
	}
	status.Trouble = "the store's identity cannot be read: " + err.Error()
	if errors.Is(err, routing.ErrUnavailable) {
		// That the store does not answer is logged elsewhere, once.
		i.mu.Lock()
		i.status = status
		i.mu.Unlock()
		i.shared.identified(status.ID)
		return
	}
	i.note(status, nil)
}

// current returns the status.
func (i *storeIdentity) current() identityStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.status
}

// note keeps the status and logs it if it is another one. finding is nil where there is none.
func (i *storeIdentity) note(status identityStatus, finding *routing.Finding) {
	i.mu.Lock()
	before := i.logged
	i.status, i.logged = status, status
	i.mu.Unlock()
	i.shared.identified(status.ID)
	if before == status {
		return
	}
	rt := i.shared.observer.Load()
	logger := rt.logger.With(zap.String("gateway", rt.name), zap.String("store_id", status.ID))
	switch {
	case !status.Known:
		logger.Error("the ownership store is not known to be the right one: calls without a record get 503",
			zap.String("found", status.Found), zap.String("trouble", status.Trouble))
	case status.Unmarked > 0:
		logger.Error("parts of the ownership store are not known to be the right ones: calls without a record get 503 there",
			zap.Int("unmarked", status.Unmarked), zap.Int("parts", status.Parts), zap.String("trouble", status.Trouble))
	case status.Trouble != "":
		logger.Warn("the ownership store is in use, but not as configured", zap.String("trouble", status.Trouble))
	case finding != nil && finding.Made:
		logger.Info("the ownership store is new and was given an identity")
	case before.ID != "" && before.ID != status.ID && !before.Pinned && !status.Pinned:
		logger.Warn("another ownership store was accepted in place of the one before; this gateway follows",
			zap.String("before", before.ID))
	case before.Trouble != "" || !before.Known:
		logger.Info("the ownership store is the right one")
	}
}

// remember writes the identity down in the data directory, if it is another one. What cannot be written is known to
// this process all the same, and each look tries again: a disk that was full must not cost the memory of a restart.
func (i *storeIdentity) remember(id string) {
	if i.remembered == id && !i.unwritten {
		return
	}
	told := i.unwritten && i.remembered == id
	err := i.memory.write(id)
	i.remembered, i.unwritten = id, err != nil
	logger := i.shared.observer.Load().logger.With(zap.String("store_id", id))
	switch {
	case err == nil && told:
		logger.Info("the identity of the ownership store is remembered now")
	case err != nil && !told:
		logger.Warn("the identity of the ownership store cannot be remembered, so that after a restart "+
			"a wiped store would pass for a new one: make Caddy's data directory writable, or set store_id", zap.Error(err))
	}
}

// accept takes the store as it is, because an operator says so: it is the right one from now on, for every gateway that
// shares it. It may be repeated. It returns what is known then.
func (s *sharedStore) accept(ctx context.Context) (identityStatus, error) {
	i := s.identity
	i.looking.Lock()
	defer i.looking.Unlock()
	known, err := i.known()
	if err != nil {
		// What was remembered is damaged: the operator's word takes its place.
		known = routing.Known{}
	}
	finding, err := i.identifier.Accept(ctx, known)
	if err != nil {
		return i.current(), fmt.Errorf("accepting the store: %w", err)
	}
	s.observer.Load().logger.Warn("the ownership store was accepted as it is", zap.String("store_id", finding.ID),
		zap.String("before", known.ID), zap.String("found", finding.Found))
	i.counted = time.Time{}
	i.conclude(ctx, known, finding)
	s.registerNames(ctx) // so that the next call can be answered
	status := i.current()
	if !status.Known || status.Unmarked > 0 {
		return status, fmt.Errorf("accepting the store: %s", status.Trouble)
	}
	return status, nil
}

// identityStatus tells whether the store is the right one.
func (s *sharedStore) identityStatus() identityStatus { return s.identity.current() }

// isKnown tells whether the store is known to be the right one.
func (s *sharedStore) isKnown() bool { return s.identity.current().Known }

// pinnedID is the store_id of the configuration that runs.
func (s *sharedStore) pinnedID() string {
	if rt := s.observer.Load(); rt != nil && rt.settings != nil {
		return rt.storeID
	}
	return ""
}
