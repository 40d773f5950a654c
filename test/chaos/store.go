package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

const keyPrefix = "chaos"

// store is the Redis of a run.
type store interface {
	// block is the configuration of it for one gateway; -1 stands for one that no trouble reaches.
	block(gateway int) string
	// links are what leads from a gateway to a part of the store.
	links(gateway int, part Part) []*Link
	// kill ends the master, or what the step's detail names, and starts it again after the step's length. It returns when
	// everything is as before.
	kill(t testing.TB, step Step)
	// dropSubscriptions closes the connections of pub/sub.
	dropSubscriptions()
	// records returns what the store holds, by its keys.
	records(t testing.TB) map[string]string
}

func startStore(t testing.TB, single bool) store {
	t.Helper()
	if single {
		return startSingleRedis(t)
	}
	return startSentinelRedis(t)
}

// singleRedis is one server.
type singleRedis struct {
	server   *redistest.Server
	gateways []*Link
}

func startSingleRedis(t testing.TB) *singleRedis {
	t.Helper()
	s := &singleRedis{server: redistest.Start(t)}
	for range gatewayCount {
		s.gateways = append(s.gateways, startLink(t, s.server.Addr))
	}
	return s
}

func startLink(t testing.TB, target string) *Link {
	t.Helper()
	link, err := NewLink(harness.ReservePort(t), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return link
}

func (s *singleRedis) block(gateway int) string {
	address := s.server.Addr
	if gateway >= 0 {
		address = s.gateways[gateway].Address()
	}
	return fmt.Sprintf("store redis {\n\taddress %s\n\tkey_prefix %s\n}\n", address, keyPrefix)
}

func (s *singleRedis) links(gateway int, _ Part) []*Link { return s.gateways[gateway : gateway+1] }

func (s *singleRedis) kill(t testing.TB, step Step) {
	t.Helper()
	s.server.Kill(t)
	<-time.After(step.Length)
	s.server.Restart(t)
}

func (s *singleRedis) dropSubscriptions() { dropSubscriptions(s.server) }

func (s *singleRedis) records(t testing.TB) map[string]string { return readRecords(t, s.server) }

// dropSubscriptions does nothing to a server that is away.
func dropSubscriptions(server *redistest.Server) {
	ctx, cancel := timeLimit()
	defer cancel()
	_ = server.Client().Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err()
}

// readRecords reads all records of a server.
func readRecords(t testing.TB, server *redistest.Server) map[string]string {
	t.Helper()
	ctx, cancel := timeLimit()
	defer cancel()
	keys, err := server.Client().Keys(ctx, keyPrefix+":*").Result()
	if err != nil {
		t.Errorf("reading the records: %v", err)
	}
	records := make(map[string]string)
	for _, key := range keys {
		if strings.Contains(key, "}:instance:") || strings.Contains(key, "}:binding:") {
			records[key] = server.Client().Get(ctx, key).Val()
		}
	}
	return records
}
