package redisstore_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// Each mistake of a configuration with sentinels gets an error that says what to do.
func TestSentinelTrouble(t *testing.T) {
	t.Parallel()
	plain := redistest.SharedSentinel(t)
	guarded := redistest.StartSentinel(t, redistest.Password("other"), redistest.SentinelPassword("another"),
		redistest.SentinelSetting("sentinel down-after-milliseconds osb 60000"))
	tests := []struct {
		name   string
		config redisstore.Config
		want   string
	}{
		{
			"wrong name of the master",
			redisstore.Config{Addresses: plain.Addresses(), SentinelMaster: "nobody"},
			`the sentinels know no master of the name "nobody"; correct sentinel_master`,
		},
		{
			"wrong password of the sentinels",
			redisstore.Config{Addresses: guarded.Addresses(), SentinelPassword: secret, Password: "other"},
			"correct sentinel_username and sentinel_password",
		},
		{
			"no password for the sentinels",
			redisstore.Config{Addresses: guarded.Addresses(), Password: "other"},
			"correct sentinel_username and sentinel_password",
		},
		{
			"wrong password of the servers",
			redisstore.Config{Addresses: guarded.Addresses(), SentinelPassword: "another", Password: secret},
			"wrong username or password",
		},
		{
			"no password for the servers",
			redisstore.Config{Addresses: guarded.Addresses(), SentinelPassword: "another"},
			"the server wants a password",
		},
		{
			"wrong db",
			redisstore.Config{Addresses: plain.Addresses(), DB: 99},
			"no database of that number",
		},
		{
			"nobody there",
			redisstore.Config{Addresses: []string{"127.0.0.1:1", "127.0.0.1:2"}},
			"none of the 2 sentinels can be reached",
		},
		{
			"servers for sentinels",
			redisstore.Config{Addresses: []string{redistest.Shared(t).Addr}},
			"are these sentinels?",
		},
		{
			"sentinels for a server",
			redisstore.Config{Addresses: plain.Addresses()[:1], SentinelMaster: "-"},
			"unknown command",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.config.Timeout = patience
			switch test.config.SentinelMaster {
			case "":
				test.config.SentinelMaster = redistest.MasterName
			case "-":
				test.config.SentinelMaster = ""
			}
			store := open(t, test.config)
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			wantError(t, err, test.want)
			storetest.WantUnavailable(t.Context(), t, store)
		})
	}
	t.Run("right passwords", func(t *testing.T) {
		t.Parallel()
		store := open(t, redisstore.Config{
			Addresses: guarded.Addresses(), SentinelMaster: redistest.MasterName, SentinelPassword: "another",
			Password: "other", Timeout: patience,
		})
		swap(t, store, beforeSend("i", routing.Snapshot{}, "x"))
	})
}

// As long as the majority answers, a sentinel that is dead or hangs is not noticed, and that majority is believed.
func TestSentinelMinority(t *testing.T) {
	t.Parallel()
	here, gone := redistest.Start(t), redistest.Start(t)
	dead := "127.0.0.1:1"
	hanging := serve(t, func(connection net.Conn) { _, _ = io.Copy(io.Discard, connection) })
	right, stale := sentinelThatNames(t, here.Addr), sentinelThatNames(t, gone.Addr)
	tests := []struct {
		name      string
		addresses []string
		want      string
	}{
		{"all agree", []string{right, sentinelThatNames(t, here.Addr), sentinelThatNames(t, here.Addr)}, ""},
		{"one is dead", []string{dead, right, sentinelThatNames(t, here.Addr)}, ""},
		{"one hangs", []string{hanging, right, sentinelThatNames(t, here.Addr)}, ""},
		{"one is stale", []string{stale, right, sentinelThatNames(t, here.Addr)}, ""},
		{"one is left", []string{"127.0.0.1:1", "127.0.0.1:2", right}, ""},
		{"two disagree", []string{dead, stale, right}, "the sentinels name different masters"},
		{"nobody knows", []string{dead, sentinelThatNames(t, "")}, "know no master"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, redisstore.Config{
				Addresses: test.addresses, SentinelMaster: "m", KeyPrefix: newPrefix(), Timeout: patience, WaitReplicas: new(0),
			})
			if test.want != "" {
				_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
				wantError(t, err, test.want)
				return
			}
			swap(t, store, beforeSend("i", routing.Snapshot{}, "x"))
			if got := gone.Client().DBSize(t.Context()).Val(); got != 0 {
				t.Error("the store wrote to the server that one sentinel names")
			}
		})
	}
}

// sentinelThatNames answers as a sentinel that knows one master, or none.
func sentinelThatNames(t *testing.T, master string) (address string) {
	t.Helper()
	named := &atomic.Value{}
	named.Store(master)
	return sentinelOf(t, named)
}

