package redisstore_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

// Whatever a server answers that is no proper answer: it is an error, and never taken for an absent record or for a
// change that was made.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, answer, want string
	}{
		{"loading", "-LOADING Redis is loading the dataset in memory\r\n", "still loading"},
		{"read-only", "-READONLY You can't write against a read only replica.\r\n", "point the store to the master"},
		{"master down", "-MASTERDOWN Link with MASTER is down\r\n", "lost its master"},
		{"no authentication", "-NOAUTH Authentication required.\r\n", "wants a password"},
		{"no permission", "-NOPERM this user has no permissions\r\n", "lacks a permission"},
		{"no replicas", "-NOREPLICAS Not enough good replicas to write.\r\n", "fewer replicas"},
		{"cannot save", "-MISCONF Redis is configured to save RDB snapshots\r\n", "cannot save"},
		{"out of memory", "-OOM command not allowed when used memory > 'maxmemory'.\r\n", "memory limit"},
		{"busy", "-BUSY Redis is busy running a script.\r\n", "busy with a script"},
		{"moved", "-MOVED 3999 127.0.0.1:6381\r\n", "part of a cluster"},
		{"cluster down", "-CLUSTERDOWN Hash slot not served\r\n", "cluster"},
		{"wrong type inside a script of Redis 6", "-ERR Error running script (call to f_1): @user_script:8: " +
			"WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "another program"},
		{"too many clients", "-ERR max number of clients reached\r\n", "no connection left"},
		{"unwanted password", "-ERR AUTH <password> called without any password configured for the default user. " +
			"Are you sure your configuration is correct?\r\n", "the server has no password"},
		{"unknown error", "-ERR something new\r\n", "something new"},

		{"nil", "$-1\r\n", ""},
		{"nil array", "*-1\r\n", ""},
		{"text", "+OK\r\n", ""},
		{"number", ":1\r\n", ""},
		{"array of one nil", "*1\r\n$-1\r\n", ""},
		{"array of two numbers", "*2\r\n:1\r\n:1\r\n", ""},
		{"array of nils", "*5\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n", ""},
		{"array of numbers", "*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n", ""},
		{"records that are numbers", "*5\r\n$1\r\n1\r\n$1\r\n1\r\n:3\r\n:4\r\n$-1\r\n", ""},
		{"no time", "*5\r\n$1\r\nx\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n", ""},
		{"array in an array", "*1\r\n*1\r\n:1\r\n", ""},
		{"too many", "*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", ""},
		{"cut short", "*5\r\n$10\r\n17", ""},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", ""},
		{"nothing", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, redisstore.Config{Addresses: []string{fakeServer(t, test.answer)}, Timeout: patience})
			storetest.WantUnavailable(t.Context(), t, store)
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			wantError(t, err, test.want)
		})
	}
}

// To a listing an empty array is a proper answer, to all else it is none.
func TestEmptyAnswers(t *testing.T) {
	t.Parallel()
	store := open(t, redisstore.Config{Addresses: []string{fakeServer(t, "*0\r\n")}, Timeout: patience})
	key := routing.Key{Instance: "i"}
	_, err := store.Read(t.Context(), key)
	wantError(t, err, "")
	_, _, err = store.Swap(t.Context(), routing.Change{Key: key, Instance: write("x")})
	wantError(t, err, "")
	_, err = store.ReadDocument(t.Context(), "d")
	wantError(t, err, "")
	_, _, err = store.SwapDocument(t.Context(), "d", 0, nil)
	wantError(t, err, "")
	_, err = store.Unfinished(t.Context(), 0, 10)
	wantError(t, err, "")
	wantError(t, store.Mark(t.Context(), "identity", true), "")
	_, _, err = store.Unmarked(t.Context(), "identity")
	wantError(t, err, "")
}

// fakeServer answers the handshake as a server that knows none of it, and anything else with one answer. What is no
// error in the protocol leaves the connection in disorder, so it is closed then.
func fakeServer(t *testing.T, answer string) string {
	t.Helper()
	return serve(t, func(connection net.Conn) {
		commands := bufio.NewReader(connection)
		for {
			command, err := readCommand(commands)
			if err != nil {
				return
			}
			switch strings.ToUpper(command) {
			case "HELLO", "ROLE", "CLIENT":
				if _, err := io.WriteString(connection, "-ERR unknown command\r\n"); err != nil {
					return
				}
			default:
				if _, err := io.WriteString(connection, answer); err != nil || !strings.HasPrefix(answer, "-") {
					return
				}
			}
		}
	})
}

// readCommand reads one command and returns its first word.
func readCommand(r *bufio.Reader) (string, error) {
	var words int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &words); err != nil {
		return "", err
	}
	var first string
	for n := range words {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return "", err
		}
		if n == 0 {
			first = string(word[:size])
		}
	}
	return first, nil
}
