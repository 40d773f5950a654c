package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func (s *suite) timeToLiveIsSetAndCleared(t *testing.T) {
	if s.ttl == nil && s.advance == nil {
		t.Fatal("the suite needs TTL or Advance to see that a time to live is cleared")
	}
	const ttl = time.Hour
	forever := write
	limited := func(data string) *routing.Write { return &routing.Write{Data: []byte(data), TTL: ttl} }
	steps := []struct {
		name string
		// then is the second write, onto a record with a time to live.
		then func(data string) *routing.Write
		kept bool
	}{
		{"rewritten with another time to live", limited, false},
		{"rewritten without one", forever, true},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			store := s.start(t)
			key := routing.Key{Instance: "i", Binding: "b"}
			held := swap(t, store, routing.Change{Key: key, Instance: limited("i1"), Binding: limited("b1")})
			s.wantTTL(t, store, key, ttl)
			held = swap(t, store, routing.Change{Key: key, Old: held, Instance: step.then("i2"), Binding: step.then("b2")})
			if !step.kept {
				s.wantTTL(t, store, key, ttl)
				s.pass(t, store, ttl)
				if s.advance != nil {
					wantRead(t, store, key, nil, nil)
				}
				return
			}
			s.wantTTL(t, store, key, 0)
			s.pass(t, store, 2*ttl)
			wantRead(t, store, key, []byte("i2"), []byte("b2"))
			// A later write sweeps what has expired. What was cleared has not.
			swap(t, store, routing.Change{Key: routing.Key{Instance: "other"}, Instance: write("x")})
			wantRead(t, store, key, []byte("i2"), []byte("b2"))
			swap(t, store, routing.Change{Key: key, Old: held, Binding: limited("b3")})
			s.wantTTL(t, store, routing.Key{Instance: "i"}, 0)
			s.pass(t, store, ttl)
			if s.advance != nil {
				wantRead(t, store, key, []byte("i2"), nil)
			}
		})
	}
}

// wantTTL checks the time to live of both records of a key; 0 is none.
func (s *suite) wantTTL(t *testing.T, store routing.Store, key routing.Key, most time.Duration) {
	t.Helper()
	if s.ttl == nil {
		return
	}
	for _, record := range []routing.Key{{Instance: key.Instance}, key} {
		got, limited := s.ttl(t, store, record)
		if limited != (most > 0) || got > most {
			t.Errorf("%q has a time to live: %t, of %s; want %t, of at most %s", record, limited, got, most > 0, most)
		}
	}
}

// pass moves the clock, where the suite can.
func (s *suite) pass(t *testing.T, store routing.Store, by time.Duration) {
	t.Helper()
	if s.advance != nil {
		s.advance(t, store, by)
	}
}

// expiredRecordIsAbsent lets real time pass, but only as much as the store needs.
func (s *suite) expiredRecordIsAbsent(t *testing.T) {
	store := s.start(t)
	const ttl = 20 * time.Millisecond
	key := routing.Key{Instance: "i", Binding: "b"}
	swap(t, store, routing.Change{
		Key:      key,
		Instance: write("stays"),
		Binding:  &routing.Write{Data: []byte("goes"), TTL: ttl, Unfinished: true},
	})
	s.pass(t, store, ttl)
	eventually(t, "a record whose time is over is absent", func(ctx context.Context) bool {
		snapshot, err := store.Read(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		if string(snapshot.Instance) != "stays" {
			t.Fatalf("the other record is %q, want it to stay", snapshot.Instance)
		}
		return snapshot.Binding == nil
	})
	// An expired record is absent for a swap too.
	held := routing.Snapshot{Instance: []byte("stays"), Binding: []byte("goes")}
	wantMismatch(t, store, routing.Change{Key: key, Old: held, Binding: write("x")}, []byte("stays"), nil)
	held.Binding = nil
	swap(t, store, routing.Change{Key: key, Old: held, Binding: write("new")})
	wantRead(t, store, key, []byte("stays"), []byte("new"))
}

// expiryByTheClock checks the last moment before the end and the end itself, and that many ends leave nothing behind.
func (s *suite) expiryByTheClock(t *testing.T) {
	store := s.start(t)
	if s.advance == nil {
		return // TimeToLiveIsSetAndCleared and ExpiredRecordIsAbsent show it by other means.
	}
	const ttl = time.Minute
	keys := make([]routing.Key, 100)
	for i := range keys {
		keys[i] = routing.Key{Instance: routing.InstanceID("i" + string(rune('A'+i)))}
		swap(t, store, routing.Change{Key: keys[i], Instance: &routing.Write{Data: []byte("x"), TTL: ttl}})
	}
	s.advance(t, store, ttl-time.Millisecond)
	for _, key := range keys {
		wantRead(t, store, key, []byte("x"), nil)
	}
	s.advance(t, store, time.Millisecond)
	for _, key := range keys {
		wantRead(t, store, key, nil, nil)
	}
	for _, key := range keys {
		swap(t, store, routing.Change{Key: key, Instance: write("y")})
	}
	s.advance(t, store, time.Hour)
	for _, key := range keys {
		wantRead(t, store, key, []byte("y"), nil)
	}
}

func (s *suite) clockMovesForward(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i"}
	first := read(t, store, key)
	last := first.Now
	check := func(what string, now time.Time) {
		t.Helper()
		if now.Before(last) {
			t.Errorf("%s says %s, after %s: the clock went back", what, now, last)
		}
		last = now
	}
	held := first
	for range 20 {
		held = swap(t, store, routing.Change{Key: key, Old: held, Instance: write(last.String())})
		check("Swap", held.Now)
		check("Read", read(t, store, key).Now)
	}
	mismatch, _, err := store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
	if err != nil {
		t.Fatal(err)
	}
	check("Swap with a mismatch", mismatch.Now)
	eventually(t, "the clock moves", func(ctx context.Context) bool {
		s.pass(t, store, time.Millisecond)
		snapshot, err := store.Read(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		return snapshot.Now.After(first.Now)
	})
	// Sane is what a person would take for today: not 1970, nor seconds taken for something else.
	if off := time.Since(last).Abs(); off > 48*time.Hour {
		t.Errorf("the clock says %s, which is %s away", last, off)
	}
}
