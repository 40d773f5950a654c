// Package redisstore keeps records in a Redis server, for gateways of several processes.
//
// # Keys
//
// Every key begins with the prefix of the configuration and the name of the gateway. What comes next is a hash tag, so
// that all that one script touches lies in one slot of a Redis Cluster:
//
//	<prefix>:<gateway>:{<bucket>}:instance:<instance id>               string: the record of an instance
//	<prefix>:<gateway>:{<bucket>}:binding:<instance id>:<binding id>   string: the record of a binding
//	<prefix>:<gateway>:{<bucket>}:ids                                  sorted set: the bucket's records
//	<prefix>:<gateway>:{<bucket>}:expiries                             sorted set: those with a time to live
//	<prefix>:<gateway>:{<bucket>}:unfinished                           sorted set: those with an unfinished operation
//	<prefix>:<gateway>:{<bucket>}:store                                string: the identity of the store
//	<prefix>:<gateway>:{documents}:<name>                              hash: version and data of a document
//
// The bucket is a number from 0 to 255, a hash of the decoded instance id (see bucket). The tag is not the id itself,
// for an id may begin with a closing brace, which Redis takes for no tag at all. Gateway, ids and names are
// percent-encoded: all but letters, digits and "-._~" is written as % and two upper-case hexadecimal digits. So keys
// are printable, and a colon in an id is not mistaken for the one between two ids.
//
// The members of the sorted sets are what follows the tag in a record's key, such as "instance:<instance id>". The
// score in ids is 0, so that their order is that of the members, on every server; in expiries it is the moment when the
// record ends, in unfinished the time of the last write. Both are milliseconds since 1970 by the clock of the server. A
// record that expires stays in the sets for a while: each write takes a few such members out of the sets of its own
// bucket.
//
// Every bucket carries the identity of the store, for in a cluster each may be lost alone. A record is called absent
// only where the bucket carries the identity that is expected.
//
// # Changes
//
// Each write is told of on the channel <prefix>:<gateway>:changes, by the script that makes it: the message holds the
// members of the records that it wrote, with a space between two. Where a document was written it is "document:", the
// escaped name of the document, a colon and its new version. Messages that begin with "heartbeat:" are no changes:
// who listens sends them, from each master, and knows by their return that changes would come too.
//
// # Guarantees
//
// Each call is one command or one script, so it happens as a whole or not at all, as far as Redis goes. Nothing is sent
// twice, but for a script that the server answered with NOSCRIPT, which says that it did not run. How much an
// acknowledged write is worth is up to the server's persistence and eviction settings. The server must be a master: a
// connection to a replica is refused, for what is absent there may exist.
//
// A call ends at the deadline of its context or at the timeout of the store, whichever comes first. A context that is
// cancelled without a deadline is heeded before the call is sent, not while it waits for the answer.
//
// # Server
//
// It is Redis 5 or later. A user of its own needs the keys <prefix>:<gateway>:*, the channel
// <prefix>:<gateway>:changes, and the commands EVAL, EVALSHA, TIME, GET, MGET, SET, DEL, ZADD, ZCARD, ZREM,
// ZRANGEBYSCORE, ZRANGEBYLEX, HGET, HMGET, HSET, PUBLISH and SUBSCRIBE, and ROLE, without which a replica is noticed
// only by its refusal of writes.
package redisstore
