package routing_test

import (
	"strconv"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// BenchmarkLedger is what the protocol costs a call beside its store: a poll of a record that is cached, and the create
// and delete of an instance. A platform that knows all by the backends' own ids pays for no other.
func BenchmarkLedger(b *testing.B) {
	for name, edit := range map[string]callEdit{"own ids": func(*routing.Call) {}, "other ids": spelled} {
		b.Run(name, func(b *testing.B) {
			ledger := routing.NewLedger(routing.NewMemoryStore(), routing.LedgerOptions{})
			ledger.Watch()
			run := func(call *routing.Call, outcome routing.Outcome) {
				entry, err := ledger.Begin(b.Context(), call, testConfig{})
				if err == nil {
					_, err = ledger.Close(b.Context(), entry, outcome)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			create, remove, poll := createOnInstance(edit), deleteInstance(edit), pollInstance(edit)
			create.Token, remove.Token = "create", "remove"
			b.Run("create and delete", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					create.Key.Instance = routing.InstanceID(strconv.Itoa(i))
					remove.Key = create.Key
					run(create, outcomeDone)
					run(remove, outcomeDone)
				}
			})
			b.Run("poll", func(b *testing.B) {
				create.Token, create.Key = "again", onInstance
				run(create, acceptedAs("o"))
				b.ReportAllocs()
				for b.Loop() {
					run(poll, outcomeInProgress)
				}
				if ledger.CacheStatus().Hits == 0 {
					b.Error("nothing was cached")
				}
			})
			_ = ledger.Shutdown(b.Context())
		})
	}
}
