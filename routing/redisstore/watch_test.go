package redisstore_test

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// awaitReady waits until the store tells of changes, for the given time since it was opened.
func awaitReady(t *testing.T, events *storetest.Events, times int) {
	t.Helper()
	eventually(t, "the store tells of changes", func() bool {
		ready, got := events.IsReady()
		return ready && got >= times
	})
}

// awaitLoss waits until the listener was told for the given time that changes may get lost, and checks why.
func awaitLoss(t *testing.T, events *storetest.Events, times int, want string) {
	t.Helper()
	eventually(t, "the store says that it does not tell of changes", func() bool { return len(events.Losses()) >= times })
	wantError(t, events.Losses()[times-1], want)
}

// wantHeard changes an instance and waits until that is told of.
func wantHeard(t *testing.T, store routing.Store, events *storetest.Events, id routing.InstanceID) {
	t.Helper()
	heard := len(events.Changes())
	key := routing.Key{Instance: id}
	var held routing.Snapshot
	eventually(t, "the store works", func() bool {
		var err error
		held, err = store.Read(t.Context(), key)
		return err == nil
	})
	swap(t, store, routing.Change{Key: key, Old: held, Instance: write("changed " + string(held.Instance))})
	eventually(t, "a change is told of", func() bool { return len(events.Changes()) > heard })
	if got := events.Changes()[heard:]; len(got) != 1 || got[0] != key {
		t.Errorf("got %q, want one change of %q", got, key)
	}
}

func TestSubscriptionThatIsCut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	events := storetest.Watch(t, store)
	for round := 1; round <= 3; round++ {
		awaitReady(t, events, round)
		wantHeard(t, store, events, "i")
		killed, err := server.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Result()
		if err != nil || killed != 1 {
			t.Fatalf("killed %d subscriptions, %v, want one", killed, err)
		}
		awaitLoss(t, events, round, "connection to the server was cut")
	}
	awaitReady(t, events, 4)
	wantHeard(t, store, events, "i")
}

func TestWatchOverRestarts(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	events := storetest.Watch(t, store)
	for n, end := range []func(testing.TB){server.Stop, server.Kill} {
		awaitReady(t, events, n+1)
		wantHeard(t, store, events, "i")
		end(t)
		awaitLoss(t, events, n+1, "")
		if ready, _ := events.IsReady(); ready {
			t.Error("a server that is down is told to be ready")
		}
		server.Restart(t)
	}
	awaitReady(t, events, 3)
	wantHeard(t, store, events, "i")
	// An outage is told of once, however often it was tried in vain.
	if losses := events.Losses(); len(losses) != 2 {
		t.Errorf("got %d losses, want 2: %v", len(losses), losses)
	}
}

// A watch may begin before the server does.
func TestWatchOfAServerThatIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	events := storetest.Watch(t, store)
	awaitLoss(t, events, 1, "the server cannot be reached")
	server.Restart(t)
	awaitReady(t, events, 1)
	wantHeard(t, store, events, "i")
}

// The connection of the subscription stays open, and nothing comes any more.
func TestSubscriptionThatGoesSilent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	line := newLine(t, server.Addr)
	store := open(t, redisstore.Config{Addresses: []string{line.address}, Timeout: patience})
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	wantHeard(t, store, events, "i")
	line.silence(func(isSubscription bool) bool { return isSubscription })
	awaitLoss(t, events, 1, "a heartbeat did not come back within 2s")
	awaitReady(t, events, 2)
	wantHeard(t, store, events, "i")
}

// All connections go silent, as when a machine is unplugged.
func TestServerThatGoesSilent(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	line := newLine(t, server.Addr)
	store := open(t, redisstore.Config{Addresses: []string{line.address}, Timeout: patience})
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	line.silence(func(bool) bool { return true })
	awaitLoss(t, events, 1, "did not")
	awaitReady(t, events, 2)
	wantHeard(t, store, events, "i")
}

