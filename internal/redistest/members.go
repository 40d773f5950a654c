package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	clusterMasters = 3
	clusterMembers = 2 * clusterMasters
	clusterSlots   = 16384
)

// Cluster is a Redis Cluster of three masters with a replica each. A replica takes over when its master did not answer
// for a second.
type Cluster struct {
	// Members are the six servers. The first three are the masters at the beginning, and the fourth is the replica of
	// the first, and so on.
	Members []*Server
}

// StartCluster starts the six processes for one test and ends them with it. They agree on everything when it returns.
func StartCluster(t testing.TB, options ...Option) *Cluster {
	t.Helper()
	c, err := startCluster(t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func startCluster(folder string, options ...Option) (*Cluster, error) {
	each := make([][]Option, clusterMembers)
	for n := range each {
		each[n] = append([]Option{startAs(member), Setting("cluster-node-timeout 1000")}, options...)
	}
	members, err := startAll(folder, each...)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Members: members}
	if err := c.join(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) close() { closeAll(c.Members) }

// Addresses are those of all members.
func (c *Cluster) Addresses() []string { return addresses(c.Members) }

// join makes one cluster of servers that know nothing of each other.
func (c *Cluster) join() error {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	for n, one := range c.Members {
		// Two that begin with the same epoch have to find out first who gives way.
		if err := one.client.Do(ctx, "cluster", "set-config-epoch", n+1).Err(); err != nil {
			return fmt.Errorf("setting the epoch of %s: %w", one.Addr, err)
		}
		if n < clusterMasters {
			first, last := n*clusterSlots/clusterMasters, (n+1)*clusterSlots/clusterMasters-1
			if err := one.client.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
				return fmt.Errorf("giving slots to %s: %w", one.Addr, err)
			}
		}
		for _, other := range c.Members[:n] {
			if err := one.client.Do(ctx, "cluster", "meet", "127.0.0.1", other.port, other.bus).Err(); err != nil {
				return fmt.Errorf("having %s meet %s: %w", one.Addr, other.Addr, err)
			}
		}
	}
	for n, one := range c.Members[clusterMasters:] {
		master, err := c.Members[n].client.ClusterMyID(ctx).Result()
		if err != nil {
			return fmt.Errorf("asking %s for its id: %w", c.Members[n].Addr, err)
		}
		err = agree(func(ctx context.Context) error { return one.client.ClusterReplicate(ctx, master).Err() })
		if err != nil {
			return fmt.Errorf("making %s a replica: %w", one.Addr, err)
		}
	}
	return agree(c.settled)
}

// Master returns the member that serves a key.
func (c *Cluster) Master(t testing.TB, key string) *Server {
	t.Helper()
	var master *Server
	await(t, func(ctx context.Context) (err error) {
		master, err = c.master(ctx, key)
		return err
	})
	return master
}

func (c *Cluster) master(ctx context.Context, key string) (*Server, error) {
	view, err := c.view(ctx)
	if err != nil {
		return nil, err
	}
	slot, err := view[0].server.client.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		return nil, fmt.Errorf("asking %s for a slot: %w", view[0].server.Addr, err)
	}
	for _, seen := range view {
		if slices.ContainsFunc(seen.slots, func(r slotRange) bool { return r.first <= int(slot) && int(slot) <= r.last }) {
			return seen.server, nil
		}
	}
	return nil, fmt.Errorf("nobody serves slot %d", slot)
}

// AwaitFailover waits until another member than old serves the key, and returns it. It may have no replica then.
func (c *Cluster) AwaitFailover(t testing.TB, key string, old *Server) *Server {
	t.Helper()
	var master *Server
	await(t, func(ctx context.Context) (err error) {
		if master, err = c.master(ctx, key); err == nil && master == old {
			err = fmt.Errorf("%s still serves the key", old.Addr)
		}
		return err
	})
	return master
}

// Replica returns the running replica of a master.
func (c *Cluster) Replica(t testing.TB, master *Server) *Server {
	t.Helper()
	var replica *Server
	await(t, func(ctx context.Context) error {
		view, err := c.view(ctx)
		if err != nil {
			return err
		}
		for _, seen := range view {
			if seen.master == master.Addr {
				replica = seen.server
				return nil
			}
		}
		return fmt.Errorf("the master %s has no replica", master.Addr)
	})
	return replica
}

