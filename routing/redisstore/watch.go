package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// heartbeatInterval is how long a watch waits after one heartbeat came back before it sends the next, and
	// heartbeatPatience how long it waits for one. Together they bound how long changes may get lost unnoticed,
	// whatever becomes of the connection or of the server at its other end.
	heartbeatInterval = 2 * time.Second
	heartbeatPatience = 2 * time.Second
	// The pause before a watch tries again doubles from the first to the longest. It is cut by up to a half at random.
	firstWatchPause   = 100 * time.Millisecond
	longestWatchPause = 5 * time.Second
)

// Watch implements routing.Watcher. It subscribes to the channel of changes on a connection of its own. That alone
// would not tell when nothing comes any more: the connection may be dead without a word, the server may have lost its
// mastership, or a member of a cluster may not reach the one that is listened to. So heartbeats are sent the way that
// changes go, from every master, and are expected back.
func (s *Store) Watch(ctx context.Context, listener routing.Listener) {
	pause := firstWatchPause
	for told := false; ctx.Err() == nil; {
		wasReady, err := s.subscribe(ctx, listener)
		switch {
		case ctx.Err() != nil:
			return
		case s.closed.Load():
			err = errClosed
		case s.cluster != nil:
			onceHook{s.cluster.client}.learn(ctx, err)
		}
		if wasReady {
			pause = firstWatchPause
		}
		if wasReady || !told {
			listener.Lost(s.unavailable(err))
			told = true
		}
		if s.closed.Load() {
			<-ctx.Done()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause - rand.N(pause/2)): //nolint:gosec // it need not be a secret
		}
		pause = min(2*pause, longestWatchPause)
	}
}

// subscribe listens to the channel until something goes wrong. It tells whether the listener was ever told that it is
// ready.
func (s *Store) subscribe(ctx context.Context, listener routing.Listener) (wasReady bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	subscription := s.client.Subscribe(ctx)
	events := make(chan event)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		receive(ctx, subscription, s.layout.changes, events)
	}()
	h := newHeart(s)
	defer func() {
		cancel()
		// It has an error only if it is closed already.
		_ = subscription.Close()
		<-ended
		h.stop()
	}()

	h.expect()
	for {
		select {
		case <-ctx.Done():
			return wasReady, ctx.Err()
		case e := <-events:
			switch {
			case e.err != nil:
				return wasReady, e.err
			case e.subscribed:
				h.beat(ctx)
			case strings.HasPrefix(e.message, heartbeat):
				h.hear(e.message)
			default:
				if err := tell(ctx, listener, e.message); err != nil {
					return wasReady, err
				}
			}
		case sent := <-h.sent:
			if err := h.wasSent(sent); err != nil {
				return wasReady, err
			}
		case <-h.due.C:
			h.expect()
			h.beat(ctx)
		case <-h.late.C:
			return wasReady, h.missing()
		}
		if h.isBack() {
			h.rest()
			if !wasReady && ctx.Err() == nil {
				wasReady = true
				listener.Ready()
			}
		}
	}
}

// event is what comes of a subscription: that it was confirmed, a message, or its end.
type event struct {
	subscribed bool
	message    string
	err        error
}

// receive passes on what comes of a subscription until the first error.
func receive(ctx context.Context, subscription *redis.PubSub, channel string, events chan<- event) {
	pass := func(e event) bool {
		select {
		case events <- e:
			return e.err == nil
		case <-ctx.Done():
			return false
		}
	}
	connecting, connected := context.WithTimeout(ctx, heartbeatPatience)
	err := subscription.Subscribe(connecting, channel)
	connected()
	if err != nil {
		pass(event{err: err})
		return
	}
	// When a connection is lost the client would make another by itself before it says so. It does not under a context
	// that has ended, which does not keep it from reading.
	ended, end := context.WithCancel(ctx)
	end()
	for {
		next := event{err: errors.New("the server answered a subscription with something else; is this a Redis server?")}
		received, err := subscription.Receive(ended)
		switch received := received.(type) {
		case *redis.Message:
			if received.Channel == channel && received.PayloadSlice == nil {
				next = event{message: received.Payload}
			}
		case *redis.Subscription:
			if received.Channel == channel && received.Kind == "subscribe" {
				next = event{subscribed: true}
			}
		}
		if err != nil {
			next = event{err: err}
		}
		if !pass(next) {
			return
		}
	}
}

// tell reads a message of a script, the document or the members that it wrote, and tells the listener of each.
func tell(ctx context.Context, listener routing.Listener, message string) error {
	if strings.HasPrefix(message, documentPrefix) {
		name, version, err := parseDocumentMessage(message)
		if err != nil {
			return fmt.Errorf("reading a message about changes: %w", err)
		}
		if ctx.Err() == nil {
			listener.DocumentChanged(name, version)
		}
		return nil
	}
	written := strings.Split(message, " ")
	keys := make([]routing.Key, len(written))
	for i, member := range written {
		key, err := parseMember(member)
		if err != nil {
			return fmt.Errorf("reading a message about changes: %w", err)
		}
		keys[i] = key
	}
	for _, key := range keys {
		if ctx.Err() == nil {
			listener.Changed(key)
		}
	}
	return nil
}

// Interface guard.
var _ routing.Watcher = (*Store)(nil)
