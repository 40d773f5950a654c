package routing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// maxAttempts bounds how often a change is computed anew because another one came first.
	maxAttempts = 100
	// clockAge is how old a reading of the store's clock may be to be counted on from.
	clockAge = time.Minute
	// clockTolerance is how far such a guess may be off before the record is corrected.
	clockTolerance = time.Second
	// commitTimeout bounds how long an answer waits for its outcome to be written. After that it is written in the
	// background.
	commitTimeout = 2 * time.Second
)

// Ledger runs the ownership protocol on a store. It is safe for concurrent use, and any number of ledgers, in any
// number of processes, may share a store.
type Ledger struct {
	store Store
	queue queue
	clock atomic.Pointer[clockReading]
	// cache is nil where the store cannot tell of changes.
	cache      *recordCache
	onDocument func(name string, version uint64)
	watch      watch
	noter      pollNoter
}

// clockReading is what the store's clock said when this process's clock said `at`.
type clockReading struct {
	store, at time.Time
}

// LedgerOptions are the optional parts of a ledger.
type LedgerOptions struct {
	// QueueCapacity is how many outcomes may wait to be written; default 10,000. Above that the oldest is dropped: its
	// call stays open in the record, as if the gateway had died, and later calls settle it.
	QueueCapacity int
	// OnRetry is called for each attempt to write an outcome in the background.
	OnRetry func()
	// ObserveRetry, where set, is called before each of those attempts, and what it returns after it, as an Observer.
	ObserveRetry func(context.Context, Retry) (context.Context, func(err error))
	// OnDrop is called for each outcome that is given up.
	OnDrop func()
	// OnStuck is called, once for each outcome, when it cannot be written because of the record itself: a newer gateway
	// wrote it, or it is damaged. It is tried again ever more rarely, and never dropped for that.
	OnStuck func(Key, error)
	// CacheEntries is how many records may be cached once Watch was called; default 100,000, and none if it is
	// negative.
	CacheEntries int
	// OnWatch is called when the store begins to tell of changes, with nil, and when it ceases to, with the reason. It
	// must not block.
	OnWatch func(err error)
	// OnDocument is called when the store tells that a document was written, with the version that it has since; also
	// for those that this process wrote. It must not block.
	OnDocument func(name string, version uint64)
}

// NewLedger returns a ledger on a store. Shut it down to write what waits; the store is closed with it.
func NewLedger(store Store, options LedgerOptions) *Ledger {
	ledger := &Ledger{store: store, noter: pollNoter{slots: make(chan struct{}, pollNotes)}}
	ledger.onDocument = options.OnDocument
	ledger.queue.init(options, ledger.commit)
	ledger.initCache(options)
	return ledger
}

// Entry is a call that was begun.
type Entry struct {
	Call     *Call
	Decision Decision
	// Cached: the store was not asked, so Close does where it matters.
	Cached bool
	// held is what the store held when the call was begun.
	held held
}

// held is a snapshot with its records decoded.
type held struct {
	snapshot Snapshot
	records  Records
	// at is when this process learned of it, by its own clock.
	at     time.Time
	origin origin
}

// Subject returns the record of what the call's key names, as it was when the call was begun; nil if there was none. It
// must not be changed.
func (e *Entry) Subject() *Record { return e.held.records.subject(e.Call) }

