package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run the real program as the command "tocsin", and
// other tests start this very binary as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(asTocsin) != "" {
		os.Exit(mainExitCode())
	}
	testscript.Main(m, map[string]func(){
		"tocsin": func() { os.Exit(mainExitCode()) },
	})
}

// TestScript runs one script per command; they are the command line's manual.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// A script sees no node of the machine it runs on, and a socket path fits.
			e.Setenv("TOCSIN_DATA", "")
			e.Setenv("XDG_RUNTIME_DIR", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/data")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}