// AwaitWorking waits until all running members see a cluster that serves all keys.
func (c *Cluster) AwaitWorking(t testing.TB) {
	t.Helper()
	await(t, c.working)
}

// AwaitReplicas waits until, besides, each master has a replica: a failover of any of them would succeed.
func (c *Cluster) AwaitReplicas(t testing.TB) {
	t.Helper()
	await(t, c.settled)
}

// working tells what is missing until all running members see the same cluster, and it serves all keys.
func (c *Cluster) working(ctx context.Context) error {
	_, err := c.view(ctx)
	return err
}

// settled tells what is missing until, besides, each master has a replica that follows it.
func (c *Cluster) settled(ctx context.Context) error {
	view, err := c.view(ctx)
	if err != nil {
		return err
	}
	if len(view) != len(running(c.Members)) {
		return fmt.Errorf("%d members see each other, but %d run", len(view), len(running(c.Members)))
	}
	for _, seen := range view {
		if seen.master != "" || len(seen.slots) == 0 {
			continue
		}
		if err := seen.server.hasReplica(ctx); err != nil {
			return err
		}
	}
	return nil
}

// seen is what members know of a running one.
type seen struct {
	server *Server
	// master is the address of the one whose replica it is; empty for a master.
	master string
	slots  []slotRange
}

type slotRange struct{ first, last int }

// view is what all running members agree on. It is an error if they do not, or if the cluster does not serve all slots.
func (c *Cluster) view(ctx context.Context) ([]seen, error) {
	var agreed []seen
	for _, one := range running(c.Members) {
		info, err := one.client.ClusterInfo(ctx).Result()
		if err != nil {
			return nil, fmt.Errorf("asking %s about the cluster: %w", one.Addr, err)
		}
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
			return nil, fmt.Errorf("%s says that the cluster is not ready: %s", one.Addr, info)
		}
		view, err := c.viewOf(ctx, one)
		if err != nil {
			return nil, err
		}
		if agreed != nil && !slices.EqualFunc(agreed, view, seen.equal) {
			return nil, errors.New("two members see different clusters")
		}
		agreed = view
	}
	if agreed == nil {
		return nil, errors.New("no member runs")
	}
	return agreed, nil
}

func (s seen) equal(other seen) bool {
	return s.server == other.server && s.master == other.master && slices.Equal(s.slots, other.slots)
}

// viewOf reads the answer to CLUSTER NODES, of those members that run.
func (c *Cluster) viewOf(ctx context.Context, one *Server) ([]seen, error) {
	nodes := redis.NewStringCmd(ctx, "cluster", "nodes")
	if err := one.client.Process(ctx, nodes); err != nil {
		return nil, fmt.Errorf("asking %s about the cluster: %w", one.Addr, err)
	}
	const flagsField, masterField, slotsField = 2, 3, 8
	address := map[string]string{}
	var lines [][]string
	for line := range strings.Lines(nodes.Val()) {
		fields := strings.Fields(line)
		if len(fields) < slotsField {
			return nil, fmt.Errorf("%s describes a member as %q", one.Addr, line)
		}
		host, _, _ := strings.Cut(fields[1], "@")
		address[fields[0]] = host
		lines = append(lines, fields)
	}
	var view []seen
	for _, server := range running(c.Members) {
		at := slices.IndexFunc(lines, func(fields []string) bool { return address[fields[0]] == server.Addr })
		if at < 0 {
			return nil, fmt.Errorf("%s does not know %s", one.Addr, server.Addr)
		}
		fields := lines[at]
		flags := strings.Split(fields[flagsField], ",")
		if slices.ContainsFunc([]string{"fail", "fail?", "handshake"}, func(bad string) bool {
			return slices.Contains(flags, bad)
		}) {
			return nil, fmt.Errorf("%s sees %s as %s", one.Addr, server.Addr, fields[flagsField])
		}
		found := seen{server: server, master: address[fields[masterField]]}
		for _, text := range fields[slotsField:] {
			if slots, ok := parseSlots(text); ok {
				found.slots = append(found.slots, slots)
			}
		}
		view = append(view, found)
	}
	return view, nil
}

// parseSlots reads "5" or "0-5460". A slot that is on its way to another member, as in "[5->-...]", is none.
func parseSlots(text string) (slotRange, bool) {
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.Atoi(from)
	if err != nil {
		return slotRange{}, false
	}
	last, err := strconv.Atoi(to)
	return slotRange{first, last}, err == nil
}
