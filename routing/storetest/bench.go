package storetest

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Benchmark measures a store with records of the size that real ones have: reads of one of a thousand instances, and
// swaps of an instance and of an instance with a binding, by one caller and by many.
func Benchmark(b *testing.B, open func(b *testing.B) routing.Store) {
	store := open(b)
	b.Cleanup(func() { _ = store.Close() })
	const instances = 1000
	data := bytes.Repeat([]byte("0123456789abcdef"), 32)
	name := func(n int) routing.Key {
		return routing.Key{Instance: routing.InstanceID("instance-" + strconv.Itoa(n))}
	}
	for n := range instances {
		if _, _, err := store.Swap(b.Context(), routing.Change{
			Key: name(n), Instance: &routing.Write{Data: data},
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Read", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if snapshot, err := store.Read(b.Context(), name(n%instances)); err != nil || snapshot.Instance == nil {
				b.Fatal(snapshot, err)
			}
		}
	})
	b.Run("ReadParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for n := 0; pb.Next(); n++ {
				if _, err := store.Read(b.Context(), name(n%instances)); err != nil {
					b.Error(err)
				}
			}
		})
	})
	var callers atomic.Int64
	swaps := func(b *testing.B, key routing.Key, more func() bool) {
		held, err := store.Read(b.Context(), key)
		for n := 0; err == nil && more(); n++ {
			next := append(bytes.Clone(data), byte(n))
			change := routing.Change{
				Key: key, Old: held, Instance: &routing.Write{Data: next, Unfinished: n%2 == 0},
			}
			if key.Binding != "" {
				change.Binding = change.Instance
			}
			held, _, err = store.Swap(b.Context(), change)
		}
		if err != nil {
			b.Error(err)
		}
	}
	b.Run("Swap", func(b *testing.B) {
		b.ReportAllocs()
		swaps(b, name(0), b.Loop)
	})
	b.Run("SwapWithBinding", func(b *testing.B) {
		b.ReportAllocs()
		swaps(b, routing.Key{Instance: "with-binding", Binding: "b"}, b.Loop)
	})
	b.Run("SwapParallel", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			swaps(b, routing.Key{Instance: routing.InstanceID("caller-" + strconv.FormatInt(callers.Add(1), 10))}, pb.Next)
		})
	})
}
