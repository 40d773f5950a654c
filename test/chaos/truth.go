package chaos

import (
	"slices"
	"sync"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

// Life is how long a broker held an instance or a binding.
type Life struct {
	Broker string
	Key    Key
	From   time.Time
	// To is zero while the broker holds it.
	To time.Time
}

// Covers tells whether the broker held it all the time.
func (l *Life) Covers(from, to time.Time) bool {
	return !l.From.After(from) && (l.To.IsZero() || !l.To.Before(to))
}

// Meets tells whether there is a moment at which both were held.
func (l *Life) Meets(other *Life) bool {
	return (other.To.IsZero() || l.From.Before(other.To)) && (l.To.IsZero() || other.From.Before(l.To))
}

// Truth is what the brokers held, and when. It is told by the brokers themselves.
type Truth struct {
	mu    sync.Mutex
	lives []*Life
	// held are those that go on.
	held map[string]map[Key]*Life
}

// Watch returns what a broker is to tell its changes.
func (t *Truth) Watch(broker string) func(samplebroker.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = make(map[string]map[Key]*Life)
	}
	t.held[broker] = make(map[Key]*Life)
	return func(change samplebroker.Change) { t.note(broker, change) }
}

func (t *Truth) note(broker string, change samplebroker.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := Key{Instance: change.InstanceID, Binding: change.BindingID}
	if !change.Held {
		if life := t.held[broker][key]; life != nil {
			life.To = change.At
			delete(t.held[broker], key)
		}
		return
	}
	life := &Life{Broker: broker, Key: key, From: change.At}
	t.lives = append(t.lives, life)
	t.held[broker][key] = life
}

// Lives returns all lives, in the order of their beginning.
func (t *Truth) Lives() []Life {
	t.mu.Lock()
	defer t.mu.Unlock()
	lives := make([]Life, 0, len(t.lives))
	for _, life := range t.lives {
		lives = append(lives, *life)
	}
	slices.SortStableFunc(lives, func(a, b Life) int { return a.From.Compare(b.From) })
	return lives
}
