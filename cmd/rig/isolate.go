package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// isolated marks the process that already works in a mount namespace of its own.
const isolated = "TOCSIN_RIG_ISOLATED"

// isolate runs this very command in a mount namespace of its own, which takes its mounts with it when it ends, and says how
// it ended. Without root there is nothing to mount: done is false and the caller goes on.
func isolate() (code int, done bool) {
	if os.Getuid() != 0 || os.Getenv(isolated) != "" {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Env = append(os.Environ(), isolated+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGTERM}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := c.Start(); errors.Is(err, syscall.EPERM) {
		return 0, false // root of a container that may not mount; the rigs that must say so
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		return 2, true
	}
	ended := make(chan struct{})
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for {
			select {
			case s := <-signals:
				_ = c.Process.Signal(s) // it may have ended already
			case <-ended:
				return
			}
		}
	}()
	_ = c.Wait() // the exit code says it
	close(ended)
	<-forwarded
	return c.ProcessState.ExitCode(), true
}
