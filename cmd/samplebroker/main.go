// Command samplebroker runs the sample broker: an Open Service Broker that keeps its instances in memory and creates
// nothing. It is for demonstrations and for tests.
//
//	samplebroker -catalog catalogs/postgres.json -user gateway -listen 127.0.0.1:9101
//
// The password comes from SAMPLEBROKER_PASSWORD. SIGHUP reads the catalog again; SIGINT and SIGTERM end the broker when
// the calls in progress have been answered.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

const (
	// exitFailure is the exit status of what could not be done, exitUsage that of what was not understood.
	exitFailure = 1
	exitUsage   = 2

	readHeaderTimeout = 10 * time.Second
	// shutdownTimeout is how long calls in progress may still take.
	shutdownTimeout = 10 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr, hangup)
	stop()
	os.Exit(status)
}

// run is the whole program. It ends when ctx does, and returns the exit status.
func run(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer, hangup <-chan os.Signal,
) int {
	c, err := parseFlags(args, getenv, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		// The flag package has said what is wrong.
		return exitUsage
	}
	if err := serve(ctx, c, stdout, stderr, hangup); err != nil {
		fmt.Fprintln(stderr, "samplebroker:", err)
		return exitFailure
	}
	return 0
}

func serve(ctx context.Context, c config, stdout, stderr io.Writer, hangup <-chan os.Signal) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	broker, err := samplebroker.New(options)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", c.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: broker, ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "samplebroker listening on http://%s%s\n", listener.Addr(), options.BasePath)

	for {
		select {
		case err := <-served:
			return err
		case <-hangup:
			if err := reload(broker, c.catalog); err != nil {
				fmt.Fprintln(stderr, "samplebroker: the catalog stays as it was:", err)
			} else {
				fmt.Fprintln(stderr, "samplebroker: the catalog was read again")
			}
		case <-ctx.Done():
			broker.Close()
			return shutDown(ctx, server)
		}
	}
}

func reload(broker *samplebroker.Broker, file string) error {
	content, err := os.ReadFile(file) //nolint:gosec // The file is the one that the command line names.
	if err != nil {
		return err
	}
	return broker.SetCatalog(content)
}

// shutDown lets calls in progress end, for a while.
func shutDown(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return server.Close()
	}
	return err
}
