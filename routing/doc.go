// Package routing decides which backend a call goes to and remembers who owns what.
//
// It is pure: it speaks to no broker and knows neither HTTP nor Caddy. What it holds:
//
//   - the [Record] of an instance or a binding, and its encoding;
//   - the protocol, two transition tables: [Begin], before anything is sent, and [Close], with the outcome, which may
//     come late, twice and in any order;
//   - [Resolve], which finds the backend of a call that has no record;
//   - the [Store] interface, one atomic compare-and-set, and the [Ledger] that runs the protocol on a store.
//
// The tables are plain functions from records to records. The same functions run in production on every store and under
// the test that explores them exhaustively.
package routing
