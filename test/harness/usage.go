package harness

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// Usage is what a process has in use.
type Usage struct {
	Goroutines, Files int
	// HeapBytes is what is alive after a garbage collection.
	HeapBytes int
}

// Usage measures the process, after a garbage collection. Files are counted on Linux only.
func (g *Gateway) Usage(t testing.TB) Usage {
	t.Helper()
	usage := Usage{
		HeapBytes:  g.profiled(t, "heap?gc=1&debug=1", `(?m)^# HeapAlloc = (\d+)$`),
		Goroutines: g.profiled(t, "goroutine?debug=1", `^goroutine profile: total (\d+)`),
	}
	if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.command.Process.Pid)); err == nil {
		usage.Files = len(files)
	}
	return usage
}

// profiled reads a number from a profile of Caddy's admin endpoint.
func (g *Gateway) profiled(t testing.TB, profile, pattern string) int {
	t.Helper()
	response, err := http.Get(g.Admin + "/debug/pprof/" + profile)
	if err != nil {
		t.Fatalf("measuring the gateway: %v", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("measuring the gateway: %v", err)
	}
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		t.Fatalf("measuring the gateway: %s says nothing of %s", profile, pattern)
	}
	number, err := strconv.Atoi(string(match[1]))
	if err != nil {
		t.Fatalf("measuring the gateway: %v", err)
	}
	return number
}
