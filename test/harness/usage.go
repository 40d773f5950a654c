package harness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
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

// CPU is how much of the processors the process has had; 0 where there is no /proc.
func (g *Gateway) CPU(t testing.TB) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.command.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name, which may hold anything in its parentheses, the 12th and 13th field count hundredths of a second.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		count, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatalf("measuring the gateway: %v", err)
		}
		ticks += count
	}
	return time.Duration(ticks) * 10 * time.Millisecond
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
