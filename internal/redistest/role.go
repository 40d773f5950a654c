package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// role asks a server what it takes itself for: "master" or "slave".
func (s *Server) role(ctx context.Context) (string, error) {
	answer, err := s.client.Do(ctx, "role").Slice()
	if err != nil {
		return "", fmt.Errorf("asking %s for its role: %w", s.Addr, err)
	}
	role, _ := answer[0].(string)
	return role, nil
}

// hasReplica tells what is missing until a master has a replica that follows it.
func (s *Server) hasReplica(ctx context.Context) error {
	info, err := s.client.Info(ctx, "replication").Result()
	if err != nil {
		return fmt.Errorf("asking %s for its replicas: %w", s.Addr, err)
	}
	for line := range strings.Lines(info) {
		if strings.HasPrefix(line, "slave") && strings.Contains(line, "state=online") {
			// The answer to WAIT says that the stream flows, in both directions.
			replicas, err := s.client.Wait(ctx, 1, 100*time.Millisecond).Result()
			if err == nil && replicas == 0 {
				err = errors.New("no replica answers")
			}
			return err
		}
	}
	return fmt.Errorf("the master %s has no replica", s.Addr)
}
