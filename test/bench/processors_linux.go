package bench

import (
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// divide keeps this process, and what it starts, off one processor until the benchmark ends, and returns that one for what
// is measured: then its speed is measured alone, and not that of the loader and the brokers with it. It returns nil if
// there is one processor only.
func divide(tb testing.TB) (measured []int) {
	tb.Helper()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		tb.Fatal(err)
	}
	if all.Count() < 2 {
		return nil
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	others := all
	others.Clear(first)
	restrict(tb, &others)
	before := runtime.GOMAXPROCS(others.Count())
	tb.Cleanup(func() {
		runtime.GOMAXPROCS(before)
		restrict(tb, &all)
	})
	return []int{first}
}

// restrict gives all threads of this process some processors. Threads to come have those of the ones that make them.
func restrict(tb testing.TB, to *unix.CPUSet) {
	tb.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		tb.Fatal(err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			tb.Fatal(err)
		}
		if err := unix.SchedSetaffinity(id, to); err != nil && err != unix.ESRCH { // it may have ended
			tb.Fatal(err)
		}
	}
}
