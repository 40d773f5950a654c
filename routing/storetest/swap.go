package storetest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

func (s *suite) absentRecords(t *testing.T) {
	store := s.start(t)
	for _, key := range []routing.Key{{Instance: "i"}, {Instance: "i", Binding: "b"}} {
		if snapshot := wantRead(t, store, key, nil, nil); snapshot.Now.IsZero() {
			t.Errorf("Read(%q) returns no time", key)
		}
	}
}

func (s *suite) createReadAndRewrite(t *testing.T) {
	store := s.start(t)
	instance, binding := routing.Key{Instance: "i"}, routing.Key{Instance: "i", Binding: "b"}

	held := swap(t, store, routing.Change{Key: instance, Instance: write("one")})
	wantRead(t, store, instance, []byte("one"), nil)
	wantRead(t, store, binding, []byte("one"), nil)

	held = swap(t, store, routing.Change{Key: binding, Old: held, Instance: write("two"), Binding: write("bound")})
	wantRead(t, store, binding, []byte("two"), []byte("bound"))
	wantRead(t, store, instance, []byte("two"), nil)
	wantRead(t, store, routing.Key{Instance: "i", Binding: "other"}, []byte("two"), nil)
	wantRead(t, store, routing.Key{Instance: "other", Binding: "b"}, nil, nil)

	// What a swap returns is good for the next one, as what a read returns is; the time in it does not count.
	held.Now = time.Time{}
	held = swap(t, store, routing.Change{Key: binding, Old: held, Binding: write("bound again")})
	swap(t, store, routing.Change{Key: binding, Old: held, Instance: write("three")})
	wantRead(t, store, binding, []byte("three"), []byte("bound again"))
}

func (s *suite) mismatchChangesNothing(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i"}
	old := func(data string) routing.Snapshot { return routing.Snapshot{Instance: []byte(data)} }

	wantMismatch(t, store, routing.Change{Key: key, Old: old("x"), Instance: write("y")}, nil, nil)
	swap(t, store, routing.Change{Key: key, Instance: write("one")})
	wantMismatch(t, store, routing.Change{Key: key, Instance: write("y")}, []byte("one"), nil)
	for _, other := range []string{"", "on", "one ", "One", "one\x00", "1"} {
		wantMismatch(t, store, routing.Change{Key: key, Old: old(other), Instance: write("y")}, []byte("one"), nil)
	}
	wantMismatch(t, store, routing.Change{Key: key, Old: old("x"), Instance: &routing.Write{}}, []byte("one"), nil)
}

func (s *suite) bothOrNeither(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: key, Instance: write("i1"), Binding: write("b1")})
	changes := []struct {
		name              string
		instance, binding string
	}{
		{"the instance is another", "x", "b1"},
		{"the binding is another", "i1", "x"},
		{"both are others", "x", "x"},
		{"they are exchanged", "b1", "i1"},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			change := routing.Change{
				Key:      key,
				Old:      routing.Snapshot{Instance: []byte(c.instance), Binding: []byte(c.binding)},
				Instance: write("i2"), Binding: write("b2"),
			}
			wantMismatch(t, store, change, []byte("i1"), []byte("b1"))
			change.Instance, change.Binding = &routing.Write{}, &routing.Write{}
			wantMismatch(t, store, change, []byte("i1"), []byte("b1"))
		})
	}
	absent := []struct {
		name string
		old  routing.Snapshot
	}{
		{"the instance should be absent", routing.Snapshot{Binding: []byte("b1")}},
		{"the binding should be absent", routing.Snapshot{Instance: []byte("i1")}},
	}
	for _, c := range absent {
		t.Run(c.name, func(t *testing.T) {
			change := routing.Change{Key: key, Old: c.old, Instance: write("i2"), Binding: write("b2")}
			wantMismatch(t, store, change, []byte("i1"), []byte("b1"))
		})
	}
	swap(t, store, routing.Change{Key: key, Old: held, Instance: write("i2"), Binding: write("b2")})
	wantRead(t, store, key, []byte("i2"), []byte("b2"))
}

func (s *suite) noWrite(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: key, Instance: write("i1"), Binding: write("b1")})

	held = swap(t, store, routing.Change{Key: key, Old: held, Binding: write("b2")})
	wantRead(t, store, key, []byte("i1"), []byte("b2"))
	held = swap(t, store, routing.Change{Key: key, Old: held, Instance: write("i2")})
	wantRead(t, store, key, []byte("i2"), []byte("b2"))
	held = swap(t, store, routing.Change{Key: key, Old: held})
	wantRead(t, store, key, []byte("i2"), []byte("b2"))

	changes := []routing.Change{
		{Old: routing.Snapshot{Instance: []byte("x"), Binding: held.Binding}, Binding: write("b3")},
		{Old: routing.Snapshot{Instance: held.Instance, Binding: []byte("x")}, Instance: write("i3")},
		{Old: routing.Snapshot{Instance: held.Instance}, Instance: write("i3")},
		{Old: routing.Snapshot{}},
	}
	for _, change := range changes {
		change.Key = key
		wantMismatch(t, store, change, []byte("i2"), []byte("b2"))
	}
}

