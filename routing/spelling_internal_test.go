package routing

import (
	"context"
	"testing"
)

// viewOfCatalogs stands for one that holds on to whole catalogs.
type viewOfCatalogs struct{ View }

// TestViewIsLetGoOf: an outcome that waits to be written does not keep the view of its call, which may still be in use.
func TestViewIsLetGoOf(t *testing.T) {
	t.Parallel()
	written := make(chan *Entry, 1)
	ledger := NewLedger(NewMemoryStore(), LedgerOptions{})
	ledger.queue.write = func(_ context.Context, c commit) error {
		written <- c.entry
		return nil
	}
	entry := &Entry{Call: newModelCall(KindDelete, "", "t")}
	entry.Call.View = &viewOfCatalogs{}
	ledger.queue.add(commit{entry: entry})
	got := <-written
	if got.Call.View != nil || got.Call.Token != "t" {
		t.Errorf("what waits is %+v", got.Call)
	}
	if entry.Call.View == nil {
		t.Error("the call lost its view")
	}
	if err := ledger.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