// After a failover the subscription hangs on the former master, which is well, and hears of nothing that happens at the
// new one.
func TestSubscriptionAtAFormerMaster(t *testing.T) {
	t.Parallel()
	former, present := redistest.Start(t), redistest.Start(t)
	line := newLine(t, former.Addr)
	store := open(t, redisstore.Config{Addresses: []string{line.address}, Timeout: patience})
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	wantHeard(t, store, events, "i")
	line.redirect(present.Addr)
	if err := former.Client().ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	awaitLoss(t, events, 1, "heartbeat")
	awaitReady(t, events, 2)
	wantHeard(t, store, events, "i")
	if got := present.Client().PubSubNumSub(t.Context(), "osb:default:changes").Val()["osb:default:changes"]; got != 1 {
		t.Errorf("the present master has %d subscriptions, want one", got)
	}
}

// A message that says nothing may stand for a change.
func TestMessagesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	for _, message := range []string{
		"", " ", "x", "instance:a instance:", "instance:a  instance:b", "instance:a:b", "binding:a", "binding:a:",
		"instance:%41", "instance:a x", "Heartbeat:1", "instance:a\n",
		"document:", "document:a", "document:a:", "document:a:0", "document:a:01", "document:a:+1", "document:a:-1",
		"document:a:1 instance:a", "document:%41:1", "document:a:1:2", "document:a:18446744073709551616", "document:a/b:1",
	} {
		store := openShared(t)
		events := storetest.Watch(t, store)
		awaitReady(t, events, 1)
		if err := server.Client().Publish(t.Context(), store.prefix+":g:changes", message).Err(); err != nil {
			t.Fatal(err)
		}
		// "instance:" names the instance with the empty id.
		if message == "instance:a instance:" {
			eventually(t, "both are told of", func() bool { return len(events.Changes()) == 2 })
			continue
		}
		awaitLoss(t, events, 1, "another program")
		if got := events.Changes(); len(got) != 0 {
			t.Errorf("%q is taken for changes of %q", message, got)
		}
		awaitReady(t, events, 2)
		wantHeard(t, store, events, "i")
	}
}

// Heartbeats of others, of whatever version, are neither changes nor one's own.
func TestHeartbeatsOfOthers(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	store := openShared(t)
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	for _, message := range []string{"heartbeat:", "heartbeat:x:1", "heartbeat:x:1:127.0.0.1%3A6379", "heartbeat:\xff"} {
		if err := server.Client().Publish(t.Context(), store.prefix+":g:changes", message).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantHeard(t, store, events, "i")
	if losses := events.Losses(); len(losses) != 0 {
		t.Errorf("got losses %v, want none", losses)
	}
}

// A user who may not use the channel cannot watch, nor change anything: others would not hear of it.
func TestWatchWithoutPermission(t *testing.T) {
	t.Parallel()
	const user = "user app on >" + secret + " ~* +@all "
	for name, permissions := range map[string]string{
		"the channel": "resetchannels", "publish": "&* -publish", "subscribe": "&* -subscribe",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.Setting(user+permissions))
			store := open(t, redisstore.Config{
				Addresses: []string{server.Addr}, Username: "app", Password: secret, Timeout: patience,
			})
			events := storetest.Watch(t, store)
			awaitLoss(t, events, 1, "the user of the store lacks a permission")
			_, swapped, err := store.Swap(t.Context(), routing.Change{
				Key: routing.Key{Instance: "i"}, Instance: write("x"),
			})
			if name == "subscribe" {
				if !swapped || err != nil {
					t.Errorf("got %t, %v, want it to be made: others hear of it", swapped, err)
				}
				return
			}
			wantError(t, err, "the user of the store lacks a permission")
			wantError(t, err, "channels")
			if found := server.Client().DBSize(t.Context()).Val(); swapped || found != 0 {
				t.Errorf("got %t, and %d keys, want nothing to be written", swapped, found)
			}
		})
	}
}

// What Redis does about a client that does not read is to cut its connection. A server that does that to all is not
// taken for one that has nothing to tell.
func TestServerThatCutsSubscriptions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Setting("client-output-buffer-limit pubsub 64kb 64kb 1"))
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	large := "instance:" + strings.Repeat("a", 1<<20)
	if err := server.Client().Publish(t.Context(), "osb:default:changes", large).Err(); err != nil {
		t.Fatal(err)
	}
	awaitLoss(t, events, 1, "cut")
	awaitReady(t, events, 2)
	wantHeard(t, store, events, "i")
}

