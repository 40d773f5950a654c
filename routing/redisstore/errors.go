package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	wrongCredentials = "wrong username or password; check the credentials of the store"
	wantsPassword    = "the server wants a password; configure one for the store"
	wantsNoPassword  = "the server has no password; remove it from the store"
	lacksPermission  = "the user of the store lacks a permission; " +
		"allow it the scripts, commands, keys and channels of the store"
)

// answers tells what to do about an answer of the server that begins with the code, or that holds it: before Redis 7 an
// error inside a script is wrapped in text. The first that fits counts.
var answers = []struct{ code, advice string }{
	{"WRONGPASS", wrongCredentials},
	{"NOAUTH", wantsPassword},
	{"invalid username-password pair", wrongCredentials},
	{"AUTH <password> called without any password", wantsNoPassword},
	{"NOPERM", lacksPermission},
	{"ERR The user executing the script can't", lacksPermission},
	{"DB index is out of range", "the server has no database of that number; correct the db of the store"},
	{"invalid DB index", "the server has no database of that number; correct the db of the store"},
	{"SELECT is not allowed in cluster mode", "the server is part of a cluster, which has db 0 only"},
	{"MOVED", "the server is part of a cluster; configure the store with cluster"},
	{"ASK", "the server is part of a cluster; configure the store with cluster"},
	{"CLUSTERDOWN", "the cluster does not serve these keys at present; a failover may be under way"},
	{"TRYAGAIN", "the keys are on their way to another member of the cluster"},
	{"ERR This instance has cluster support disabled", "the server is not part of a cluster; remove cluster from the store"},
	{"CROSSSLOT", "the server is part of a cluster and refuses the keys of the store"},
	{"READONLY", "the server is a read-only replica; point the store to the master"},
	{"MASTERDOWN", "the server is a replica that lost its master; point the store to the master"},
	{"NOREPLICAS", "the server has fewer replicas than it demands for a write"},
	{"LOADING", "the server is still loading its data"},
	{"BUSY", "the server is busy with a script of another client"},
	{"MISCONF", "the server cannot save its data and refuses writes; look into its log"},
	{"OOM", "the server has reached its memory limit; raise maxmemory"},
	{"WRONGTYPE", "a key of the store holds something else; does another program use the same key prefix?"},
	{"max number of clients reached", "the server has no connection left; raise maxclients"},
}

// unavailable makes err an error of the store: one that matches routing.ErrUnavailable, keeps its cause and says what
// to do where that is clear. What the server and the network say holds no secrets.
func (s *Store) unavailable(err error) error {
	if advice := s.advice(err); advice != "" {
		err = fmt.Errorf("%s: %w", advice, err)
	}
	if isTimeout(err) && !errors.Is(err, context.DeadlineExceeded) {
		// The client lets the connection watch over the deadline of the context, and that calls it an i/o timeout.
		return fmt.Errorf("%w: %w: %w", routing.ErrUnavailable, context.DeadlineExceeded, err)
	}
	return fmt.Errorf("%w: %w", routing.ErrUnavailable, err)
}

func (s *Store) advice(err error) string {
	var answer redis.Error
	var network *net.OpError
	var sentinel *sentinelError
	var few *tooFewReplicasError
	switch {
	case errors.Is(err, redis.ErrClosed), errors.Is(err, errClosed), errors.Is(err, errHandshake),
		errors.Is(err, errReplica), errors.As(err, &sentinel), errors.As(err, &few):
		return ""
	case errors.As(err, &answer):
		return answerAdvice(answer.Error())
	case errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Sprintf("no connection came free within %s", s.timeout)
	case errors.As(err, &network) && network.Op == "dial":
		return "the server cannot be reached"
	case isTimeout(err):
		return fmt.Sprintf("the server did not answer in time (the timeout of the store is %s); "+
			"the call may have been carried out", s.timeout)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), network != nil:
		if !s.connected.Load() {
			return "the server cut the connection at once; is it a Redis server, and does it want TLS?"
		}
		return "the connection to the server was cut; the call may have been carried out"
	}
	return ""
}

func answerAdvice(text string) string {
	for _, known := range answers {
		if strings.HasPrefix(text, known.code) {
			return known.advice
		}
	}
	for _, known := range answers {
		if strings.Contains(text, " "+known.code) {
			return known.advice
		}
	}
	return ""
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
