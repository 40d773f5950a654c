package redistest

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestSharedIsOneServer(t *testing.T) {
	t.Parallel()
	first, second := Shared(t), Shared(t)
	if first != second {
		t.Fatalf("got servers on %s and %s, want one", first.Addr, second.Addr)
	}
	if got, err := first.Client().Ping(t.Context()).Result(); err != nil || got != "PONG" {
		t.Errorf("got %q, %v, want PONG", got, err)
	}
}

func TestDataOutlivesStopAndKill(t *testing.T) {
	t.Parallel()
	server := Start(t)
	if !strings.HasPrefix(server.Addr, "127.0.0.1:") {
		t.Errorf("got address %s, want one of 127.0.0.1", server.Addr)
	}
	ends := []struct {
		name string
		end  func(testing.TB)
	}{
		{"stop", server.Stop},
		{"kill", server.Kill},
	}
	for _, end := range ends {
		if err := server.Client().Set(t.Context(), "how", end.name, 0).Err(); err != nil {
			t.Fatal(err)
		}
		end.end(t)
		if err := server.Client().Ping(t.Context()).Err(); err == nil {
			t.Errorf("after %s: the server answers, want an error", end.name)
		}
		address := server.Addr
		server.Restart(t)
		if server.Addr != address {
			t.Errorf("after %s: restarted on %s, want %s", end.name, server.Addr, address)
		}
		if got, err := server.Client().Get(t.Context(), "how").Result(); err != nil || got != end.name {
			t.Errorf("after %s: got %q, %v, want %q", end.name, got, err, end.name)
		}
	}
}

func TestWipedServerComesBackEmpty(t *testing.T) {
	t.Parallel()
	server := Start(t)
	if err := server.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	server.Kill(t)
	server.Wipe(t)
	server.Restart(t)
	if got, err := server.Client().DBSize(t.Context()).Result(); err != nil || got != 0 {
		t.Errorf("got %d keys, %v, want none", got, err)
	}
}

func TestPassword(t *testing.T) {
	t.Parallel()
	const password = `s3cret "with" spaces`
	server := Start(t, Password(password))
	if err := server.Client().Ping(t.Context()).Err(); err != nil {
		t.Errorf("with the password: %v", err)
	}
	for _, argument := range server.process.command.Args {
		if strings.Contains(argument, "s3cret") {
			t.Errorf("the command line holds the password: %q", argument)
		}
	}
}

func TestSettingsOfTheServer(t *testing.T) {
	t.Parallel()
	server := Start(t, Setting("databases 2"))
	got, err := server.Client().ConfigGet(t.Context(), "databases").Result()
	if err != nil || got["databases"] != "2" {
		t.Errorf("got %v, %v, want 2 databases", got, err)
	}
	if _, err := start(t.TempDir(), Setting("no-such-setting yes")); err == nil {
		t.Error("a server with an unknown setting started")
	} else if !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("got %v, want the words of the server", err)
	}
}

func TestClusterNode(t *testing.T) {
	t.Parallel()
	server := Start(t, ClusterNode())
	if err := server.Client().Set(t.Context(), "a", "x", 0).Err(); err != nil {
		t.Error(err)
	}
	err := server.Client().MGet(t.Context(), "a", "b").Err()
	if err == nil || !strings.Contains(err.Error(), "CROSSSLOT") {
		t.Errorf("got %v for keys of two slots, want CROSSSLOT", err)
	}
}

// A machine without Redis must see what is missing. It is not run in parallel, for it changes the PATH.
func TestMissingServerSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := start(t.TempDir())
	if !errors.Is(err, errMissing) {
		t.Fatalf("got %v, want %v", err, errMissing)
	}
	if text := err.Error(); !strings.Contains(text, "apt-get install redis-server") || strings.Contains(text, "\n") {
		t.Errorf("got %q, want one line that says what to install", text)
	}
}
