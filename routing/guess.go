package routing

import (
	"context"
	"sync"
	"time"
)

// origin is where records come from that a call is judged by.
type origin int

const (
	// fromStore: the store said so, at the time that its clock showed.
	fromStore origin = iota
	// fromCache: the store said so some time ago. What its clock shows now is a guess.
	fromCache
	// fromNothing: the id was taken to be free.
	fromNothing
)

// watch has a store tell a cache of changes.
type watch struct {
	begin sync.Once
	stop  context.CancelFunc
	ended chan struct{}
}

func (w *watch) end(c *recordCache) {
	w.begin.Do(func() {}) // what was not begun is not begun any more
	if c != nil {
		c.silent.Store(true)
	}
	if w.stop != nil {
		w.stop()
		<-w.ended
	}
}

func (l *Ledger) initCache(options LedgerOptions) {
	entries := options.CacheEntries
	if entries == 0 {
		entries = defaultCacheEntries
	}
	if _, ok := l.store.(Watcher); ok && entries > 0 {
		l.cache = newRecordCache(entries, options.OnWatch)
	}
}

// Watch has records cached from now on, if the store can tell of changes. The store must be open. Shutdown ends it. To
// call it again does nothing.
func (l *Ledger) Watch() {
	watcher, ok := l.store.(Watcher)
	if !ok || l.cache == nil {
		return
	}
	l.watch.begin.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		l.watch.stop, l.watch.ended = cancel, make(chan struct{})
		go func() {
			defer close(l.watch.ended)
			watcher.Watch(ctx, ledgerListener{l.cache, l.onDocument})
		}()
	})
}

// ledgerListener is the cache, and whoever wants to hear of documents: one watch of the store is enough for both.
type ledgerListener struct {
	*recordCache

	onDocument func(name string, version uint64)
}

// DocumentChanged implements Listener.
func (l ledgerListener) DocumentChanged(name string, version uint64) {
	if l.onDocument != nil {
		l.onDocument(name, version)
	}
}

// CacheStatus tells how the cache of records does.
func (l *Ledger) CacheStatus() CacheStatus { return l.cache.status() }

// beginCached decides a call that only reads by cached records. A refusal is the store's own word, so then it does not.
func (l *Ledger) beginCached(call *Call, config Config) (*Entry, bool) {
	if call.Fresh || call.Kind != KindPoll && call.Kind != KindFetch {
		return nil, false
	}
	now, ok := l.storeTime()
	if !ok {
		return nil, false
	}
	records, ok := l.cache.get(call.Key)
	if !ok {
		return nil, false
	}
	records.snapshot.Now, records.at = now, time.Now()
	_, decision := Begin(records.records, call, config, At(now))
	if decision.Refusal != RefusalNone {
		return nil, false
	}
	return &Entry{Call: call, Decision: decision, Cached: true, held: records}, true
}

// guess lets a create or a delete begin without a read: cached records are nearly always what the store holds, and the
// id of a new instance is nearly always free. If not, the write says so and brings the records.
func (l *Ledger) guess(call *Call) (held, bool) {
	if call.Fresh || call.Kind != KindCreate && call.Kind != KindDelete {
		return held{}, false
	}
	now, ok := l.storeTime()
	if !ok {
		return held{}, false
	}
	guess, ok := l.cache.guess(call.Key, call.Kind == KindCreate)
	if !ok {
		if call.Kind != KindCreate || call.onBinding() {
			return held{}, false
		}
		guess.origin = fromNothing
	}
	guess.snapshot.Now, guess.at = now, time.Now()
	return guess, true
}

// correct puts right what was written by a wrong guess of the store's clock. Others may have changed the records since:
// what they wrote is right.
func (l *Ledger) correct(ctx context.Context, call *Call, written held, guessed time.Time) (held, error) {
	late := written.snapshot.Now.Sub(guessed)
	return l.update(ctx, call, written, true, func(records Records, now Moment) Records {
		records.Instance = records.Instance.correct(call, late, now)
		records.Binding = records.Binding.correct(call, late, now)
		return records
	})
}

// correct returns the record with what the call entered put right; itself if there is nothing to do. A delete that was
// taken to be final because the guess ran ahead is final no more. It has not been sent yet.
func (r *Record) correct(call *Call, late time.Duration, now Moment) *Record {
	if r == nil {
		return nil
	}
	entry, entered := r.Calls[call.Token]
	if !entered || entry.Done != 0 {
		return r
	}
	right, created := entry, r.Created
	if late > clockTolerance || late < -clockTolerance {
		right.Until = right.Until.Add(late)
		if r.Life == call.Life {
			created = created.Add(late)
		}
	}
	right.Final = right.Final && !r.mayStillCreate(now)
	if right == entry {
		return r
	}
	record := r.clone()
	record.Created = created
	record.enter(call.Token, right)
	return record
}

// recallFinal notes what became of a delete's entry: another call may have come before it, or its guess been corrected.
func (e *Entry) recallFinal() {
	if subject := e.Subject(); e.Call.Kind == KindDelete && subject != nil {
		e.Decision.final = subject.Calls[e.Call.Token].Final
	}
}

// endsByClock tells whether the outcome ends a record if a doubt is over, which only the store's own clock can tell:
// what this process makes of an earlier reading may run ahead.
func (e *Entry) endsByClock(outcome Outcome) bool {
	subject := e.Subject()
	return e.Call.Kind == KindPoll && subject != nil && subject.State == Deleting && subject.DoubtUntil != 0 &&
		(outcome.Class == ClassSucceeded || outcome.Class == ClassGone)
}

// closeCached notes the outcome of a call that went where cached records led. One that tells the platform of a failure
// or of the end of an operation counts only if the store still holds these records. The write that notes it compares;
// where there is nothing to write, they are read. What cannot be compared because the store does not answer must not be
// relayed either.
func (l *Ledger) closeCached(ctx context.Context, entry *Entry, outcome Outcome) (Verdict, error) {
	call, from := entry.Call, entry.held
	from.snapshot.Now = from.snapshot.Now.Add(time.Since(from.at))
	next, _ := Close(from.records, call, &entry.Decision, outcome, At(from.snapshot.Now))
	if next == from.records || entry.endsByClock(outcome) {
		fresh, err := l.read(ctx, call.Key)
		if err != nil {
			return VerdictStale, err
		}
		if (Change{Old: from.snapshot}).Matches(fresh.snapshot) {
			from = fresh
			next, _ = Close(from.records, call, &entry.Decision, outcome, At(from.snapshot.Now))
		} else {
			return l.stale()
		}
	}
	if next == from.records {
		return VerdictRelay, nil
	}
	change, err := newChange(call.Key, from, next, At(from.snapshot.Now))
	if err != nil {
		return VerdictStale, err
	}
	_, swapped, err := l.swap(ctx, change)
	switch {
	case err != nil:
		//nolint:contextcheck // what waits outlives the call
		l.queue.add(commit{entry: entry, outcome: outcome})
		return VerdictStale, err
	case !swapped:
		return l.stale()
	}
	return VerdictRelay, nil
}

func (l *Ledger) stale() (Verdict, error) {
	l.cache.outdated.Add(1)
	return VerdictStale, nil
}

// settles tells whether the outcome is the end of an operation.
func (o Outcome) settles() bool {
	return o.Class == ClassSucceeded || o.Class == ClassFailed || o.Class == ClassGone
}
