package routing

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// unpolledAge is how long an operation must have gone without a poll, or any other change of its record, until the
	// gateway polls it by itself. It is also the first wait between two such polls.
	unpolledAge = time.Hour
	// maxPollWait is how long the waits grow.
	maxPollWait = 24 * time.Hour
	// pollNoteAge is how old what a record says of its polls may be while a platform polls. It is well below
	// unpolledAge, so that an operation which is polled at least that often is left to its platform.
	pollNoteAge = 15 * time.Minute
	// pollNotes is how many polls are noted at a time. Others are not: the next poll is.
	pollNotes = 8
	// asideTime is how long a record that must be left alone is not looked at again.
	asideTime = time.Hour
	// maxAside is how many records are remembered to be left alone.
	maxAside = 10_000
	// maxUnread is how many records in a row cannot be read until it is the store that is in trouble, and not they.
	maxUnread = 8
)

// Due finds operations that no platform polls, so that the gateway does. A backend may have accepted a deletion that
// the platform never asked about again, or an operation that outlasted the platform's patience.
//
// Replicas need no agreement: who polls is who noted the attempt in the record. That is a compare-and-set write like
// any other, and it makes the operation not due for all. Each running gateway has a Due of its own.
type Due struct {
	ledger *Ledger
	config Config

	mu sync.Mutex
	// aside are records that the store lists and that are not to be polled until then, by this process's clock: those
	// whose time has not come, and those that must be left alone. Others behind them in the store's index get their
	// turn.
	aside map[Key]time.Time
	// stalled are backends whose operations are not polled until then.
	stalled map[BackendID]time.Time
}

// Due returns what finds the operations that are due under a configuration.
func (l *Ledger) Due(config Config) *Due {
	return &Due{ledger: l, config: config, aside: make(map[Key]time.Time), stalled: make(map[BackendID]time.Time)}
}

// Unpolled is an operation that is due.
type Unpolled struct {
	// Backend is who is at it.
	Backend BackendID
	key     Key
	held    held
}

// Stall leaves the operations of a backend alone for a while.
func (d *Due) Stall(backend BackendID, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled[backend] = time.Now().Add(wait)
}

// List returns operations that are due, after looking at up to limit records. More tells that there may be others,
// which the next call finds once these were taken. The error matches ErrUnavailable. A record that cannot be read while
// others can, as one that is damaged in a file, keeps none of them from being found.
func (d *Due) List(ctx context.Context, limit int) (due []*Unpolled, more bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	started := time.Now()
	for key, until := range d.aside {
		if !started.Before(until) {
			delete(d.aside, key)
		}
	}
	asked := min(len(d.aside)+limit, maxAside)
	keys, err := d.ledger.store.Unfinished(ctx, unpolledAge, asked)
	if err != nil {
		return nil, false, err
	}
	looked, inARow := 0, 0
	var unread []Key
	for _, key := range keys {
		if _, ok := d.aside[key]; ok {
			continue
		}
		if looked == limit {
			break
		}
		looked++
		unpolled, until, lookError := d.look(ctx, key)
		if lookError != nil {
			unread, err = append(unread, key), lookError
			if inARow++; inARow == maxUnread {
				return nil, false, err
			}
			continue
		}
		inARow = 0
		if unpolled != nil {
			due = append(due, unpolled)
		} else {
			d.putAside(key, until)
		}
	}
	if len(unread) == looked && err != nil {
		return nil, false, err
	}
	for _, key := range unread {
		d.putAside(key, started.Add(asideTime))
	}
	return due, looked == limit && len(keys) == asked, nil
}

// look reads a record that the store lists as unfinished. If its operation is not to be polled, it tells until when to
// leave it alone.
func (d *Due) look(ctx context.Context, key Key) (*Unpolled, time.Time, error) {
	read, err := d.ledger.read(ctx, key)
	here := time.Now()
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil, here, err
	case err != nil:
		return nil, here.Add(asideTime), nil // a newer gateway's, or damaged
	}
	record := read.records.subject(&Call{Key: key})
	if record == nil || !record.Unfinished() || !d.ours(record) {
		return nil, here.Add(asideTime), nil
	}
	if wait := record.nextPoll() - At(read.snapshot.Now); wait > 0 {
		return nil, here.Add(time.Duration(wait) * time.Millisecond), nil
	}
	if until := d.stalled[record.Backend]; here.Before(until) {
		return nil, until, nil
	}
	return &Unpolled{Backend: record.Backend, key: key, held: read}, here, nil
}

// ours tells whether the configuration knows whose the record is, and believes its backend.
func (d *Due) ours(record *Record) bool {
	_, configured := d.config.Window(record.Backend)
	_, known := d.config.Platform(record.Platform)
	return configured && known && !d.config.Suspect(record.Backend)
}

