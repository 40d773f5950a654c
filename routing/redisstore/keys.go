package redisstore

import (
	"hash/fnv"
	"strconv"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// buckets is how many there are. It is part of the layout and must never change.
const buckets = 256

// bucket is the number of the bucket that an instance and its bindings live in: the 32-bit FNV-1a hash of the bytes of
// the decoded instance id, its four bytes combined by exclusive or. It is part of the layout and must never change.
func bucket(instance routing.InstanceID) byte {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(instance))
	sum := hash.Sum32()
	return byte(sum>>24) ^ byte(sum>>16) ^ byte(sum>>8) ^ byte(sum) //nolint:gosec // the low bytes are meant
}

// layout builds the keys of one gateway.
type layout struct {
	// base is the prefix and the gateway, with a colon after each.
	base string
	// changes is the channel on which changes are told of.
	changes string
}

func newLayout(prefix, gateway string) layout {
	base := prefix + ":" + escape(gateway) + ":"
	return layout{base: base, changes: base + "changes"}
}

// bucketKeys builds the keys of one bucket. It is what all of them begin with.
type bucketKeys string

func (l layout) bucket(number int) bucketKeys {
	return bucketKeys(l.base + "{" + strconv.Itoa(number) + "}:")
}

func (b bucketKeys) identity() string   { return string(b) + "store" }
func (b bucketKeys) ids() string        { return string(b) + "ids" }
func (b bucketKeys) expiries() string   { return string(b) + "expiries" }
func (b bucketKeys) unfinished() string { return string(b) + "unfinished" }

// record is the key of the record that a member of the sets stands for.
func (b bucketKeys) record(member string) string { return string(b) + member }

// recordKeys are the keys that one record or one pair of records needs.
type recordKeys struct {
	number int
	bucket bucketKeys
	// instanceMember and bindingMember are the record keys without tag, as members of the sets; bindingMember is empty
	// where the key names no binding.
	instanceMember, bindingMember string
}

func (l layout) records(key routing.Key) recordKeys {
	number := int(bucket(key.Instance))
	keys := recordKeys{number: number, bucket: l.bucket(number)}
	keys.instanceMember, keys.bindingMember = members(key)
	return keys
}

// read lists the keys of the read script.
func (k recordKeys) read() []string {
	return k.withRecords(k.bucket.identity())
}

// swap lists the keys of the swap script.
func (k recordKeys) swap() []string {
	return k.withRecords(k.bucket.identity(), k.bucket.ids(), k.bucket.expiries(), k.bucket.unfinished())
}

func (k recordKeys) withRecords(keys ...string) []string {
	keys = append(keys, k.bucket.record(k.instanceMember))
	if k.bindingMember != "" {
		keys = append(keys, k.bucket.record(k.bindingMember))
	}
	return keys
}

func (l layout) document(name string) string {
	return l.base + "{documents}:" + escape(name)
}
