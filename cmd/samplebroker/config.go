package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/osb-gateway/caddy-osb-gateway/internal/samplebroker"
)

const passwordVariable = "SAMPLEBROKER_PASSWORD"

// config is what the command line says.
type config struct {
	listen         string
	catalog        string
	instances      string
	user, password string
	requireVersion bool
	stateStatus    int
	basePath       string
	faults         []samplebroker.Fault
}

// parseFlags reads the command line. What is wrong with it is written to stderr.
func parseFlags(args []string, getenv func(string) string, stderr io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("samplebroker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.listen, "listen", "127.0.0.1:9101", "the `address` to listen on; port 0 takes a free one")
	flags.StringVar(&c.catalog, "catalog", "", "the `file` with the catalog; SIGHUP reads it again")
	flags.StringVar(&c.instances, "instances", "", "a `file` with instances that exist already")
	flags.StringVar(&c.user, "user", "", "the user name that callers need; without one nobody needs any")
	flags.StringVar(&c.password, "password", "", "the password that callers need; by default "+passwordVariable)
	flags.BoolVar(&c.requireVersion, "require-version", true, "refuse calls without X-Broker-API-Version")
	flags.IntVar(&c.stateStatus, "state-status", http.StatusNoContent,
		"the `status` of a successful PUT of the enabled state: 204, or 200 with the state")
	flags.StringVar(&c.basePath, "base-path", "", "the `path` that all paths begin with")
	flags.Func("fault", "a `rule` by which calls go wrong, as JSON; repeatable", func(rule string) error {
		faults, err := samplebroker.ParseFaults([]byte("[" + rule + "]"))
		c.faults = append(c.faults, faults...)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q", flags.Arg(0))
		fmt.Fprintln(stderr, "samplebroker:", err)
		return c, err
	}
	if c.password == "" {
		c.password = getenv(passwordVariable)
	}
	return c, nil
}

// options reads the files.
func (c config) options() (samplebroker.Options, error) {
	options := samplebroker.Options{
		User: c.user, Password: c.password, VersionOptional: !c.requireVersion, StateStatus: c.stateStatus,
		BasePath: c.basePath, Faults: c.faults,
	}
	if c.catalog == "" {
		return options, errors.New("-catalog is required")
	}
	var err error
	if options.Catalog, err = os.ReadFile(c.catalog); err != nil {
		return options, err
	}
	if c.instances == "" {
		return options, nil
	}
	content, err := os.ReadFile(c.instances)
	if err != nil {
		return options, err
	}
	if options.Instances, err = samplebroker.ParseInstances(content); err != nil {
		return options, fmt.Errorf("reading %s: %w", c.instances, err)
	}
	return options, nil
}
