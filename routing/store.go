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

	// Close releases what the store holds. Calls after it return ErrUnavailable.
	Close() error
}