// The channel of a gateway is not that of another.
func TestChannelsDoNotMix(t *testing.T) {
	t.Parallel()
	prefix := newPrefix()
	var stores []*redisstore.Store
	var events []*storetest.Events
	for _, gateway := range []string{"a", "b", "a:b", "*", "{a}"} {
		store := open(t, redisstore.Config{
			Addresses: []string{redistest.Shared(t).Addr}, KeyPrefix: prefix, Gateway: gateway, Timeout: patience,
		})
		stores, events = append(stores, store), append(events, storetest.Watch(t, store))
	}
	for n, store := range stores {
		awaitReady(t, events[n], 1)
		wantHeard(t, store, events[n], routing.InstanceID(strconv.Itoa(n)))
	}
	for n := range stores {
		want := routing.Key{Instance: routing.InstanceID(strconv.Itoa(n))}
		if got := events[n].Changes(); len(got) != 1 || got[0] != want {
			t.Errorf("watch %d heard of %q, want only its own change", n, got)
		}
	}
}

func TestWatchOverAFailoverOfSentinels(t *testing.T) {
	t.Parallel()
	servers := redistest.StartSentinel(t)
	config := throughSentinels(servers)
	store := open(t, config)
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	wantHeard(t, store, events, "i")
	old := servers.Master(t)
	old.Kill(t)
	awaitLoss(t, events, 1, "")
	present := servers.AwaitFailover(t, old)
	awaitReady(t, events, 2)
	wantHeard(t, store, events, "i")
	channel := config.KeyPrefix + ":g:changes"
	if got := present.Client().PubSubNumSub(t.Context(), channel).Val()[channel]; got != 1 {
		t.Errorf("the present master has %d subscriptions, want one", got)
	}
}

// Whichever master of a cluster is lost, also one that the subscription is not at: what it told of last may be lost.
func TestWatchOverFailoversOfACluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t)
	config := onCluster(servers)
	store := open(t, config)
	events := storetest.Watch(t, store)
	awaitReady(t, events, 1)
	channel := config.KeyPrefix + ":g:changes"
	subscribed := func(server *redistest.Server) bool {
		return server.Client().PubSubNumSub(t.Context(), channel).Val()[channel] > 0
	}
	var at, elsewhere *redistest.Server
	for n := 0; at == nil || elsewhere == nil; n++ {
		master := servers.Master(t, setKey(config.KeyPrefix, routing.InstanceID(strconv.Itoa(n)), "ids"))
		if subscribed(master) {
			at = master
		} else {
			elsewhere = master
		}
	}
	for n, server := range []*redistest.Server{elsewhere, at} {
		server.Kill(t)
		awaitLoss(t, events, n+1, "")
		awaitReady(t, events, n+2)
		for id := range 20 {
			wantHeard(t, store, events, routing.InstanceID(strconv.Itoa(id)))
		}
	}
}

// line passes connections on to a server, and can fall silent.
type line struct {
	address string

	mu          sync.Mutex
	target      string
	connections []*lineConnection
}

// lineConnection is one connection of a line.
type lineConnection struct {
	over                   <-chan struct{}
	mu                     sync.Mutex
	isSubscription, silent bool
}

func newLine(t *testing.T, target string) *line {
	t.Helper()
	l := &line{target: target}
	l.address = serve(t, func(client net.Conn) {
		l.mu.Lock()
		target := l.target
		connection := &lineConnection{over: t.Context().Done()}
		l.connections = append(l.connections, connection)
		l.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() {
			connection.pass(server, client)
			_ = server.Close()
		}()
		connection.pass(client, server)
	})
	return l
}

// pass copies until the connection is closed. While it is silent it keeps what comes to itself, the end too.
func (c *lineConnection) pass(to io.Writer, from io.Reader) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		c.isSubscription = c.isSubscription || bytes.Contains(buffer[:n], []byte("subscribe"))
		silent := c.silent
		c.mu.Unlock()
		if err != nil {
			if silent {
				<-c.over
			}
			return
		}
		if silent {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// silence has the present connections that are chosen swallow everything, both ways. Later ones are passed on.
func (l *line) silence(choose func(isSubscription bool) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, connection := range l.connections {
		connection.mu.Lock()
		connection.silent = choose(connection.isSubscription)
		connection.mu.Unlock()
	}
}

// redirect has later connections lead to another server.
func (l *line) redirect(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = target
}
