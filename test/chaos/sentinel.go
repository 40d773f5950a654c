package chaos

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
)

// hasty is how short a server must be away for nobody to wait for a failover: the sentinels may or may not notice.
const hasty = 800 * time.Millisecond

// sentinelRedis is a master, a replica and three sentinels. Each gateway has links of its own to all five, and is told
// of the servers by the addresses of these links.
type sentinelRedis struct {
	*redistest.Sentinel

	gateways [][]*Link
}

func startSentinelRedis(t testing.TB) *sentinelRedis {
	t.Helper()
	// A master without its replica refuses writes, so that none is lost when the replica takes over.
	s := &sentinelRedis{Sentinel: redistest.StartSentinel(t,
		redistest.Setting("min-replicas-to-write 1"), redistest.Setting("min-replicas-max-lag 2"))}
	for range gatewayCount {
		s.gateways = append(s.gateways, s.startLinks(t))
	}
	return s
}

// startLinks returns links to the servers and the sentinels, in this order.
func (s *sentinelRedis) startLinks(t testing.TB) []*Link {
	t.Helper()
	var links []*Link
	var ports []string
	for _, server := range s.Servers {
		link := startLink(t, server.Addr)
		links = append(links, link)
		ports = append(ports, bulk(server.Addr), bulk(link.Address()))
	}
	renamed := strings.NewReplacer(ports...)
	for _, sentinel := range s.Sentinels {
		link := startLink(t, sentinel.Addr)
		link.rewriteDown = renamed
		links = append(links, link)
	}
	return links
}

// bulk is how a sentinel writes the port of an address: as a string of Redis's protocol, its length before it.
func bulk(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("$%d\r\n%s\r\n", len(port), port)
}

func (s *sentinelRedis) block(gateway int) string {
	addresses := s.Addresses()
	if gateway >= 0 {
		addresses = nil
		for _, link := range s.gateways[gateway][len(s.Servers):] {
			addresses = append(addresses, link.Address())
		}
	}
	return fmt.Sprintf("store redis {\n\taddress %s\n\tsentinel_master %s\n\tkey_prefix %s\n\twait_replicas 1\n}\n",
		strings.Join(addresses, " "), redistest.MasterName, keyPrefix)
}

func (s *sentinelRedis) links(gateway int, part Part) []*Link {
	links := s.gateways[gateway]
	switch part {
	case FirstServer:
		return links[:1]
	case SecondServer:
		return links[1:2]
	case Sentinels:
		return links[len(s.Servers):]
	default:
		return links
	}
}

// kill ends the master or the replica. It waits for a failover where there must be one, and in the end for a replica:
// without it no write is accepted, and no failover is possible.
func (s *sentinelRedis) kill(t testing.TB, step Step) {
	t.Helper()
	server := s.Master(t)
	failover := step.Detail != replica && step.Length > hasty
	if step.Detail == replica {
		server = s.Replica(t)
	}
	server.Kill(t)
	<-time.After(step.Length)
	if failover {
		s.AwaitFailover(t, server)
	}
	server.Restart(t)
	s.AwaitReplica(t)
}

func (s *sentinelRedis) dropSubscriptions() {
	for _, server := range s.Servers {
		dropSubscriptions(server)
	}
}

func (s *sentinelRedis) records(t testing.TB) map[string]string { return readRecords(t, s.Master(t)) }