func (s *suite) erase(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: key, Instance: write("i1"), Binding: write("b1")})

	held = swap(t, store, routing.Change{Key: key, Old: held, Binding: &routing.Write{}})
	wantRead(t, store, key, []byte("i1"), nil)
	held = swap(t, store, routing.Change{Key: key, Old: held, Instance: &routing.Write{}, Binding: write("b2")})
	wantRead(t, store, key, nil, []byte("b2"))
	held = swap(t, store, routing.Change{Key: key, Old: held, Binding: &routing.Write{}})
	wantRead(t, store, key, nil, nil)

	held = swap(t, store, routing.Change{Key: key, Old: held, Instance: &routing.Write{}, Binding: &routing.Write{}})
	wantRead(t, store, key, nil, nil)
	swap(t, store, routing.Change{Key: key, Old: held, Instance: write("i2"), Binding: write("b3")})
	wantRead(t, store, key, []byte("i2"), []byte("b3"))
}

func (s *suite) emptyIsNotAbsent(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	empty := &routing.Write{Data: []byte{}}
	wantMismatch(t, store, routing.Change{
		Key: key, Old: routing.Snapshot{Instance: []byte{}}, Instance: write("x"),
	}, nil, nil)
	held := swap(t, store, routing.Change{Key: key, Instance: empty, Binding: empty})
	wantRead(t, store, key, []byte{}, []byte{})
	wantMismatch(t, store, routing.Change{Key: key, Instance: write("x")}, []byte{}, []byte{})
	swap(t, store, routing.Change{Key: key, Old: held, Instance: write("i"), Binding: write("b")})
	wantRead(t, store, key, []byte("i"), []byte("b"))
}

func (s *suite) bytesAreOpaque(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	every := make([]byte, 0, 512)
	for i := range 256 {
		every = append(every, byte(i), byte(255-i))
	}
	large := bytes.Repeat(every, 2048)
	held := routing.Snapshot{}
	for _, data := range [][]byte{every, []byte("\r\n+OK\r\n$-1\r\n"), []byte("nil"), {0}, large} {
		held = swap(t, store, routing.Change{
			Key: key, Old: held, Instance: &routing.Write{Data: data}, Binding: &routing.Write{Data: data},
		})
		snapshot := read(t, store, key)
		if !bytes.Equal(snapshot.Instance, data) || !bytes.Equal(snapshot.Binding, data) {
			t.Errorf("%.20q... came back changed", data)
		}
	}
}

// buffers changes every buffer it passed in and got back: what the store holds must not care.
func (s *suite) buffers(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	spoil := func(buffers ...[]byte) {
		for _, buffer := range buffers {
			for i := range buffer {
				buffer[i] = 'X'
			}
		}
	}
	change := routing.Change{Key: key, Instance: write("i1"), Binding: write("b1")}
	held := swap(t, store, change)
	spoil(change.Instance.Data, change.Binding.Data)
	if string(held.Instance) != "i1" || string(held.Binding) != "b1" {
		t.Error("what Swap returned shares memory with the change")
	}
	spoil(held.Instance, held.Binding)

	held = wantRead(t, store, key, []byte("i1"), []byte("b1"))
	spoil(held.Instance, held.Binding)
	held = wantRead(t, store, key, []byte("i1"), []byte("b1"))

	other, _, err := store.Swap(t.Context(), routing.Change{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	spoil(other.Instance, other.Binding)
	wantRead(t, store, key, []byte("i1"), []byte("b1"))

	kept := swap(t, store, routing.Change{Key: key, Old: held, Binding: write("b2")})
	spoil(kept.Instance)
	if string(held.Instance) != "i1" {
		t.Error("what Swap returned shares memory with the old snapshot")
	}

	data := []byte("one")
	document, _ := swapDocument(t, store, "d", 0, data)
	spoil(data, document.Data)
	wantDocument(t, store, "d", routing.Document{Version: 1, Data: []byte("one")})
}

func (s *suite) impossibleChanges(t *testing.T) {
	store := s.start(t)
	changes := []struct {
		name   string
		change routing.Change
	}{
		{"a binding is written that the key does not name", routing.Change{
			Key: routing.Key{Instance: "i"}, Instance: write("x"), Binding: write("x"),
		}},
		{"a binding is compared that the key does not name", routing.Change{
			Key: routing.Key{Instance: "i"}, Old: routing.Snapshot{Binding: []byte("x")}, Instance: write("x"),
		}},
		{"a time to live is negative", routing.Change{
			Key: routing.Key{Instance: "i"}, Instance: &routing.Write{Data: []byte("x"), TTL: -time.Second},
		}},
	}
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			_, swapped, err := store.Swap(t.Context(), c.change)
			if swapped || !errors.Is(err, routing.ErrUnavailable) {
				t.Errorf("got %v, %v, want an error that matches ErrUnavailable", swapped, err)
			}
			wantRead(t, store, routing.Key{Instance: "i", Binding: "b"}, nil, nil)
		})
	}
}
