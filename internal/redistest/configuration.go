package redistest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// Ports come from below those that systems hand out by themselves, so that nobody's outgoing connection is in the
	// way when a server is started again.
	firstPort    = 16000
	lastPort     = 32000
	portSearches = 1000
)

// SentinelSetting adds a line to the configuration of sentinels, such as "sentinel down-after-milliseconds osb 500".
func SentinelSetting(line string) Option {
	return func(s *Server) { s.sentinelSettings = append(s.sentinelSettings, line) }
}

// SentinelPassword has sentinels demand a password, of each other too.
func SentinelPassword(password string) Option {
	return func(s *Server) {
		if s.mode == sentinel {
			s.Password = password
			quoted := strconv.Quote(password)
			s.sentinelSettings = append(s.sentinelSettings, "requirepass "+quoted, "sentinel sentinel-pass "+quoted)
		}
	}
}

func startAs(m mode) Option {
	return func(s *Server) { s.mode = m }
}

// hasFile tells whether the configuration lies in a file: sentinels keep there what they find out, and have servers
// keep there whose replica they are. Elsewhere it goes through standard input.
func (s *Server) hasFile() bool {
	return s.mode == watched || s.mode == sentinel
}

func (s *Server) file() string {
	return filepath.Join(s.folder, "redis.conf")
}

// arguments never hold a password: the list of processes shows them.
func (s *Server) arguments() []string {
	switch {
	case s.mode == sentinel:
		return []string{s.file(), "--sentinel"}
	case s.hasFile():
		return []string{s.file()}
	default:
		return []string{"-"}
	}
}

func (s *Server) writeConfiguration() error {
	if !s.hasFile() {
		return nil
	}
	if err := os.WriteFile(s.file(), []byte(s.configuration()), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of redis-server: %w", err)
	}
	return nil
}

func (s *Server) configuration() string {
	lines := append(s.listening(),
		"bind 127.0.0.1",
		"dir "+strconv.Quote(s.folder),
		"daemonize no",
		"loglevel notice",
	)
	if s.mode == sentinel {
		return strings.Join(append(lines, s.sentinelSettings...), "\n") + "\n"
	}
	lines = append(lines,
		`save ""`,
		"appendonly yes",
		// What takes seconds in operation is to be fast here.
		"repl-diskless-sync yes",
		"repl-diskless-sync-delay 0",
		"repl-ping-replica-period 1",
	)
	if s.bus != 0 {
		lines = append(lines, "cluster-enabled yes", "cluster-port "+strconv.Itoa(s.bus))
	}
	return strings.Join(append(lines, s.settings...), "\n") + "\n"
}

func freePort() (int, error) {
	for range portSearches {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		_ = listener.Close()
		return port, nil
	}
	return 0, errors.New("looking for a free port: there is none")
}
