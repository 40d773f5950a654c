package storetest

import (
	"encoding/binary"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// racers is how many goroutines run against each other.
const racers = 8

// raceForOneRecord has all racers change a record from the same state: exactly one does.
func (s *suite) raceForOneRecord(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i"}
	held := routing.Snapshot{}
	for round := range 30 {
		var winners atomic.Int64
		var won atomic.Pointer[string]
		race(func(racer int) {
			mine := strconv.Itoa(round) + " won by " + strconv.Itoa(racer)
			snapshot, swapped, err := store.Swap(t.Context(), routing.Change{Key: key, Old: held, Instance: write(mine)})
			switch {
			case err != nil:
				t.Error(err)
			case swapped:
				winners.Add(1)
				won.Store(&mine)
			case string(snapshot.Instance) == string(held.Instance):
				t.Errorf("a loser found %q, which should have been right", snapshot.Instance)
			}
		})
		if winners.Load() != 1 {
			t.Fatalf("round %d has %d winners, want one", round, winners.Load())
		}
		held = wantRead(t, store, key, []byte(*won.Load()), nil)
	}
}

// raceOfIncrements has all racers count in one record: no increment is lost.
func (s *suite) raceOfIncrements(t *testing.T) {
	store := s.start(t)
	key := routing.Key{Instance: "i"}
	const each = 25
	race(func(int) {
		held, err := store.Read(t.Context(), key)
		for done := 0; done < each && err == nil; {
			var swapped bool
			held, swapped, err = store.Swap(t.Context(), routing.Change{
				Key: key, Old: held, Instance: number(numberOf(held.Instance) + 1),
			})
			if swapped {
				done++
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if got := numberOf(read(t, store, key).Instance); got != racers*each {
		t.Errorf("counted to %d, want %d", got, racers*each)
	}
}

// raceOfCreates has all racers create the same ids: each id has one creator, whose record stays.
func (s *suite) raceOfCreates(t *testing.T) {
	store := s.start(t)
	const ids = 40
	var created [ids]atomic.Int64
	var creator [ids]atomic.Int64
	race(func(racer int) {
		for id := range ids {
			key := routing.Key{Instance: routing.InstanceID(strconv.Itoa(id)), Binding: "b"}
			_, swapped, err := store.Swap(t.Context(), routing.Change{
				Key: key, Instance: number(uint64(racer)), Binding: number(uint64(racer)),
			})
			if err != nil {
				t.Error(err)
				return
			}
			if swapped {
				created[id].Add(1)
				creator[id].Store(int64(racer))
			}
		}
	})
	for id := range ids {
		if created[id].Load() != 1 {
			t.Errorf("id %d was created %d times, want once", id, created[id].Load())
		}
		want := number(uint64(creator[id].Load())).Data
		wantRead(t, store, routing.Key{Instance: routing.InstanceID(strconv.Itoa(id)), Binding: "b"}, want, want)
	}
}

// raceOfInstanceAndBinding has some racers move numbers from the instance to its bindings, while others read: at no
// moment is a number in both or in neither.
func (s *suite) raceOfInstanceAndBinding(t *testing.T) {
	store := s.start(t)
	const total, each = 1000, 25
	key := routing.Key{Instance: "i", Binding: "b"}
	swap(t, store, routing.Change{Key: key, Instance: number(total), Binding: number(0)})
	check := func(snapshot routing.Snapshot) bool {
		if sum := numberOf(snapshot.Instance) + numberOf(snapshot.Binding); sum != total {
			t.Errorf("instance and binding hold %d together, want %d", sum, total)
			return false
		}
		return true
	}
	var moving sync.WaitGroup
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				snapshot, err := store.Read(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				if !check(snapshot) {
					return
				}
			}
		})
	}
	for range racers {
		moving.Go(func() {
			held, err := store.Read(t.Context(), key)
			for done := 0; done < each && err == nil && check(held); {
				var swapped bool
				held, swapped, err = store.Swap(t.Context(), routing.Change{
					Key: key, Old: held,
					Instance: number(numberOf(held.Instance) - 1), Binding: number(numberOf(held.Binding) + 1),
				})
				if swapped {
					done++
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	moving.Wait()
	close(stop)
	readers.Wait()
	if got := numberOf(read(t, store, key).Binding); got != racers*each {
		t.Errorf("the binding holds %d, want %d", got, racers*each)
	}
}

func (s *suite) raceForOneDocument(t *testing.T) {
	store := s.start(t)
	const each = 10
	race(func(int) {
		document, err := store.ReadDocument(t.Context(), "d")
		for done := 0; done < each && err == nil; {
			var swapped bool
			document, swapped, err = store.SwapDocument(t.Context(), "d", document.Version,
				number(numberOf(document.Data)+1).Data)
			if swapped {
				done++
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	wantDocument(t, store, "d", routing.Document{Version: racers * each, Data: number(racers * each).Data})
}

// race runs all racers at once and waits for them.
func race(racer func(number int)) {
	var running sync.WaitGroup
	start := make(chan struct{})
	for number := range racers {
		running.Go(func() {
			<-start
			racer(number)
		})
	}
	close(start)
	running.Wait()
}

func number(n uint64) *routing.Write {
	return &routing.Write{Data: binary.BigEndian.AppendUint64(nil, n)}
}

func numberOf(data []byte) uint64 {
	if data == nil {
		return 0
	}
	return binary.BigEndian.Uint64(data)
}
