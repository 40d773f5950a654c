package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// heartbeat begins the messages that are no changes.
const heartbeat = "heartbeat:"

// errOtherMasters ends a watch on a cluster whose masters are not the same any more: one that took over may not have
// all that was told of before.
var errOtherMasters = errors.New("the masters of the cluster have changed")

// heart sends heartbeats and waits for them. But for send it belongs to one goroutine.
type heart struct {
	store *Store
	// name tells its heartbeats from those of others.
	name string
	// sent gets what became of each sending.
	sent    chan beats
	sending sync.WaitGroup
	// due fires when the next heartbeat is to be sent, late when the present one should be back, or the first one sent.
	due, late *time.Timer

	round int
	// awaited are the heartbeats of this round, one of each master; nil until they were sent. heard are those that came
	// back, which may be sooner than it is known that they were sent.
	awaited []beat
	heard   map[string]bool
	masters []string
}

// beat is one heartbeat, and the master that it was published at.
type beat struct{ message, master string }

// beats are the heartbeats of one round.
type beats struct {
	sent []beat
	err  error
}

func newHeart(s *Store) *heart {
	h := &heart{
		store: s, name: rand.Text(), sent: make(chan beats, 1),
		due: time.NewTimer(heartbeatInterval), late: time.NewTimer(heartbeatPatience),
	}
	h.due.Stop()
	return h
}

// expect gives the next heartbeat its time, from now on.
func (h *heart) expect() { h.late.Reset(heartbeatPatience) }

// beat sends a heartbeat. It does not wait for that.
func (h *heart) beat(ctx context.Context) {
	h.round++
	h.awaited, h.heard = nil, make(map[string]bool)
	prefix := heartbeat + h.name + ":" + strconv.Itoa(h.round)
	h.sending.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, heartbeatPatience)
		defer cancel()
		sent, err := h.store.publish(ctx, prefix)
		h.sent <- beats{sent, err}
	})
}

// publish sends a message that begins with the prefix through each master.
func (s *Store) publish(ctx context.Context, prefix string) (sent []beat, err error) {
	if s.cluster == nil {
		return []beat{{message: prefix}}, s.client.Publish(ctx, s.layout.changes, prefix).Err()
	}
	var mu sync.Mutex
	err = s.cluster.client.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		address := master.Options().Addr
		message := prefix + ":" + escape(address)
		mu.Lock()
		sent = append(sent, beat{message: message, master: address})
		mu.Unlock()
		return master.Publish(ctx, s.layout.changes, message).Err()
	})
	if err == nil && len(sent) == 0 {
		err = errors.New("the cluster has no masters")
	}
	return sent, err
}

// wasSent takes what became of a sending.
func (h *heart) wasSent(sent beats) error {
	if sent.err != nil {
		return fmt.Errorf("publishing a heartbeat: %w", sent.err)
	}
	var masters []string
	for _, b := range sent.sent {
		masters = append(masters, b.master)
	}
	slices.Sort(masters)
	if h.masters != nil && !slices.Equal(h.masters, masters) {
		return errOtherMasters
	}
	h.awaited, h.masters = sent.sent, masters
	return nil
}

// hear takes a heartbeat, of whomever.
func (h *heart) hear(message string) {
	if h.heard != nil && strings.HasPrefix(message, heartbeat+h.name+":") {
		h.heard[message] = true
	}
}

// isBack tells whether all heartbeats of the round came back.
func (h *heart) isBack() bool {
	return h.awaited != nil && !slices.ContainsFunc(h.awaited, func(b beat) bool { return !h.heard[b.message] })
}

// rest waits for the next round.
func (h *heart) rest() {
	h.awaited, h.heard = nil, nil
	h.late.Stop()
	h.due.Reset(heartbeatInterval)
}

// missing says what did not come in time.
func (h *heart) missing() error {
	if h.awaited == nil {
		return fmt.Errorf("the server did not take a subscription and a heartbeat within %s", heartbeatPatience)
	}
	var silent []string
	for _, b := range h.awaited {
		if !h.heard[b.message] {
			silent = append(silent, b.master)
		}
	}
	if h.store.cluster == nil {
		return fmt.Errorf("a heartbeat did not come back within %s", heartbeatPatience)
	}
	return fmt.Errorf("heartbeats did not come back within %s from %s",
		heartbeatPatience, strings.Join(silent, ", "))
}

// stop waits for what is being sent. The context that it is sent under must have ended.
func (h *heart) stop() {
	h.due.Stop()
	h.late.Stop()
	h.sending.Wait()
}
