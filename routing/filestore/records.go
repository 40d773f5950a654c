package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"go.etcd.io/bbolt"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

var (
	metaBucket       = []byte("meta")
	instancesBucket  = []byte("instances")
	bindingsBucket   = []byte("bindings")
	expiriesBucket   = []byte("expiries")
	unfinishedBucket = []byte("unfinished")
	documentsBucket  = []byte("documents")
)

// sweepLimit is how many expired records go with one write. It is more than a write can add.
const sweepLimit = 16

var errDamaged = errors.New("the file is damaged")

// checksums of records and documents are CRC-32 with the Castagnoli polynomial.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// kind tells records of instances from those of bindings.
type kind byte

const (
	instanceKind kind = 'i'
	bindingKind  kind = 'b'
)

func (k kind) bucket(tx *bbolt.Tx) *bbolt.Bucket {
	if k == instanceKind {
		return tx.Bucket(instancesBucket)
	}
	return tx.Bucket(bindingsBucket)
}

// place is where a record lies.
type place struct {
	kind kind
	key  []byte
}

func instancePlace(key routing.Key) place {
	return place{instanceKind, appendInstance(nil, key.Instance)}
}

func bindingPlace(key routing.Key) place {
	return place{bindingKind, append(appendInstance(nil, key.Instance), key.Binding...)}
}

// appendInstance writes the length too: where the instance id ends and the binding id begins is not up to the ids.
func appendInstance(key []byte, instance routing.InstanceID) []byte {
	key = binary.BigEndian.AppendUint16(key, uint16(len(instance))) //nolint:gosec // checkKey bounds it
	return append(key, instance...)
}

// checkKey refuses ids that are too long for the file. The longest key is the one of a binding in an index.
func checkKey(key routing.Key) error {
	const header = 8 + 1 + 2
	if size := header + len(key.Instance) + len(key.Binding); size > bbolt.MaxKeySize {
		return fmt.Errorf("instance id and binding id have %d bytes together, more than the file can hold",
			len(key.Instance)+len(key.Binding))
	}
	return nil
}

// indexKey is the key of a place in an index by time.
func (p place) indexKey(milliseconds int64) []byte {
	key := make([]byte, 0, 8+1+len(p.key))
	key = binary.BigEndian.AppendUint64(key, uint64(milliseconds)) //nolint:gosec // times come after 1970
	key = append(key, byte(p.kind))
	return append(key, p.key...)
}

// record is one record with what its header holds. The header is 21 bytes: the checksum of all that follows and of the
// key (4), flags (1), the end of its time to live (8) and the time of the last write (8).
type record struct {
	// expires and written are milliseconds since 1970; an expires of 0 is never.
	expires, written int64
	unfinished       bool
	data             []byte
}

const (
	recordHeader   = 4 + 1 + 8 + 8
	unfinishedFlag = 1
)

func (r record) expired(now time.Time) bool {
	return r.expires != 0 && r.expires <= now.UnixMilli()
}

func (r record) encode(key []byte) []byte {
	value := make([]byte, recordHeader, recordHeader+len(r.data))
	if r.unfinished {
		value[4] = unfinishedFlag
	}
	binary.BigEndian.PutUint64(value[5:], uint64(r.expires))  //nolint:gosec // decodeRecord undoes it
	binary.BigEndian.PutUint64(value[13:], uint64(r.written)) //nolint:gosec // decodeRecord undoes it
	value = append(value, r.data...)
	binary.BigEndian.PutUint32(value, checksum(key, value[4:]))
	return value
}

