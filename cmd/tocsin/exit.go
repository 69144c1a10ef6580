package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// The exit codes of the whole tool. Any other code but 0 is a failure too.
const (
	exitDone        = 0   // done; for check: answered, whatever the answer
	exitFailed      = 1   // failed
	exitUsage       = 2   // usage or configuration error
	exitPartly      = 3   // partly done: the items say why
	exitNoNode      = 4   // node not reachable, or still starting
	exitDenied      = 5   // not permitted: rights on the socket or a file
	exitNotFound    = 6   // not found
	exitRefused     = 7   // kept back by local policy: what is named did not leave the node
	exitInvalid     = 8   // verification failed: signature, hash, format
	exitConflict    = 9   // conflict: exists already, node already running
	exitMatch       = 10  // a match, only with check --exit-code
	exitTimedOut    = 124 // the node did not answer in time
	exitInterrupted = 130 // interrupted by a signal
)

const exitCodeHelp = `Exit codes: 0 done, 1 failed, 2 usage or configuration error, 3 partly done,
4 node not reachable or still starting, 5 not permitted, 6 not found, 7 kept back
by policy (what is named did not leave the node), 8 verification failed, 9 conflict (exists
already, node already running), 10 match (check --exit-code), 124 timed out,
130 interrupted.`

// exitError ends a command with an exit code. With a problem it is reported on
// stderr; without one the command has said everything on stdout.
type exitError struct {
	code    int
	problem *api.Problem
}

// Error gives the problem's particulars.
func (e *exitError) Error() string {
	if e.problem == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.problem.Error()
}

// exitWith ends a command with a code after everything was said.
func exitWith(code int) error { return &exitError{code: code} }

// usagef is the error for a command line that cannot be understood (exit 2).
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, problem: api.NewProblem(reason.UsageInvalid, fmt.Sprintf(format, args...))}
}

// asUsage turns an untyped error of the command line parser into a usage error.
func asUsage(err error) error {
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	if reason.Of(err) != "" {
		return err
	}
	return usagef("%v", err)
}

// codeOf maps any error to an exit code and its problem; the problem is nil
// when everything was said.
func codeOf(err error) (int, *api.Problem) {
	if err == nil {
		return exitDone, nil
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code, e.problem
	}
	p := api.ProblemOf(err)
	return exitOfCode(reason.Code(p.Code)), p
}

// exitOfCode is the table from reason codes to exit codes: single codes first,
// then families; whatever is named nowhere is a plain failure.
func exitOfCode(code reason.Code) int {
	if exit, ok := exitCodes[code]; ok {
		return exit
	}
	family, _, _ := strings.Cut(string(code), ".")
	if exit, ok := exitFamilies[family]; ok {
		return exit
	}
	return exitFailed
}

var exitCodes = map[reason.Code]int{
	reason.UsageInvalid:   exitUsage,
	reason.ConfigInvalid:  exitUsage,
	reason.TrustFile:      exitUsage,
	reason.WarnFile:       exitUsage,
	reason.SocketPath:     exitUsage,
	reason.Ambiguous:      exitUsage,
	reason.TopicUnknown:   exitUsage,
	reason.NodeNotFound:   exitNoNode,
	reason.NodeStarting:   exitNoNode,
	reason.AccessDenied:   exitDenied,
	reason.RoleDenied:     exitDenied,
	reason.LoginExpired:   exitDenied,
	reason.LoginRequired:  exitDenied,
	reason.KeyFile:        exitFailed, // this node's own files are damaged: nothing was verified
	reason.IdentityFile:   exitFailed,
	reason.NotFound:       exitNotFound,
	reason.KeyAbsent:      exitNotFound,
	reason.TopicTLP:       exitRefused,
	reason.InputSize:      exitInvalid,
	reason.AuditDamaged:   exitInvalid,
	reason.StoreDamaged:   exitInvalid,
	reason.StateDamaged:   exitInvalid,
	reason.BackupDamaged:  exitInvalid,
	reason.BackupKey:      exitInvalid,
	reason.SyncMessage:    exitInvalid,
	reason.Conflict:       exitConflict,
	reason.NodeExists:     exitConflict,
	reason.NodeRunning:    exitConflict,
	reason.DupHeld:        exitConflict,
	reason.LogFork:        exitConflict,
	reason.TimedOut:       exitTimedOut,
	reason.Interrupted:    exitInterrupted,
	reason.OutputLost:     exitFailed,
	reason.ApprovalNeeded: exitDenied,
	reason.WarnHard:       exitRefused,
}

var exitFamilies = map[string]int{
	"out":     exitRefused,
	"tlp":     exitRefused,
	"json":    exitInvalid,
	"stix":    exitInvalid,
	"pattern": exitInvalid,
	"wire":    exitInvalid,
	"body":    exitInvalid,
	"sig":     exitInvalid,
	"key":     exitInvalid,
	"cert":    exitInvalid,
	"chain":   exitInvalid,
	"proof":   exitInvalid,
	"topic":   exitInvalid,
	"kind":    exitInvalid,
	"time":    exitInvalid,
	"version": exitInvalid,
	"alg":     exitInvalid,
	"claim":   exitInvalid,
	"invite":  exitInvalid,
	"bundle":  exitInvalid,
}

// finish reports what ended the command and gives the exit code.
func (g *globals) finish(err error) int {
	code, problem := codeOf(g.withLost(err))
	if problem == nil {
		return code
	}
	if g.format == "text" {
		writeProblem(g.err, problem)
		return code
	}
	raw, _ := json.Marshal(problem) // strings and an int: cannot fail
	fmt.Fprintf(g.err, "%s\n", raw)
	return code
}

// withLost is a command's error in the light of what happened to stdout. Whoever
// reads from a pipe may have enough at any time: that is no failure. Any other lost
// answer is one, unless the command failed for a reason of its own.
func (g *globals) withLost(err error) error {
	lost := g.lost()
	if lost == nil {
		return err
	}
	_, problem := codeOf(err)
	if problem != nil && !errors.Is(err, lost) {
		return err
	}
	if errors.Is(lost, syscall.EPIPE) {
		if problem != nil {
			return nil
		}
		return err
	}
	return reason.Wrap(reason.OutputLost, "write the answer", lost)
}

// writeProblem says for people what went wrong, why, and what to do.
func writeProblem(w io.Writer, p *api.Problem) {
	fmt.Fprintf(w, "tocsin: %s\n", clean(p.Detail))
	if p.Title != "" && p.Title != p.Code {
		fmt.Fprintf(w, "  why: %s [%s]\n", clean(p.Title), p.Code)
	} else {
		fmt.Fprintf(w, "  why: [%s]\n", p.Code)
	}
	if p.Fix != "" {
		fmt.Fprintf(w, "  fix: %s\n", clean(p.Fix))
	}
}
