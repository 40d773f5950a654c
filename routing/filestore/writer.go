package filestore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// batchLimit is how many writes share one transaction at most.
const batchLimit = 128

// errUnchanged ends a transaction in which nothing was written, without the cost of flushing it.
var errUnchanged = errors.New("nothing was written")

// errWriterBroken is the answer to writes after one that panicked inside the database.
var errWriterBroken = fmt.Errorf("%w: an earlier write failed inside the database; "+
	"restart to have the file checked", errDamaged)

// file is an open database and its one writer.
type file struct {
	db *bbolt.DB
	// release closes the file and so gives up its lock, when the database itself cannot be closed any more.
	release func() error
	// jobs is unbuffered: what was sent was received.
	jobs    chan *job
	stop    chan struct{}
	stopped chan struct{}
	// broken is only used by the writer, and by close after it.
	broken bool
	once   sync.Once
}

// job is one write that waits for the writer.
type job struct {
	ctx context.Context //nolint:containedctx // it belongs to the caller that waits for the job
	// apply makes the change and tells whether it wrote anything. An error before it wrote is its own affair, one after
	// that ends the transaction. It is called once.
	apply func(tx *bbolt.Tx) (changed bool, err error)
	err   error
	done  chan struct{}
}

func newFile(db *bbolt.DB, release func() error) *file {
	f := &file{
		db:      db,
		release: release,
		jobs:    make(chan *job),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go f.write()
	return f
}

// view runs a read-only transaction.
func (f *file) view(read func(tx *bbolt.Tx) error) error {
	err := guard(func() error { return f.db.View(read) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

// update has the writer apply a change, and returns when it is on disk. When ctx ends before that, it returns at once:
// the change may or may not be made then, and apply may still be running.
func (f *file) update(ctx context.Context, apply func(tx *bbolt.Tx) (changed bool, err error)) error {
	j := &job{ctx: ctx, apply: apply, done: make(chan struct{})}
	select {
	case f.jobs <- j:
	case <-f.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the disk: %w", ctx.Err())
	}
}

// close lets the writer finish and closes the database.
func (f *file) close() error {
	var err error
	f.once.Do(func() {
		close(f.stop)
		<-f.stopped
		if f.broken {
			// Closing the database would wait for locks that the failed write may have left behind.
			err = f.release()
			return
		}
		err = f.db.Close()
	})
	return err
}

// write is the one goroutine that writes. It takes what waits, applies all of it in one transaction, and answers when
// that is on disk.
func (f *file) write() {
	defer close(f.stopped)
	for {
		select {
		case first := <-f.jobs:
			f.commit(f.gather(first))
		case <-f.stop:
			return
		}
	}
}

// gather takes the jobs that wait by now.
func (f *file) gather(first *job) []*job {
	batch := []*job{first}
	for len(batch) < batchLimit {
		select {
		case next := <-f.jobs:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commit applies a batch and answers it.
func (f *file) commit(batch []*job) {
	err := errWriterBroken
	if !f.broken {
		// It stays true if the transaction panics.
		f.broken = true
		err = guard(func() error {
			err := f.db.Update(func(tx *bbolt.Tx) error { return applyAll(tx, batch) })
			f.broken = false
			return err
		})
	}
	for _, j := range batch {
		if j.err == nil && err != nil && !errors.Is(err, errUnchanged) {
			j.err = err
		}
		close(j.done)
	}
}

func applyAll(tx *bbolt.Tx, batch []*job) error {
	changed := false
	for _, j := range batch {
		// Nobody waits for it any more, and it was not begun.
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		wrote, err := j.apply(tx)
		if err != nil && wrote {
			return err
		}
		j.err, changed = err, changed || wrote
	}
	if !changed {
		return errUnchanged
	}
	return nil
}

// guard turns what goes wrong inside the database into an error. It meets damaged pages with panics, and reads the file
// as memory, so that a bad disk or a file cut short shows as a fault.
func guard(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%w: %v", errDamaged, reason)
		}
	}()
	return work()
}
