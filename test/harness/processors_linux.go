package harness

import (
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startOn starts a command on some processors; on all of them if none is given.
func startOn(command *exec.Cmd, processors []int) error {
	if len(processors) == 0 {
		return command.Start()
	}
	var before, wanted unix.CPUSet
	for _, processor := range processors {
		wanted.Set(processor)
	}
	// A process has the processors of the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return err
	}
	err := command.Start()
	if restored := unix.SchedSetaffinity(0, &before); err == nil {
		err = restored
	}
	return err
}
