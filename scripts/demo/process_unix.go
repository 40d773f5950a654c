//go:build unix && !linux

package main

import "syscall"

// processAttributes give a program a process group of its own.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
