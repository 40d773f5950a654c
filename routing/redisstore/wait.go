package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// maxRedirections is how often a swap follows a redirection of a cluster.
const maxRedirections = 4

// waiting says how many replicas must have a write, and how long to wait for them.
type waiting struct {
	replicas int
	timeout  time.Duration
}

// tooFewReplicasError is the cause of an error of a write that not enough replicas had in time. It may reach them yet.
type tooFewReplicasError struct {
	reached int64
	waiting
}

func (e *tooFewReplicasError) Error() string {
	return fmt.Sprintf("the write reached %d of %d replicas within %s; if the store has fewer, run more or lower "+
		"wait_replicas; the write may last all the same", e.reached, e.replicas, e.timeout)
}

// runSwap runs the swap script, and waits for replicas where the change is worth it.
func (s *Store) runSwap(ctx context.Context, change routing.Change, keys []string, arguments []any) ([]any, error) {
	if writes := change.Instance != nil || change.Binding != nil; s.waiting.replicas > 0 && change.BeforeSend && writes {
		return s.swapAndWait(ctx, keys, arguments)
	}
	return swapScript.Run(ctx, s.client, keys, arguments...).Slice()
}

// swapAndWait runs the swap script, and then WAIT on the same connection and in the same round trip: WAIT counts the
// replicas that have all writes of its own connection, and Redis refuses it inside a script.
func (s *Store) swapAndWait(ctx context.Context, keys []string, arguments []any) ([]any, error) {
	node, err := s.master(ctx, keys[0])
	if err != nil {
		return nil, err
	}
	byHash, asking := true, false
	for redirections := 0; ; {
		reply, err := s.swapAndWaitAt(ctx, node, asking, byHash, keys, arguments)
		if err == nil {
			return reply, nil
		}
		switch to, ask := redirection(node, err); {
		case redis.HasErrorPrefix(err, "NOSCRIPT") && byHash:
			// The script did not run, so it is sent in full. A pipeline does not see to that by itself.
			byHash = false
		case s.cluster == nil:
			return nil, err
		case to != "" && redirections < maxRedirections:
			redirections++
			s.cluster.client.ReloadState(ctx)
			node, asking = s.cluster.redirected.client(to), ask
		case refusedForNow(err) && pause(ctx):
			asking = false
			if node, err = s.master(ctx, keys[0]); err != nil {
				return nil, err
			}
		default:
			onceHook{s.cluster.client}.learn(ctx, err)
			return nil, err
		}
	}
}

// master returns the client of the server that should have a key.
func (s *Store) master(ctx context.Context, key string) (node *redis.Client, err error) {
	if s.cluster == nil {
		client, _ := s.client.(*redis.Client)
		return client, nil
	}
	node, err = s.cluster.client.MasterForKey(ctx, key)
	if err != nil {
		onceHook{s.cluster.client}.learn(ctx, err)
	}
	return node, err
}

// swapAndWaitAt does it on one server. The error is the script's, if it has one; then nothing was written.
func (s *Store) swapAndWaitAt(
	ctx context.Context, node *redis.Client, asking, byHash bool, keys []string, arguments []any,
) ([]any, error) {
	pipe := node.Pipeline()
	if asking {
		pipe.Do(ctx, "asking")
	}
	var script *redis.Cmd
	if byHash {
		script = swapScript.EvalSha(ctx, pipe, keys, arguments...)
	} else {
		script = swapScript.Eval(ctx, pipe, keys, arguments...)
	}
	replicas := redis.NewIntCmd(ctx, "wait", s.waiting.replicas, s.waiting.timeout.Milliseconds())
	_ = pipe.Process(ctx, replicas)
	// Each command has the error too.
	_, _ = pipe.Exec(ctx)
	reply, err := script.Slice()
	if err != nil {
		return nil, err
	}
	if len(reply) == 0 || reply[0] != int64(1) {
		// It wrote nothing. What WAIT says is about an earlier write of the connection.
		return reply, nil
	}
	if err := replicas.Err(); err != nil {
		return nil, fmt.Errorf("asking how many replicas have the write, which was made: %w", err)
	}
	if reached := replicas.Val(); reached < int64(s.waiting.replicas) {
		return nil, &tooFewReplicasError{reached: reached, waiting: s.waiting}
	}
	return reply, nil
}

// redirection reads an answer that says which member of a cluster has a key: "MOVED 3999 127.0.0.1:6381", or ASK
// likewise for one that is on its way there. Without a host it is the one that answered.
func redirection(from *redis.Client, err error) (to string, ask bool) {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		return "", false
	}
	fields := strings.Fields(answer.Error())
	if len(fields) != 3 || fields[0] != "MOVED" && fields[0] != "ASK" {
		return "", false
	}
	host, port, err := net.SplitHostPort(fields[2])
	if err != nil {
		return "", false
	}
	if host == "" {
		host, _, _ = net.SplitHostPort(from.Options().Addr)
	}
	return net.JoinHostPort(host, port), fields[0] == "ASK"
}

// redirected are clients of members of a cluster, by their addresses.
type redirected struct {
	options redis.Options
	mu      sync.Mutex
	clients map[string]*redis.Client
	closed  bool
}

func newRedirected(options redis.Options) *redirected {
	// Redirections are few: as soon as the client of the cluster has heard of it, it takes the right member itself.
	options.ConnMaxIdleTime = time.Minute
	return &redirected{options: options, clients: map[string]*redis.Client{}}
}

func (r *redirected) client(address string) *redis.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	client := r.clients[address]
	if client == nil {
		options := r.options
		options.Addr = address
		client = redis.NewClient(&options)
		if r.closed {
			_ = client.Close()
			return client
		}
		r.clients[address] = client
	}
	return client
}

func (r *redirected) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	failures := make([]error, 0, len(r.clients))
	for _, client := range r.clients {
		failures = append(failures, client.Close())
	}
	return errors.Join(failures...)
}
