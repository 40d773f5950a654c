package filestore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/filestore"
)

// The test binary runs itself as another process, with a role and a path in the environment.
const (
	roleVariable = "FILESTORE_TEST_ROLE"
	pathVariable = "FILESTORE_TEST_PATH"

	roleHold  = "hold"
	roleWrite = "write"
)

func TestMain(m *testing.M) {
	store := filestore.New(os.Getenv(pathVariable))
	switch os.Getenv(roleVariable) {
	case roleHold:
		hold(store)
	case roleWrite:
		writeUntilKilled(store)
	default:
		os.Exit(m.Run())
	}
}

// hold opens the store, says so and closes it when its input ends.
func hold(store *filestore.Store) {
	if err := store.Open(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := store.Close(); err != nil {
		fmt.Println(err)
	}
}

// writers is how many goroutines write in the process that is killed.
const writers = 4

// writeUntilKilled writes instances and bindings without end. It prints each number that was acknowledged.
func writeUntilKilled(store *filestore.Store) {
	if err := store.Open(); err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	var running sync.WaitGroup
	for writer := range writers {
		running.Go(func() {
			for n := 0; ; n++ {
				key := numberedKey(strconv.Itoa(writer) + "-" + strconv.Itoa(n))
				held, err := store.Read(ctx, key)
				if err != nil {
					fmt.Println(err)
					return
				}
				data := &routing.Write{Data: append(held.Instance, '!'), Unfinished: n%2 == 0}
				if _, swapped, err := store.Swap(ctx, routing.Change{
					Key: key, Old: held, Instance: data, Binding: data,
				}); err != nil || !swapped {
					fmt.Println("swap", swapped, err)
					return
				}
				fmt.Printf("%d-%d\n", writer, n)
			}
		})
	}
	running.Wait()
}

func numberedKey(number string) routing.Key {
	return routing.Key{Instance: routing.InstanceID("i" + number), Binding: routing.BindingID("b" + number)}
}

// startRole starts the test binary in a role. Its output ends with it.
func startRole(t *testing.T, role, path string) (command *exec.Cmd, input io.WriteCloser, output *bufio.Scanner) {
	t.Helper()
	command = exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command, input, bufio.NewScanner(stdout)
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	command, input, output := startRole(t, roleHold, path)
	if !output.Scan() || output.Text() != "open" {
		t.Fatalf("the other process says %q, want that it opened the store", output.Text())
	}

	store := filestore.New(path)
	defer closeStore(t, store)
	if err := store.Open(); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want that the file is in use by another process", err)
	}

	_ = input.Close()
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := store.Open(); err != nil {
		t.Fatalf("after the other process ended: %v", err)
	}
	swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})

	command, input, output = startRole(t, roleHold, path)
	if !output.Scan() || !strings.Contains(output.Text(), "in use by another process") {
		t.Errorf("the other process says %q, want that the file is in use by another process", output.Text())
	}
	_ = input.Close()
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	wantInstance(t, store, "i", "x")
}

// A process that is killed amid its writes loses none that it acknowledged, and leaves none half made.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	const rounds, perRound = 5, 150
	path := newPath(t)
	acknowledged := make(map[string]int)
	for range rounds {
		command, _, output := startRole(t, roleWrite, path)
		for n := 0; output.Scan(); n++ {
			number := output.Text()
			if strings.ContainsAny(number, " :") {
				t.Fatalf("the other process says %q", number)
			}
			acknowledged[number]++
			if n == perRound {
				// What it acknowledges from here on is read too.
				if err := command.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = command.Wait()

		store := open(t, path)
		for number, times := range acknowledged {
			snapshot, err := store.Read(t.Context(), numberedKey(number))
			if err != nil {
				t.Fatal(err)
			}
			// A write that was made and not acknowledged any more may have come on top, one in each round.
			if got := len(snapshot.Instance); got < times || got > rounds {
				t.Errorf("%s was written %d times, want %d times", number, got, times)
			}
			if string(snapshot.Instance) != string(snapshot.Binding) {
				t.Errorf("%s has instance %q and binding %q, want both written or neither",
					number, snapshot.Instance, snapshot.Binding)
			}
		}
		closeStore(t, store)
	}
	if len(acknowledged) < perRound {
		t.Errorf("only %d writes were acknowledged", len(acknowledged))
	}
}
