//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// stopDeadline is how long programs have to end by themselves; calls to a sample broker take much less.
const stopDeadline = 15 * time.Second

// group is a set of running programs, each in a process group of its own: Ctrl-C in the terminal reaches this program
// alone, which then stops them in order.
type group struct {
	directory string
	out       io.Writer
	running   []*process
	// ended delivers every process that ended.
	ended chan *process
}

// process is a started program.
type process struct {
	program
	cmd *exec.Cmd
	log string
	// err is how it ended, once done is closed.
	err  error
	done chan struct{}
}

func newGroup(directory string, out io.Writer) *group {
	// Room for more processes than there are, so that none waits to report its end.
	return &group{directory: directory, out: out, ended: make(chan *process, 16)}
}

func (g *group) start(p program) error {
	path := filepath.Join(g.directory, p.name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	// The child has its own copy.
	defer func() { _ = log.Close() }()

	cmd := exec.Command(p.args[0], p.args[1:]...) //nolint:noctx // stop ends it, more gently than a context.
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	started := &process{program: p, cmd: cmd, log: path, done: make(chan struct{})}
	g.running = append(g.running, started)
	go func() {
		started.err = cmd.Wait()
		close(started.done)
		g.ended <- started
	}()
	return nil
}

// stop ends all programs, the last started first, each once the one before it has ended, so that the gateway never
// loses a broker. A signal meanwhile, or too long a wait, ends them the hard way. What a program started itself ends
// with it.
func (g *group) stop(signals <-chan os.Signal) {
	deadline := time.NewTimer(stopDeadline)
	defer deadline.Stop()
	hard := false
	for _, p := range slices.Backward(g.running) {
		if !hard {
			p.signal(syscall.SIGTERM)
			select {
			case <-p.done:
			case <-signals:
				hard = true
			case <-deadline.C:
				fmt.Fprintf(g.out, "%s does not stop: ending it now\n", p.name)
				hard = true
			}
		}
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	g.running = nil
}

// signal reaches the process and everything in its group. That they are gone already is no error.
func (p *process) signal(s syscall.Signal) {
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
}

// explain says how a program ended that should have gone on, with the last lines it wrote.
func (g *group) explain(p *process) error {
	state := "it ended"
	if p.err != nil {
		state = p.err.Error()
	}
	message := fmt.Sprintf("%s stopped: %s", p.name, state)
	if tail := lastLines(p.log, 15); tail != "" {
		message += "; the end of " + p.log + ":\n" + tail
	}
	return errors.New(message)
}

func lastLines(path string, count int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	if len(lines) > count {
		lines = lines[len(lines)-count:]
	}
	return string(bytes.Join(lines, []byte("\n")))
}
