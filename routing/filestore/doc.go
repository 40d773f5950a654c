// Package filestore keeps records in one file, for a gateway of one process.
//
// A write is on disk when it is acknowledged: it survives the end of the process, and of the machine as far as the disk
// keeps what it was told to flush. Writes that wait for the disk together are flushed together. The file is locked: a
// second process cannot open it, and neither can a second store of the same process.
//
// # Layout
//
// The file is a bbolt database with these buckets, where <n> is a big-endian length of two bytes and <time> are
// milliseconds since 1970 in eight:
//
//	meta        format, version   what the file is, and the version of its layout
//	            identity          the identity of the store, where it was given one
//	instances   <n> instance id                the record of an instance
//	bindings    <n> instance id, binding id    the record of a binding
//	expiries    <time> kind, key               empty; the records with a time to live, by its end
//	unfinished  <time> kind, key               empty; the records with an unfinished operation, by last write
//	documents   "d", name                      a document
//
// The kind is "i" for instances and "b" for bindings, and the key is the one in that bucket. Records and documents
// begin with a header (see record and documentHeader), which holds a checksum, so that a damaged one is found out.
package filestore
