//go:build !linux

package harness

import "os/exec"

// startOn starts a command on any processors.
func startOn(command *exec.Cmd, _ []int) error { return command.Start() }
