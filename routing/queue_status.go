package routing

import "time"

// QueueStatus says how the outcomes fare that could not be written at once.
type QueueStatus struct {
	// Waiting is how many wait, and Capacity how many may.
	Waiting, Capacity int
	// OldestAge is how long the oldest of them has waited; 0 if none waits.
	OldestAge time.Duration
	// Retries counts the attempts to write one in the background, and Dropped those that were given up, since the store
	// was opened.
	Retries, Dropped uint64
	// LastError is why the last attempt failed; nil if none waits or none was tried yet.
	LastError error
}

// QueueStatus tells how the outcomes fare that could not be written at once.
func (l *Ledger) QueueStatus() QueueStatus { return l.queue.status(time.Now()) }

func (q *queue) status(now time.Time) QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueStatus{
		Waiting: len(q.waiting), Capacity: q.capacity, Retries: q.retries, Dropped: q.dropped, LastError: q.lastError,
	}
	if q.writing.entry != nil {
		s.Waiting++
		s.OldestAge = now.Sub(q.writing.since)
	}
	for _, c := range q.waiting {
		s.OldestAge = max(s.OldestAge, now.Sub(c.since))
	}
	return s
}
