// Command build is `make build`. It builds Caddy with the gateway of this checkout as xcaddy.json says: with xcaddy
// where that is installed, else with `go build ./cmd/caddy`. Both give the same modules.
//
// The xcaddy command reads no file, so the manifest, which has the shape of xcaddy's own Builder type, is turned into
// its arguments and environment here.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	output := flag.String("o", "bin/caddy", "the `file` to write")
	manifestPath := flag.String("manifest", "xcaddy.json", "the build manifest, a `file`")
	flag.Parse()
	if err := build(*manifestPath, *output); err != nil {
		fmt.Fprintln(os.Stderr, "make build:", err)
		os.Exit(1)
	}
}

func build(manifestPath, output string) error {
	manifest, err := readManifest(manifestPath)
	if err != nil {
		return err
	}
	var c command
	if xcaddy, err := exec.LookPath("xcaddy"); err == nil {
		fmt.Printf("building %s with xcaddy (%s)\n", output, xcaddy)
		c = xcaddyCommand(xcaddy, manifest, output)
	} else {
		fmt.Printf("building %s with go build ./cmd/caddy, for xcaddy is not installed\n", output)
		c = goCommand(manifest, output)
	}
	cmd := exec.CommandContext(context.Background(), c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w", strings.Join(c.args, " "), err)
	}
	return nil
}
