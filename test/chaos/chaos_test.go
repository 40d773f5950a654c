package chaos_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/chaos"
	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// The run that is part of every test run.
const (
	usualSeed   = 20_260
	usualLength = time.Minute
)

// maxStories bounds how many violations are told in full.
const maxStories = 5

// TestChaos lets everything go wrong that the package knows of. CHAOS_SEED, CHAOS_DURATION and CHAOS_REDIS make another
// run of it; the seed may be "random", and the Redis "single" or "sentinel".
func TestChaos(t *testing.T) {
	settings := readSettings(t)
	t.Logf("chaos: again with %s", settings)
	run := chaos.Execute(t, settings)
	t.Log("chaos: " + run.Figures())
	told := make(map[string]bool)
	for _, violation := range chaos.Judge(run.Evidence) {
		t.Error(violation.String())
		instance := violation.Key.Instance
		if instance != "" && !told[instance] && len(told) < maxStories {
			told[instance] = true
			t.Logf("the story of %s:\n%s", instance, run.Story(instance))
		}
	}
}

func readSettings(t *testing.T) chaos.Settings {
	t.Helper()
	settings := chaos.Settings{Seed: usualSeed, Length: usualLength}
	var err error
	switch text := os.Getenv("CHAOS_SEED"); text {
	case "":
	case "random":
		settings.Seed = uint64(time.Now().UnixNano()) % 1_000_000
	default:
		if settings.Seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(fmt.Errorf("CHAOS_SEED: %w", err))
		}
	}
	if text := os.Getenv("CHAOS_DURATION"); text != "" {
		if settings.Length, err = time.ParseDuration(text); err != nil {
			t.Fatal(fmt.Errorf("CHAOS_DURATION: %w", err))
		}
	}
	switch text := os.Getenv("CHAOS_REDIS"); text {
	case "", "sentinel":
	case "single":
		settings.Single = true
	default:
		t.Fatalf("CHAOS_REDIS: got %q, want sentinel or single", text)
	}
	return settings
}
