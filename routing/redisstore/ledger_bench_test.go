package redisstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// ledgerConfig knows one backend and one platform.
type ledgerConfig struct{}

func (ledgerConfig) Window(backend routing.BackendID) (routing.Window, bool) {
	return routing.Window{Timeout: time.Minute, Settle: time.Minute}, backend == "a"
}

func (ledgerConfig) Platform(platform routing.PlatformID) (routing.PlatformID, bool) {
	return platform, platform == "p"
}

func (ledgerConfig) Suspect(routing.BackendID) bool { return false }

func ledgerCall(kind routing.Kind, n int) *routing.Call {
	token := fmt.Sprint(kind, n)
	return &routing.Call{
		Token: token, Life: "life-" + token, Kind: kind, Key: routing.Key{Instance: routing.InstanceID(fmt.Sprint("instance-", n))},
		Platform: "p", Service: "s", Plan: "n", Hint: routing.Hint{Backend: "a"}, Offer: routing.Offer{Backend: "a"},
	}
}

// BenchmarkPoll measures what the ledger takes for polls that end nothing, one after another and many at a time, with
// the records cached and not.
func BenchmarkPoll(b *testing.B) {
	const instances = 1000
	for _, row := range []struct {
		name    string
		entries int
	}{{"cached", 0}, {"uncached", -1}} {
		ledger := routing.NewLedger(openShared(b), routing.LedgerOptions{CacheEntries: row.entries})
		b.Cleanup(func() { _ = ledger.Shutdown(context.Background()) })
		ledger.Watch()
		poll := func(n int) error {
			entry, err := ledger.Begin(b.Context(), ledgerCall(routing.KindPoll, n%instances), ledgerConfig{})
			if err == nil {
				_, err = ledger.Close(b.Context(), entry, routing.Outcome{Class: routing.ClassOther})
			}
			return err
		}
		for n := range instances {
			entry, err := ledger.Begin(b.Context(), ledgerCall(routing.KindCreate, n), ledgerConfig{})
			if err == nil {
				_, err = ledger.Close(b.Context(), entry, routing.Outcome{Class: routing.ClassAccepted, Delivered: true})
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		// What is told of the writes may be late.
		for deadline := time.Now().Add(patience); row.entries >= 0 && ledger.CacheStatus().Entries < instances; {
			for n := range instances {
				if err := poll(n); err != nil || time.Now().After(deadline) {
					b.Fatalf("%+v, %v", ledger.CacheStatus(), err)
				}
			}
		}
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := poll(n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(row.name+"Parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					if err := poll(n); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
