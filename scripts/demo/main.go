//go:build unix

// Command demo is `make run`: it builds the gateway and the sample broker, starts two brokers and the gateway with the
// Caddyfile of this folder, says what to try, and stops all of them on Ctrl-C or when one of them ends.
//
// It is a program and not a script because no shell offers, on every system, what it needs: to hold all children in
// process groups of their own, to notice the first one that ends, and to leave none behind however it is stopped.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

func init() {
	// On Linux a child is told when the thread that started it ends. The main thread ends last.
	runtime.LockOSThread()
}

// settings are the flags.
type settings struct {
	goCommand    string
	directory    string
	binaries     string
	caddyfile    string
	catalogs     string
	password     string
	gatewayPort  int
	adminPort    int
	postgresPort int
	queuePort    int
}

func main() {
	var s settings
	flag.StringVar(&s.goCommand, "go", "go", "the go `command`")
	flag.StringVar(&s.directory, "dir", ".run", "the `folder` for data and logs; emptied first")
	flag.StringVar(&s.binaries, "bin", "bin/dev", "the `folder` for the programs")
	flag.StringVar(&s.caddyfile, "config", "Caddyfile", "the gateway's Caddyfile")
	flag.StringVar(&s.catalogs, "catalogs", "cmd/samplebroker/catalogs", "the `folder` of the sample catalogs")
	flag.StringVar(&s.password, "password", "demo", "the platform's `password`")
	flag.IntVar(&s.gatewayPort, "port", 8080, "the gateway's `port`")
	flag.IntVar(&s.adminPort, "admin-port", 2019, "the `port` of the gateway's admin API")
	flag.IntVar(&s.postgresPort, "broker1-port", 9101, "the `port` of the first broker")
	flag.IntVar(&s.queuePort, "broker2-port", 9102, "the `port` of the second broker")
	flag.Parse()

	if err := run(s, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "make run:", err)
		os.Exit(1)
	}
}

func run(s settings, out io.Writer) error {
	if err := checkPorts([]port{
		{"PORT", s.gatewayPort},
		{"ADMIN_PORT", s.adminPort},
		{"BROKER1_PORT", s.postgresPort},
		{"BROKER2_PORT", s.queuePort},
	}); err != nil {
		return err
	}
	directory, err := filepath.Abs(s.directory)
	if err != nil {
		return fmt.Errorf("finding the folder %s: %w", s.directory, err)
	}
	unlock, err := beginAnew(directory)
	if err != nil {
		return err
	}
	defer unlock()

	fmt.Fprintln(out, "Building the gateway and the sample broker; the first time this takes some minutes.")
	if stopped, err := buildPrograms(s); stopped || err != nil {
		return err
	}
	programs, platform, err := plan(s, directory)
	if err != nil {
		return err
	}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, stopSignals...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group := newGroup(directory, out)
	// Whatever ends this function, nothing is left running.
	defer group.stop(signals)
	for _, p := range programs {
		if err := group.start(p); err != nil {
			return err
		}
	}

	ready := make(chan error, 1)
	go func() { ready <- waitReady(ctx, programs) }()
	for {
		select {
		case err := <-ready:
			if err != nil {
				return err
			}
			catalog, err := platform.catalog(ctx)
			if err != nil {
				return err
			}
			platform.printHelp(out, catalog, s)
			ready = nil
		case ended := <-group.ended:
			return group.explain(ended)
		case <-signals:
			fmt.Fprintln(out, "\nStopping.")
			return nil
		}
	}
}

// stopSignals end the demo: Ctrl-C, make being stopped, the terminal being closed.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// buildPrograms tells whether it was stopped by a signal. It leaves version control out of the programs, which are for
// this machine only.
func buildPrograms(s settings) (stopped bool, err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), stopSignals...)
	defer cancel()
	output := s.binaries + string(filepath.Separator)
	cmd := exec.CommandContext(ctx, s.goCommand,
		"build", "-buildvcs=false", "-o", output, "./cmd/caddy", "./cmd/samplebroker")
	// The go command removes its temporary files when it is asked to stop.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("building: %w", err)
	}
	return false, nil
}