// nextPoll is when the gateway polls the operation, if nobody else does and the record is not changed before.
func (r *Record) nextPoll() Moment {
	due := r.Updated.Add(unpolledAge)
	if r.Op.Polls > 0 {
		wait := maxPollWait
		if doubled := unpolledAge << min(r.Op.Polls, 10); doubled < maxPollWait {
			wait = doubled
		}
		due = max(due, r.Op.PolledAt.Add(wait))
	}
	return due
}

// Take notes in the record that its operation is being polled, and returns the poll to send: its Call says whose
// instance or binding it is about, of which offering and plan, and which operation. Give its outcome to Close. The
// entry is nil if another gateway came first, or if the record has changed otherwise.
func (d *Due) Take(ctx context.Context, unpolled *Unpolled) (*Entry, error) {
	from := unpolled.held
	for range maxAttempts {
		entry, fresh, err := d.take(ctx, unpolled.key, from)
		if entry != nil || err != nil {
			return entry, err
		}
		// The write compares the instance's record with the binding's. A change of the former alone is no obstacle.
		if fresh.snapshot.Binding == nil || !bytes.Equal(fresh.snapshot.Binding, from.snapshot.Binding) {
			return nil, nil
		}
		from = fresh
	}
	return nil, nil
}

// take tries once. Without an entry, it returns what the store holds.
func (d *Due) take(ctx context.Context, key Key, from held) (*Entry, held, error) {
	record := from.records.subject(&Call{Key: key})
	platform, _ := d.config.Platform(record.Platform)
	call := &Call{
		Kind: KindPoll, Key: key, Platform: platform, Service: record.Service, Plan: record.Plan,
		Operation: record.Op.Operation, Fresh: true,
	}
	now := At(from.snapshot.Now.Add(time.Since(from.at)))
	_, decision := Begin(from.records, call, d.config, now)
	if decision.Refusal != RefusalNone {
		d.leave(key) // a binding whose instance is another platform's, for one
		return nil, held{}, nil
	}
	polled := record.clone()
	polled.Op.PolledAt = now
	polled.Op.Polls++
	next := from.records.with(call, polled)
	change, err := newChange(key, from, next, now)
	if err != nil {
		return nil, held{}, err
	}
	fresh, swapped, err := d.ledger.swap(ctx, change)
	if err != nil || !swapped {
		return nil, fresh, err
	}
	fresh.records = next
	return &Entry{Call: call, Decision: decision, held: fresh}, held{}, nil
}

// Close notes the outcome of a poll that was taken, as [Ledger.Close] does, and returns the record as it is then; nil
// if it was not noted.
func (d *Due) Close(ctx context.Context, entry *Entry, outcome Outcome) (*Record, error) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	after, _, err := d.ledger.close(closing, entry, outcome)
	if err != nil {
		if outcome.settles() {
			d.ledger.queue.add(commit{entry: entry, outcome: outcome}) //nolint:contextcheck // what waits outlives the poll
		}
		return nil, err
	}
	return after.records.subject(entry.Call), nil
}

func (d *Due) leave(key Key) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.putAside(key, time.Now().Add(asideTime))
}

// putAside has a record left alone until then. The caller holds mu.
func (d *Due) putAside(key Key, until time.Time) {
	if len(d.aside) < maxAside {
		d.aside[key] = until
	}
}

// pollNoter notes polls of platforms in records, off the way of the calls.
type pollNoter struct {
	slots   chan struct{}
	running sync.WaitGroup
}

// notePoll has a record remember that a platform polls its operation, if it does not know yet. Nothing waits for that,
// and nothing is lost if it fails: at worst the gateway polls once, too.
func (l *Ledger) notePoll(entry *Entry, outcome Outcome) {
	if outcome.Class != ClassInProgress || entry.Call.Kind != KindPoll {
		return
	}
	now := At(entry.held.snapshot.Now.Add(time.Since(entry.held.at)))
	if notePolled(entry.held.records, entry, now) == entry.held.records {
		return
	}
	select {
	case l.noter.slots <- struct{}{}:
	default:
		return
	}
	l.noter.running.Go(func() {
		defer func() { <-l.noter.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
		defer cancel()
		_, _ = l.update(ctx, entry.Call, entry.held, false, func(records Records, now Moment) Records {
			return notePolled(records, entry, now)
		})
	})
}

// notePolled notes a poll of the operation that the entry's call was about. Records that need no note are returned as
// they are.
func notePolled(records Records, entry *Entry, now Moment) Records {
	old := records.subject(entry.Call)
	if old == nil || !old.Unfinished() || old.Updated.Add(pollNoteAge) > now || !old.polledBy(entry.Call, &entry.Decision) {
		return records
	}
	record := old.clone()
	record.Op.PolledAt, record.Op.Polls = now, 0
	return records.with(entry.Call, record)
}
