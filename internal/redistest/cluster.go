package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ClusterNode makes the server a cluster of one node that has all slots. It answers a client that knows nothing of
// clusters too, but refuses a script whose keys are not in one slot.
func ClusterNode() Option {
	return startAs(wholeCluster)
}

// takeSlots makes the server a whole cluster and waits until it thinks so too.
func (s *Server) takeSlots() error {
	ctx, cancel := context.WithTimeout(context.Background(), startDeadline)
	defer cancel()
	if err := s.client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		return fmt.Errorf("giving the node all slots: %w", err)
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		info, err := s.client.ClusterInfo(ctx).Result()
		if err == nil && strings.Contains(info, "cluster_state:ok") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster does not become ready: %s: %w", info, errors.Join(err, ctx.Err()))
		case <-poll.C:
		}
	}
}
