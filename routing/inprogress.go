package routing

import (
	"context"
	"errors"
)

// InProgress is an operation that a backend is at.
type InProgress struct {
	Platform  PlatformID
	Backend   BackendID
	OnBinding bool
	Kind      Kind
	// Since is when the backend was known to be at it.
	Since Moment
}

// InProgress returns the operations that backends are at, of up to limit records; of more, those that wait longest as
// far as the store can tell. Records that cannot be read are left out. The error matches ErrUnavailable.
func (l *Ledger) InProgress(ctx context.Context, limit int) ([]InProgress, error) {
	keys, err := l.store.Unfinished(ctx, 0, limit)
	if err != nil {
		return nil, err
	}
	found := make([]InProgress, 0, len(keys))
	for _, key := range keys {
		read, err := l.read(ctx, key)
		switch {
		case errors.Is(err, ErrUnavailable):
			return nil, err
		case err != nil:
			continue // a newer gateway's, or damaged
		}
		record := read.records.subject(&Call{Key: key})
		if record == nil || !record.Unfinished() {
			continue // it has ended since
		}
		since := record.Op.Began
		if since == 0 {
			since = record.Updated
		}
		found = append(found, InProgress{
			Platform: record.Platform, Backend: record.Backend, OnBinding: key.Binding != "", Kind: record.Op.Kind,
			Since: since,
		})
	}
	return found, nil
}
