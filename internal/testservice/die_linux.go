package testservice

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the service when the test is killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
