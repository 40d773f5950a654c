package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// unsavedLimit is how long changes may wait for a snapshot, on a server that does not tell its settings, before it is
// taken for one that makes none. The rarest snapshots that servers make by default come once an hour.
const unsavedLimit = time.Hour

// Warnings asks the server, or each master of a cluster, whether it may lose records: by evicting them, or because it
// does not write them to disk. It returns a sentence each that says what to change. That the server does not tell is a
// warning too; an error means that it did not answer, and matches routing.ErrUnavailable.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	switch {
	case s.closed.Load():
		return nil, s.unavailable(errClosed)
	case s.cluster == nil:
		warnings, err := serverWarnings(ctx, s.client)
		if err != nil {
			return nil, s.unavailable(err)
		}
		return warnings, nil
	}
	var mu sync.Mutex
	var all []string
	if err := s.cluster.client.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		warnings, err := serverWarnings(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		for _, warning := range warnings {
			all = append(all, master.Options().Addr+": "+warning)
		}
		return err
	}); err != nil {
		return nil, s.unavailable(err)
	}
	slices.Sort(all)
	return all, nil
}

// serverWarnings asks one server.
func serverWarnings(ctx context.Context, client redis.Cmdable) ([]string, error) {
	facts := make(map[string]string)
	for _, section := range []string{"memory", "persistence"} {
		text, err := client.Info(ctx, section).Result()
		if isRefusal(err) {
			return []string{"the server does not let the gateway read INFO, so nobody warns of eviction and of missing " +
				"persistence; allow the user of the store +info"}, nil
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				facts[name] = value
			}
		}
	}
	warnings := memoryWarnings(facts)
	isKept := facts["aof_enabled"] != "0"
	if !isKept {
		var err error
		if isKept, err = makesSnapshots(ctx, client, facts); err != nil {
			return nil, err
		}
	}
	if !isKept {
		warnings = append(warnings, "redis keeps the records in memory only and loses all of them when it ends; "+
			"set appendonly yes")
	}
	return append(warnings, diskWarnings(facts)...), nil
}

func memoryWarnings(facts map[string]string) []string {
	policy := facts["maxmemory_policy"]
	if limit := facts["maxmemory"]; limit == "" || limit == "0" || policy == "" || policy == "noeviction" {
		return nil
	}
	return []string{fmt.Sprintf("redis can evict records when it reaches its maxmemory of %s bytes "+
		"(maxmemory-policy is %s); set maxmemory-policy noeviction", facts["maxmemory"], policy)}
}

// diskWarnings are about writes to disk that failed.
func diskWarnings(facts map[string]string) (warnings []string) {
	for _, check := range []struct{ fact, warning string }{
		{"aof_last_write_status", "redis could not write its append-only file"},
		{"aof_last_bgrewrite_status", "redis could not rewrite its append-only file"},
		{"rdb_last_bgsave_status", "redis could not save its last snapshot"},
	} {
		if status, ok := facts[check.fact]; ok && status != "ok" {
			warnings = append(warnings, check.warning+"; look into its log, and at the space and the rights of its directory")
		}
	}
	return warnings
}

// makesSnapshots tells whether the server saves what it holds from time to time, by its settings if it tells them.
func makesSnapshots(ctx context.Context, client redis.Cmdable, facts map[string]string) (bool, error) {
	settings, err := client.ConfigGet(ctx, "save").Result()
	if save, ok := settings["save"]; err == nil && ok {
		return save != "", nil
	}
	if err != nil && !isRefusal(err) {
		return false, err
	}
	changes, _ := strconv.ParseInt(facts["rdb_changes_since_last_save"], 10, 64)
	saved, err := strconv.ParseInt(facts["rdb_last_save_time"], 10, 64)
	if err != nil || changes == 0 {
		return true, nil // Nothing says that it does not.
	}
	return time.Since(time.Unix(saved, 0)) < unsavedLimit, nil
}

// isRefusal tells whether the server answered that it does not do that, or not for this user.
func isRefusal(err error) bool {
	answer, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false
	}
	text := answer.Error()
	return strings.HasPrefix(text, "NOPERM") || strings.HasPrefix(text, "ERR unknown command")
}
