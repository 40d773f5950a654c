package routing

import (
	"context"
	"errors"
	"time"
)

// Key names what one change touches: an instance and, where Binding is set, one of its bindings.
type Key struct {
	Instance InstanceID
	Binding  BindingID
}

// Snapshot is what a store holds for a key at one moment.
type Snapshot struct {
	// Instance and Binding are the encoded records; nil where there is none.
	Instance, Binding []byte
	// Now is the store's clock when the records were read. Every time in a record comes from it, so that replicas
	// with different clocks agree.
	Now time.Time
}

// Write is the new content of one record.
type Write struct {
	// Data is the encoded record; nil erases it.
	Data []byte
	// TTL is how long the record is kept; 0 keeps it until it is written again. A write without a TTL clears an
	// earlier one.
	TTL time.Duration
	// Unfinished tells that an operation of the record awaits polls, for the store's index of such records.
	Unfinished bool
}

// Change replaces the records of a key, both or neither, if they are still what the caller read.
type Change struct {
	Key Key
	// Old is the snapshot that the change was computed from. Records are compared byte for byte.
	Old Snapshot
	// Instance and Binding are the writes; nil leaves that record as it is (it is compared all the same).
	Instance, Binding *Write
	// BeforeSend tells that a call is sent to a backend on the strength of this write. A store with replicas
	// acknowledges it only when enough of them have it.
	BeforeSend bool
}

// Document is a named blob kept beside the records, such as the last good catalog of a backend.
type Document struct {
	// Version grows by one with each write; 0 means that there is no document.
	Version uint64
	Data    []byte
}

// ErrUnavailable is matched by every error of a Store: it could not answer, or it cannot say whether it did what it was
// asked. A write that returned an error may therefore have happened. It never means that a record is absent.
var ErrUnavailable = errors.New("ownership store unavailable")

// ErrUnknownStore is matched, beside ErrUnavailable, when a record is absent in a store, or in a part of it, that is
// not the one the gateway knows: it may have been there before the store was wiped or exchanged.
var ErrUnknownStore = errors.New("the store is not the one that this gateway knows")

// Listed is a record in a listing. Its key names a binding where the record is one's.
type Listed struct {
	Key  Key
	Data []byte
}

// A Store keeps records. It knows nothing of the protocol: every rule is in this package, and a store offers one atomic
// compare-and-set for it to stand on. Implementations are safe for concurrent use, never retry a command that may have
// run, honour the deadline of ctx, and pass the suite of package storetest.
type Store interface {
	// Read returns the records of a key. It costs one round trip.
	Read(ctx context.Context, key Key) (Snapshot, error)

	// Swap applies a change in one atomic step and one round trip. If the records are no longer what change.Old says,
	// it changes nothing and returns false. Either way the snapshot is what the store holds then. Once it returned true
	// the change outlives a crash of this process (and of the store, as far as the store's own durability goes).
	Swap(ctx context.Context, change Change) (Snapshot, bool, error)

	// ReadDocument returns the named document, or one with version 0.
	ReadDocument(ctx context.Context, name string) (Document, error)

	// SwapDocument writes the document if its version is still old, and returns it with its new version and true;
	// else it returns the present one and false.
	SwapDocument(ctx context.Context, name string, old uint64, data []byte) (Document, bool, error)

	// List returns about limit records and where to go on. It starts at the empty cursor and is over when the next one
	// is empty. Over a whole listing, a record that was there all the time is returned at least once; one that came or
	// went meanwhile may be missing. Expired records are left out. Each page is a bounded piece of work.
	List(ctx context.Context, cursor string, limit int) (page []Listed, next string, err error)

	// Unfinished returns the keys of up to limit records that were last written with Write.Unfinished at least age ago,
	// those that wait longest first as far as the store can tell.
	Unfinished(ctx context.Context, age time.Duration, limit int) ([]Key, error)

	// Mark writes the store's identity into each part of it that could be lost by itself: where there is none and, if
	// replace is set, where there is another.
	Mark(ctx context.Context, identity string, replace bool) error

	// Unmarked returns how many of the store's parts do not carry the identity, and how many parts there are.
	Unmarked(ctx context.Context, identity string) (unmarked, parts int, err error)

	// Expect says which identity the store must have. From then on a Read or Swap that finds no record at all under its
	// key, in a part that does not carry the identity, returns an error that matches ErrUnknownStore, and changes
	// nothing. That is judged in the same atomic step. The empty identity, as at first, means that any will do.
	Expect(identity string)

	// Close releases what the store holds. Calls after it return ErrUnavailable.
	Close() error
}

// A Watcher is a store that tells of changes, so that what was read can be kept for a while.
type Watcher interface {
	// Watch tells the listener of every change of a record or a document, by whatever process, until ctx ends. When it
	// cannot, it says so, and tries by itself to go on.
	Watch(ctx context.Context, listener Listener)
}

// A Listener hears of changes in a store. Its methods are called one at a time and must not block.
type Listener interface {
	// Ready says that each change from now on is told of: a record that is read after this is kept up to date.
	Ready()
	// Changed says that a record was written: that of the binding where the key names one, else the instance's.
	Changed(key Key)
	// DocumentChanged says that a document was written, and the version that it has since. A version that is lower than
	// one told of before is news of the past: messages may overtake each other.
	DocumentChanged(name string, version uint64)
	// Lost says that changes may not have been told of, and are not until Ready is called again.
	Lost(err error)
}
