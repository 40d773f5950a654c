// Package catalogmerge makes one catalog out of the catalogs of many brokers.
//
// It works in three steps, all pure: no network, no clock, no logging.
//
//   - [Refresh] reads what one backend answered to GET /v2/catalog, checks every offering by the rules that platforms
//     enforce, and makes the [Copy] that follows the backend's earlier one: its last good offerings and every id that
//     it ever published. Copies are what a store keeps, so that every replica merges the same ones.
//   - [Expose] applies what the configuration says of the backend, its [Policy], to a copy: which offerings platforms
//     see, and under which names and ids. The copy stays as it is, so that a changed policy needs no fetch.
//   - [Merge] splices the offerings of all backends into one prepared answer and builds the index by which calls find
//     their backend. [Catalog.Views] makes the answers for platforms that see a part of it.
//
// A platform that reads a catalog rejects all of it for one bad entry. So an offering that breaks a hard rule is left
// out alone, with a [Problem] that says why, and where it has a last good version, that one stays. What only some
// platforms misread is a soft problem and stays published.
//
// Offerings travel as the bytes that their backend sent. Nothing is decoded and encoded again, so unknown fields, the
// order of keys, white space and numbers of any size survive; a policy replaces the bytes that it speaks of and no others.
package catalogmerge