func sentinelOf(t *testing.T, master *atomic.Value) (address string) {
	t.Helper()
	return serve(t, func(connection net.Conn) {
		commands := bufio.NewReader(connection)
		for {
			command, err := readCommand(commands)
			if err != nil {
				return
			}
			answer := "-ERR unknown command\r\n"
			if strings.EqualFold(command, "sentinel") {
				answer = "*-1\r\n"
				if host, port, err := net.SplitHostPort(master.Load().(string)); err == nil {
					answer = fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
				}
			}
			if _, err := io.WriteString(connection, answer); err != nil {
				return
			}
		}
	})
}

// A master that is cut off from the sentinels still takes itself for one, and still answers: from the past. The store
// leaves it as soon as the sentinels name another, though nothing fails.
func TestPartitionedMasterIsLeft(t *testing.T) {
	t.Parallel()
	old, next := redistest.Start(t), redistest.Start(t)
	master := &atomic.Value{}
	master.Store(old.Addr)
	var addresses []string
	for range 3 {
		addresses = append(addresses, sentinelOf(t, master))
	}
	config := redisstore.Config{
		Addresses: addresses, SentinelMaster: "m", KeyPrefix: "p", Gateway: "g", Timeout: patience, WaitReplicas: new(0),
	}
	store := open(t, config)
	swap(t, store, beforeSend("i", routing.Snapshot{}, "old"))
	err := next.Client().Set(t.Context(), instanceKey("p", routing.Key{Instance: "i"}), "new", 0).Err()
	if err != nil {
		t.Fatal(err)
	}
	master.Store(next.Addr)
	eventually(t, "the store speaks to the new master", func() bool {
		snapshot, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		return !isUnavailable(t, err) && string(snapshot.Instance) == "new"
	})
	// And not to the old one.
	for range 20 {
		wantInstance(t, store, "i", "new")
	}
}

// The sentinels name a server that is a replica, as they do in the middle of a failover.
func TestSentinelsNameAReplica(t *testing.T) {
	t.Parallel()
	servers := redistest.SharedSentinel(t)
	store := open(t, redisstore.Config{
		Addresses:      []string{sentinelThatNames(t, servers.Servers[1].Addr)},
		SentinelMaster: "m", Timeout: patience,
	})
	_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
	wantError(t, err, "the server is a replica")
	storetest.WantUnavailable(t.Context(), t, store)
}

// The sentinels are only needed to find the master.
func TestSentinelsAreDown(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinel(t)
	config := throughSentinels(servers)
	store := open(t, config)
	held := swap(t, store, beforeSend("i", routing.Snapshot{}, "1"))
	for _, one := range servers.Sentinels {
		one.Kill(t)
	}
	swap(t, store, beforeSend("i", held, "2"))

	newcomer := open(t, config)
	_, err := newcomer.Read(t.Context(), routing.Key{Instance: "i"})
	wantError(t, err, "none of the 3 sentinels can be reached")
	for _, one := range servers.Sentinels[1:] {
		one.Restart(t)
	}
	eventually(t, "a new connection is made again", func() bool {
		snapshot, err := newcomer.Read(t.Context(), routing.Key{Instance: "i"})
		return !isUnavailable(t, err) && string(snapshot.Instance) == "2"
	})
}

// The master hangs with all its connections, and one of the sentinels with it, as when their machine loses its power.
func TestMachineOfMasterAndSentinelIsGone(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinel(t)
	config := throughSentinels(servers)
	config.Timeout = shortTimeout
	store := open(t, config)
	held := swapEventually(t, store, beforeSend("i", routing.Snapshot{}, "1"))
	servers.AwaitReplica(t)
	master := servers.Master(t)
	master.Freeze(t)
	servers.Sentinels[0].Freeze(t)
	eventually(t, "a call fails", func() bool {
		_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		return isUnavailable(t, err)
	})
	eventually(t, "the record is read from the other server", func() bool {
		snapshot, err := store.Read(t.Context(), routing.Key{Instance: "i"})
		return !isUnavailable(t, err) && string(snapshot.Instance) == "1"
	})
	master.Thaw(t)
	servers.Sentinels[0].Thaw(t)
	servers.AwaitReplica(t)
	swapEventually(t, store, beforeSend("i", held, "2"))
}

// A closed store looks after nothing any more.
func TestClosedStoreOfSentinels(t *testing.T) {
	t.Parallel()
	store, err := redisstore.New(throughSentinels(redistest.SharedSentinel(t)))
	if err != nil {
		t.Fatal(err)
	}
	wantInstance(t, store, "i", "")
	for range 2 {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = store.Read(t.Context(), routing.Key{Instance: "i"})
	if !errors.Is(err, routing.ErrUnavailable) {
		t.Errorf("got %v, want an error that matches ErrUnavailable", err)
	}
}