// Begin enters a call in the store and decides where it goes. Only after it returned without an error and without a
// refusal may the call be sent.
//
// The error matches ErrUnavailable or ErrNewerRecord, or tells of a damaged record. Nothing may be sent then. The
// deadline of everything that is sent on the strength of the entry must have been set before Begin was called: a
// gateway that stalls between the two must not send late.
func (l *Ledger) Begin(ctx context.Context, call *Call, config Config) (*Entry, error) {
	if entry, ok := l.beginCached(call, config); ok {
		return entry, nil
	}
	entry := &Entry{Call: call}
	start, ok := l.guess(call)
	if !ok {
		snapshot, err := l.read(ctx, call.Key)
		if err != nil {
			return nil, err
		}
		start = snapshot
	}
	wrote := false
	after, err := l.update(ctx, call, start, true, func(records Records, now Moment) Records {
		var next Records
		next, entry.Decision = Begin(records, call, config, now)
		wrote = next != records
		return next
	})
	if err != nil {
		if wrote && errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrUnknownStore) {
			// The call may be entered although nobody said so. It will not be sent, so it ends in nothing.
			//nolint:contextcheck // what waits outlives the call
			l.queue.add(commit{entry: entry, outcome: Outcome{Class: ClassNothing}})
		}
		return nil, err
	}
	entry.held = after
	entry.recallFinal()
	return entry, nil
}

