package redisstore_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestRestartedServer(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	held := routing.Snapshot{}
	for n, end := range []func(testing.TB){server.Stop, server.Kill} {
		data := strconv.Itoa(n)
		held = swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Old: held, Instance: write(data)})
		end(t)
		storetest.WantUnavailable(t.Context(), t, store)
		server.Restart(t)
		eventually(t, "the store works again", func() bool {
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			return err == nil
		})
		wantInstance(t, store, "i", data)
	}
}

// Each mistake in the configuration that only the server can see gets an error that says what to do.
func TestServerRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	const user = "user app on >" + secret + " "
	tests := []struct {
		name   string
		server redistest.Option
		config redisstore.Config
		want   string
	}{
		{
			"wrong password", redistest.Password("other"),
			redisstore.Config{Password: secret},
			"wrong username or password",
		},
		{
			"wrong user", redistest.Setting(user + "~* +@all"),
			redisstore.Config{Username: "nobody", Password: secret},
			"wrong username or password",
		},
		{
			"wrong password of a user", redistest.Setting(user + "~* +@all"),
			redisstore.Config{Username: "app", Password: secret + "x"},
			"wrong username or password",
		},
		{
			"no password", redistest.Password("other"),
			redisstore.Config{},
			"the server wants a password",
		},
		{
			"wrong db", redistest.Setting("databases 4"),
			redisstore.Config{DB: 4},
			"no database of that number",
		},
		{
			"no right to the keys", redistest.Setting(user + "~other:* +@all"),
			redisstore.Config{Username: "app", Password: secret},
			"lacks a permission",
		},
		{
			"no right to scripts", redistest.Setting(user + "~* +@all -@scripting -hmget -get -set -time -zrangebylex"),
			redisstore.Config{Username: "app", Password: secret},
			"lacks a permission",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, test.server)
			test.config.Addresses = []string{server.Addr}
			test.config.Timeout = patience
			store := open(t, test.config)
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			wantError(t, err, test.want)
			storetest.WantUnavailable(t.Context(), t, store)
		})
	}
}

// A replica answers reads, from the past.
func TestReplicaIsRefused(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Start(t, redistest.Setting("replicaof "+host+" "+port))
	store := open(t, redisstore.Config{Addresses: []string{replica.Addr}, Timeout: patience})
	_, err = store.Read(t.Context(), routing.Key{Instance: "i"})
	wantError(t, err, "point the store to the master")
	storetest.WantUnavailable(t.Context(), t, store)
}

// A master that becomes a replica under open connections refuses writes; then the connection is given up.
func TestMasterThatBecomesAReplica(t *testing.T) {
	t.Parallel()
	server, master := redistest.Start(t), redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	held := swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Client().Do(t.Context(), "REPLICAOF", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	_, _, err = store.Swap(t.Context(), routing.Change{Key: routing.Key{Instance: "i"}, Old: held, Instance: write("y")})
	wantError(t, err, "point the store to the master")
	storetest.WantUnavailable(t.Context(), t, store)
}

// A server without memory refuses the change as a whole, and answers reads.
func TestServerWithoutMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := open(t, redisstore.Config{Addresses: []string{server.Addr}, Timeout: patience})
	key := routing.Key{Instance: "i", Binding: "b"}
	held := swap(t, store, routing.Change{Key: key, Instance: write("i1"), Binding: write("b1")})
	if err := server.Client().ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	change := routing.Change{
		Key: key, Old: held, Instance: &routing.Write{Data: []byte("i2"), Unfinished: true}, Binding: write("b2"),
	}
	_, _, err := store.Swap(t.Context(), change)
	wantError(t, err, "memory limit")
	snapshot, err := store.Read(t.Context(), key)
	if err != nil || string(snapshot.Instance) != "i1" || string(snapshot.Binding) != "b1" {
		t.Errorf("got %q, %v, want both records as they were", snapshot, err)
	}
	unfinished := "osb:default:{" + strconv.Itoa(int(redisstore.Bucket("i"))) + "}:unfinished"
	if got := server.Client().ZCard(t.Context(), unfinished).Val(); got != 0 {
		t.Errorf("%d records are listed as unfinished, want none", got)
	}
}

// Whichever key holds something else: it is an error, never absence, and nothing is written.
func TestKeysOfAnotherType(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	key := routing.Key{Instance: "i", Binding: "b"}
	names := map[string]func(prefix string) string{
		"instance":   func(prefix string) string { return instanceKey(prefix, key) },
		"binding":    func(prefix string) string { return bindingKey(prefix, key) },
		"ids":        func(prefix string) string { return setKey(prefix, "i", "ids") },
		"expiries":   func(prefix string) string { return setKey(prefix, "i", "expiries") },
		"unfinished": func(prefix string) string { return setKey(prefix, "i", "unfinished") },
		"document":   func(prefix string) string { return prefix + ":g:{documents}:d" },
	}
	for what, name := range names {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			store := openShared(t)
			if err := server.Client().RPush(t.Context(), name(store.prefix), "x").Err(); err != nil {
				t.Fatal(err)
			}
			const want = "another program"
			if what == "document" {
				_, err := store.ReadDocument(t.Context(), "d")
				wantError(t, err, want)
				_, _, err = store.SwapDocument(t.Context(), "d", 0, []byte("x"))
				wantError(t, err, want)
			} else {
				_, _, err := store.Swap(t.Context(), routing.Change{
					Key: key, Instance: &routing.Write{Data: []byte("x"), Unfinished: true}, Binding: write("x"),
				})
				wantError(t, err, want)
				if what == "instance" || what == "binding" {
					_, err := store.Read(t.Context(), key)
					wantError(t, err, want)
				}
			}
			if found := server.Client().Keys(t.Context(), store.prefix+":*").Val(); len(found) != 1 {
				t.Errorf("got keys %q, want only the one of another type", found)
			}
		})
	}
}

func TestDamagedDocument(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	for _, fields := range [][]any{
		{"version", "1"},
		{"data", "x"},
		{"version", "x", "data", "x"},
		{"version", "0", "data", "x"},
		{"version", "-1", "data", "x"},
		{"version", "", "data", "x"},
	} {
		store := openShared(t)
		if err := server.Client().HSet(t.Context(), store.prefix+":g:{documents}:d", fields...).Err(); err != nil {
			t.Fatal(err)
		}
		_, err := store.ReadDocument(t.Context(), "d")
		wantError(t, err, "damaged")
		_, swapped, err := store.SwapDocument(t.Context(), "d", 7, []byte("x"))
		wantError(t, err, "damaged")
		if swapped {
			t.Errorf("%v: it was written over", fields)
		}
	}
}

// wantError checks an error of the store: its kind, what it says, and that it holds no secret.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, routing.ErrUnavailable) {
		t.Fatalf("got %v, want an error that matches ErrUnavailable", err)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want it to say %q", err, want)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the secret: %q", err)
	}
}