// decodeRecord reads a value. The data is part of it, not a copy.
func decodeRecord(key, value []byte) (record, error) {
	if len(value) < recordHeader || binary.BigEndian.Uint32(value) != checksum(key, value[4:]) {
		return record{}, fmt.Errorf("%w: the record under %.80q is not what was written", errDamaged, key)
	}
	return record{
		unfinished: value[4]&unfinishedFlag != 0,
		expires:    int64(binary.BigEndian.Uint64(value[5:])),  //nolint:gosec // it was written from an int64
		written:    int64(binary.BigEndian.Uint64(value[13:])), //nolint:gosec // it was written from an int64
		data:       value[recordHeader:],
	}, nil
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

// get returns the record at a place, expired or not, and whether there is one. Its data is valid as long as tx is.
func (p place) get(tx *bbolt.Tx) (record, bool, error) {
	value := p.kind.bucket(tx).Get(p.key)
	if value == nil {
		return record{}, false, nil
	}
	r, err := decodeRecord(p.key, value)
	return r, err == nil, err
}

// read returns a copy of the data at a place, nil if there is none or if its time is over.
func (p place) read(tx *bbolt.Tx, now time.Time) ([]byte, error) {
	r, exists, err := p.get(tx)
	if err != nil || !exists || r.expired(now) {
		return nil, err
	}
	return append([]byte{}, r.data...), nil
}

// readSnapshot returns the records of a key.
func readSnapshot(tx *bbolt.Tx, key routing.Key, now time.Time) (routing.Snapshot, error) {
	instance, err := instancePlace(key).read(tx, now)
	if err != nil {
		return routing.Snapshot{}, err
	}
	snapshot := routing.Snapshot{Instance: instance, Now: now}
	if key.Binding == "" {
		return snapshot, nil
	}
	if snapshot.Binding, err = bindingPlace(key).read(tx, now); err != nil {
		return routing.Snapshot{}, err
	}
	return snapshot, nil
}

// write carries out one write and keeps the indexes.
func (p place) write(tx *bbolt.Tx, write *routing.Write, now time.Time) error {
	if write == nil {
		return nil
	}
	if write.Data == nil {
		return p.erase(tx)
	}
	if err := p.unindex(tx); err != nil {
		return err
	}
	r := record{written: now.UnixMilli(), unfinished: write.Unfinished, data: write.Data}
	if write.TTL > 0 {
		// Rounded up: a record is kept for no less than it should be.
		r.expires = now.Add(write.TTL + time.Millisecond - 1).UnixMilli()
		if err := tx.Bucket(expiriesBucket).Put(p.indexKey(r.expires), nil); err != nil {
			return err
		}
	}
	if r.unfinished {
		if err := tx.Bucket(unfinishedBucket).Put(p.indexKey(r.written), nil); err != nil {
			return err
		}
	}
	return p.kind.bucket(tx).Put(p.key, r.encode(p.key))
}

func (p place) erase(tx *bbolt.Tx) error {
	if err := p.unindex(tx); err != nil {
		return err
	}
	return p.kind.bucket(tx).Delete(p.key)
}

// unindex takes the record that is there out of the indexes.
func (p place) unindex(tx *bbolt.Tx) error {
	r, exists, err := p.get(tx)
	if err != nil || !exists {
		return err
	}
	if r.expires != 0 {
		if err := tx.Bucket(expiriesBucket).Delete(p.indexKey(r.expires)); err != nil {
			return err
		}
	}
	if r.unfinished {
		return tx.Bucket(unfinishedBucket).Delete(p.indexKey(r.written))
	}
	return nil
}

// sweep erases a few records whose time is over, the ones that ended first.
func sweep(tx *bbolt.Tx, now time.Time) error {
	index := tx.Bucket(expiriesBucket)
	limit := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	var expired [][]byte
	cursor := index.Cursor()
	for key, _ := cursor.First(); key != nil && len(expired) < sweepLimit; key, _ = cursor.Next() {
		if len(key) < 9 || bytes.Compare(key[:8], limit) > 0 {
			break
		}
		// A key is not valid any more once the bucket is changed.
		expired = append(expired, bytes.Clone(key))
	}
	for _, key := range expired {
		p := place{kind: kind(key[8]), key: key[9:]}
		// A damaged record stays, to be found by who reads it; no other write fails because of it.
		if r, exists, err := p.get(tx); err == nil && exists && r.expired(now) {
			if err := p.erase(tx); err != nil {
				return err
			}
		}
		if err := index.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