// Close notes the outcome of a call that was begun, and says whether its answer may be relayed. An outcome that cannot
// be written now is written in the background, and the verdict is then what is right as far as this process knows. The
// cancellation of ctx is ignored: the platform hanging up does not undo what the backend did.
func (l *Ledger) Close(ctx context.Context, entry *Entry, outcome Outcome) (Verdict, error) {
	l.notePoll(entry, outcome) //nolint:contextcheck // nothing waits for it
	if entry.Cached && !outcome.Failed && !outcome.settles() {
		return VerdictRelay, nil // most polls and fetches end here
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if entry.Cached {
		return l.closeCached(ctx, entry, outcome)
	}
	_, verdict, err := l.close(ctx, entry, outcome)
	if err != nil {
		//nolint:contextcheck // what waits outlives the call
		l.queue.add(commit{entry: entry, outcome: outcome})
	}
	return verdict, err
}

// close also returns what the store holds then.
func (l *Ledger) close(ctx context.Context, entry *Entry, outcome Outcome) (held, Verdict, error) {
	verdict := VerdictRelay
	from := entry.held
	if entry.Call.Kind == KindDelete && entry.Decision.tombstone || entry.endsByClock(outcome) {
		// Of a delete of a tombstone nothing was entered, so the write does not tell whether the id was claimed anew
		// since.
		var err error
		if from, err = l.read(ctx, entry.Call.Key); err != nil {
			return held{}, verdict, err
		}
	}
	// A doubt counts from when the gateway gave the call up, not from when it began.
	from.snapshot.Now = from.snapshot.Now.Add(time.Since(from.at))
	after, err := l.update(ctx, entry.Call, from, false, func(records Records, now Moment) Records {
		var next Records
		next, verdict = Close(records, entry.Call, &entry.Decision, outcome, now)
		return next
	})
	return after, verdict, err
}

// commit writes an outcome from the queue.
func (l *Ledger) commit(ctx context.Context, c commit) error {
	entry := *c.entry // whoever began the call may still read its entry
	entry.Cached = false
	var err error
	if entry.held, err = l.read(ctx, entry.Call.Key); err != nil {
		return err
	}
	_, _, err = l.close(ctx, &entry, c.outcome)
	return err
}

// Pending returns how many outcomes wait to be written.
func (l *Ledger) Pending() int { return l.queue.length() }

// Shutdown writes the outcomes that wait, as far as ctx allows, and closes the store. No call may be begun or closed
// after it.
func (l *Ledger) Shutdown(ctx context.Context) error {
	l.watch.end(l.cache)
	l.noter.running.Wait()
	left := l.queue.flush(ctx)
	err := l.store.Close()
	if left > 0 {
		return fmt.Errorf("%w: %d outcomes were not written; later calls settle them", ErrUnavailable, left)
	}
	return err
}

// update computes a change of the call's records and writes it, again and again while other changes come first. It
// returns what the store holds then.
func (l *Ledger) update(
	ctx context.Context, call *Call, from held, beforeSend bool, step func(Records, Moment) Records,
) (held, error) {
	for range maxAttempts {
		now := At(from.snapshot.Now)
		next := step(from.records, now)
		if next == from.records {
			if from.origin == fromStore {
				return from, nil
			}
			// A guess is good for writing, because the write compares, and for nothing else.
			read, err := l.read(ctx, call.Key)
			if err != nil {
				return held{}, err
			}
			from = read
			continue
		}
		change, err := newChange(call.Key, from, next, now)
		if err != nil {
			return held{}, err
		}
		change.BeforeSend = beforeSend
		fresh, swapped, err := l.swap(ctx, change)
		if err != nil {
			return held{}, err
		}
		if !swapped {
			from = fresh
			continue
		}
		fresh.records = next
		l.cache.wrote(change.Key, fresh)
		if from.origin != fromStore {
			return l.correct(ctx, call, fresh, from.snapshot.Now)
		}
		return fresh, nil
	}
	return held{}, fmt.Errorf("%w: the record kept changing", ErrUnavailable)
}

// swap writes a change. If it was not written, what the store holds is returned decoded.
func (l *Ledger) swap(ctx context.Context, change Change) (held, bool, error) {
	ticket := l.cache.ask(change.Key)
	fresh, swapped, err := l.store.Swap(ctx, change)
	if err != nil {
		l.cache.drop(change.Key) // it may have been written
		return held{}, false, err
	}
	l.observe(fresh.Now)
	if swapped {
		l.cache.drop(change.Key)
		return held{snapshot: fresh, at: time.Now()}, true, nil
	}
	found, err := l.found(change.Key, ticket, fresh)
	return found, false, err
}

func (l *Ledger) read(ctx context.Context, key Key) (held, error) {
	ticket := l.cache.ask(key)
	snapshot, err := l.store.Read(ctx, key)
	if err != nil {
		return held{}, err
	}
	l.observe(snapshot.Now)
	return l.found(key, ticket, snapshot)
}

// found decodes what the store holds, and has it cached.
func (l *Ledger) found(key Key, ticket ticket, snapshot Snapshot) (held, error) {
	decoded, err := decode(snapshot)
	if err != nil {
		l.cache.drop(key)
		return held{}, err
	}
	l.cache.put(key, ticket, decoded)
	return decoded, nil
}

// storeTime is what the store's clock says now, as far as this process knows. It is a guess.
func (l *Ledger) storeTime() (time.Time, bool) {
	reading := l.clock.Load()
	if reading == nil {
		return time.Time{}, false
	}
	age := time.Since(reading.at)
	return reading.store.Add(age), age <= clockAge
}

func (l *Ledger) observe(now time.Time) {
	l.clock.Store(&clockReading{store: now, at: time.Now()})
}

func decode(snapshot Snapshot) (held, error) {
	instance, err := DecodeRecord(snapshot.Instance)
	if err != nil {
		return held{}, err
	}
	binding, err := DecodeRecord(snapshot.Binding)
	if err != nil {
		return held{}, err
	}
	return held{snapshot: snapshot, records: Records{Instance: instance, Binding: binding}, at: time.Now()}, nil
}

// newChange encodes the records that changed.
func newChange(key Key, from held, next Records, now Moment) (Change, error) {
	change := Change{Key: key, Old: from.snapshot}
	var err error
	if next.Instance != from.records.Instance {
		if change.Instance, err = newWrite(next.Instance, now); err != nil {
			return Change{}, err
		}
	}
	if next.Binding != from.records.Binding {
		if change.Binding, err = newWrite(next.Binding, now); err != nil {
			return Change{}, err
		}
	}
	return change, nil
}

func newWrite(record *Record, now Moment) (*Write, error) {
	if record == nil {
		return &Write{}, nil
	}
	record.prune(now)
	record.Rev++
	record.Updated = now
	data, err := record.Encode()
	if err != nil {
		return nil, err
	}
	return &Write{Data: data, TTL: record.TTL(), Unfinished: record.Unfinished()}, nil
}
