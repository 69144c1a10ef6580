package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// documented are the exit codes of the table in help.
var documented = []int{
	exitDone, exitFailed, exitUsage, exitPartly, exitNoNode, exitDenied, exitNotFound, exitRefused,
	exitInvalid, exitConflict, exitMatch, exitTimedOut, exitInterrupted,
}

// absentNode says for each command how it is called here, where no node runs,
// and the exit code it must end with.
var absentNode = map[string]struct {
	args []string
	exit int
}{
	"advise":                     {[]string{"0123456789", "--evidence", "0123456789", "--until", "30d", "--reason", "r"}, exitNoNode},
	"audit":                      {nil, exitNoNode},
	"audit checkpoint":           {nil, exitNoNode},
	"audit checkpoint held":      {nil, exitNoNode},
	"audit checkpoint list":      {nil, exitNoNode},
	"audit checkpoint make":      {nil, exitNoNode},
	"audit export":               {[]string{"copy.jsonl"}, exitNoNode},
	"audit search":               {[]string{"phish"}, exitNoNode},
	"audit tail":                 {nil, exitNoNode},
	"audit verify":               {nil, exitNotFound},
	"bundle":                     {nil, exitNoNode},
	"bundle export":              {[]string{"--all", "--max-tlp", "green", "--to", "week.tocsin"}, exitNoNode},
	"bundle gaps":                {nil, exitNoNode},
	"bundle heads":               {nil, exitNoNode},
	"bundle import":              {[]string{"absent.tocsin"}, exitNotFound},
	"bundle key":                 {[]string{"--out", "me.age"}, exitDone},
	"bundle list":                {nil, exitNoNode},
	"bundle show":                {[]string{"01234567"}, exitNoNode},
	"bundle spool":               {[]string{"--out", "out", "--max-tlp", "green", "--once"}, exitNoNode},
	"backup":                     {nil, exitUsage}, // without a folder
	"backup create":              {[]string{"--to", "backups"}, exitNoNode},
	"backup drill":               {[]string{"--from", "absent"}, exitNotFound},
	"backup keys":                {[]string{"absent.age"}, exitNotFound},
	"backup list":                {[]string{"--from", "absent"}, exitNotFound},
	"backup verify":              {[]string{"--from", "absent"}, exitNotFound},
	"check":                      {[]string{"192.0.2.1"}, exitNoNode},
	"commit":                     {[]string{"--until", "30d"}, exitNoNode},
	"completion":                 {[]string{"bash"}, exitDone},
	"config":                     {nil, exitDone},
	"config check":               {nil, exitNoNode}, // --data names a folder that is not there
	"config show":                {[]string{"--origin"}, exitDone},
	"debug":                      {nil, exitUsage}, // without saying what
	"debug bugreport":            {[]string{"--list"}, exitDone},
	"debug canonical":            {nil, exitDone},
	"debug log-level":            {nil, exitNoNode},
	"debug pattern":              {nil, exitDone},
	"debug recon":                {nil, exitDone},
	"debug sco-id":               {nil, exitDone},
	"debug stix":                 {nil, exitDone},
	"dispute":                    {[]string{"0123456789", "--reason", "r"}, exitNoNode},
	"doctor":                     {[]string{"--check", "luck"}, exitUsage}, // no such check; what it finds is an answer, also when it is bad
	"evidence":                   {[]string{"0123456789"}, exitNoNode},
	"erase":                      {[]string{"0123456789", "--reason", "r", "--yes"}, exitNoNode},
	"explain":                    {[]string{"192.0.2.1"}, exitNoNode},
	"fsck":                       {nil, exitNotFound},
	"help":                       {[]string{"check"}, exitDone},
	"init":                       {nil, exitUsage}, // without a name
	"invite":                     {nil, exitNoNode},
	"invite accept":              {[]string{"tocsin:invite/pQ", "--petname", "p"}, exitNoNode},
	"invite cancel":              {[]string{"01234567"}, exitNoNode},
	"invite confirm":             {[]string{"01234567"}, exitNoNode},
	"invite create":              {nil, exitNoNode},
	"invite list":                {nil, exitNoNode},
	"keys":                       {nil, exitNoNode},
	"keys ceremony":              {nil, exitUsage}, // without saying which step
	"keys ceremony finish":       {[]string{"absent.cbor", "part.cbor"}, exitNotFound},
	"keys ceremony new-root-key": {nil, exitUsage}, // without a file
	"keys ceremony propose":      {[]string{"operations", "--text"}, exitNoNode},
	"keys ceremony show":         {[]string{"absent.cbor"}, exitNotFound},
	"keys ceremony sign":         {[]string{"absent.cbor", "--key", "root.key"}, exitNotFound},
	"keys export":                {nil, exitNoNode},
	"keys publish":               {[]string{"absent.cbor"}, exitNotFound},
	"keys revoke":                {[]string{"0123456789", "--yes"}, exitNoNode},
	"keys rotate":                {nil, exitNoNode},
	"keys show":                  {nil, exitNoNode},
	"peers":                      {nil, exitNoNode},
	"peers add":                  {[]string{"/ip4/192.0.2.1/tcp/1/p2p/x"}, exitNoNode},
	"peers list":                 {nil, exitNoNode},
	"peers remove":               {[]string{"12D3KooWabc"}, exitNoNode},
	"pledges":                    {nil, exitNoNode},
	"publish":                    {[]string{"--topic", "fraud", "-"}, exitNoNode},
	"quarantine":                 {nil, exitNoNode},
	"quarantine accept":          {[]string{"0123456789"}, exitNoNode},
	"quarantine list":            {nil, exitNoNode},
	"quarantine reject":          {[]string{"0123456789"}, exitNoNode},
	"reasons":                    {[]string{"sig.invalid"}, exitDone},
	"restore":                    {[]string{"--from", "absent", "--yes"}, exitNotFound},
	"review":                     {nil, exitNoNode},
	"review accept":              {[]string{"anchor-01234567", "--reason", "r"}, exitNoNode},
	"review list":                {nil, exitNoNode},
	"review reject":              {[]string{"anchor-01234567", "--reason", "r"}, exitNoNode},
	"review show":                {[]string{"anchor-01234567"}, exitNoNode},
	"run":                        {nil, exitNoNode}, // no node was founded there
	"search":                     {[]string{"phish"}, exitNoNode},
	"show":                       {[]string{"0123456789"}, exitNoNode},
	"sight":                      {[]string{"192.0.2.1"}, exitNoNode},
	"status":                     {nil, exitNoNode},
	"sync":                       {nil, exitNoNode},
	"sync gaps":                  {nil, exitNoNode},
	"sync now":                   {[]string{"12D3KooWabc"}, exitNoNode},
	"sync status":                {nil, exitNoNode},
	"sync verify":                {nil, exitNoNode},
	"tail":                       {nil, exitNoNode},
	"top":                        {nil, exitNoNode},
	"token":                      {nil, exitNoNode},
	"token create":               {[]string{"siem", "--role", "viewer"}, exitNoNode},
	"token list":                 {nil, exitNoNode},
	"token revoke":               {[]string{"siem"}, exitNoNode},
	"topics":                     {nil, exitNoNode},
	"topics join":                {[]string{"fraud"}, exitNoNode},
	"topics leave":               {[]string{"fraud"}, exitNoNode},
	"topics list":                {nil, exitNoNode},
	"trust":                      {nil, exitNoNode},
	"trust add":                  {[]string{"0123456789", "--petname", "p", "--level", "partner", "--expires", "30d"}, exitNoNode},
	"trust diff":                 {[]string{"-"}, exitNoNode},
	"trust export":               {nil, exitNoNode},
	"trust import":               {[]string{"-"}, exitNoNode},
	"trust list":                 {nil, exitNoNode},
	"trust log":                  {nil, exitNoNode},
	"trust reload":               {nil, exitNoNode},
	"trust remove":               {[]string{"0123456789"}, exitNoNode},
	"trust restore":              {[]string{"0123456789", "--reason", "r"}, exitNoNode},
	"trust rollback":             {[]string{"--key", "0123456789", "--after", "3", "--reason", "r"}, exitNoNode},
	"trust scorecard":            {nil, exitNoNode},
	"trust set":                  {[]string{"0123456789", "--level", "anchor"}, exitNoNode},
	"trust show":                 {[]string{"0123456789"}, exitNoNode},
	"trust simulate":             {[]string{"-"}, exitNoNode},
	"ui":                         {[]string{"--print"}, exitNoNode},
	"vacuum":                     {nil, exitNoNode},
	"verify":                     {[]string{"absent.file"}, exitNotFound},
	"version":                    {nil, exitDone},
	"vouch":                      {[]string{"0123456789", "--until", "30d", "--reason", "r"}, exitNoNode},
	"warnings":                   {nil, exitNoNode},
	"warnings check":             {[]string{"192.0.2.1"}, exitNoNode},
	"warnings lint":              {[]string{"absent.txt"}, exitNotFound},
	"warnings list":              {nil, exitNoNode},
	"warnings reload":            {nil, exitNoNode},
}

// Every command keeps the JSON contract where no node runs: stdout is empty or
// one JSON value, stderr is empty or one problem object, the exit code is documented.
func TestEveryCommandKeepsTheContract(t *testing.T) {
	isolate(t)
	seen := map[string]bool{}
	root := newRootCommand(&globals{})
	root.InitDefaultHelpCmd()
	walkCommands(root, func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "tocsin ")
		if name == "demo" || name == "tocsin" || !c.Runnable() {
			return // the demonstration starts five nodes; it has a test of its own
		}
		seen[name] = true
		call, ok := absentNode[name]
		if !ok {
			t.Errorf("command %q is not in the table of this test", name)
			return
		}
		t.Run(name, func(t *testing.T) {
			args := append(strings.Fields(name), call.args...)
			args = append(args, "-o", "json", "--data", filepath.Join(t.TempDir(), "absent"))
			exit, out, errs := capture(t, strings.NewReader(""), args...)
			if exit != call.exit {
				t.Errorf("exit %d, want %d; stderr %s", exit, call.exit, errs)
			}
			checkStreams(t, exit, out, errs)
		})
	})
	for name := range absentNode {
		if !seen[name] {
			t.Errorf("the table names %q, which is no command", name)
		}
	}
}

// Nonsense in place of arguments is a usage error everywhere, with a problem and
// nothing on stdout.
func TestEveryCommandRefusesUnknownFlags(t *testing.T) {
	isolate(t)
	walkCommands(newRootCommand(&globals{}), func(c *cobra.Command) {
		if !c.Runnable() || c.DisableFlagParsing {
			return
		}
		args := append(strings.Fields(c.CommandPath())[1:], "--no-such-flag", "-o", "json")
		exit, out, errs := capture(t, strings.NewReader(""), args...)
		if exit != exitUsage || len(out) > 0 || !strings.Contains(errs, `"code":"usage.invalid"`) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", c.CommandPath(), exit, out, errs)
		}
	})
}

// Every command has help that a person can read.
func TestEveryCommandHasHelp(t *testing.T) {
	walkCommands(newRootCommand(&globals{}), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q: want a line without a full stop", c.CommandPath(), c.Short)
		}
	})
}

// Every reason code ends in a documented exit code.
func TestEveryReasonHasAnExitCode(t *testing.T) {
	for _, e := range reason.All() {
		if exit := exitOfCode(e.Code); exit == exitDone || !slices.Contains(documented, exit) {
			t.Errorf("%s: exit code %d is not documented", e.Code, exit)
		}
	}
	for code, want := range map[reason.Code]int{
		reason.UsageInvalid: 2, reason.ConfigInvalid: 2, reason.SocketPath: 2, reason.TrustFile: 2,
		reason.NodeNotFound: 4, reason.NodeStarting: 4, reason.AccessDenied: 5, reason.NotFound: 6,
		reason.OutTLP: 7, reason.OutAudience: 7, reason.STIXFormat: 8, reason.JSONDepth: 8, reason.SigInvalid: 8, reason.ProofInvalid: 8,
		reason.BodyRoot: 8, reason.NodeExists: 9, reason.NodeRunning: 9, reason.Conflict: 9,
		reason.TimedOut: 124, reason.Interrupted: 130, reason.Internal: 1, reason.PeerDial: 1, reason.StoreFull: 1, "no.such": 1,
	} {
		if got := exitOfCode(code); got != want {
			t.Errorf("%s: exit %d, want %d", code, got, want)
		}
	}
}

// isolate hides the nodes and settings of the machine that the test runs on.
func isolate(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		t.Setenv(name, dir)
	}
	t.Setenv("TOCSIN_DATA", "")
	t.Chdir(dir)
}

func walkCommands(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walkCommands(sub, visit)
	}
}

// capture runs one command line in this process.
func capture(t *testing.T, in io.Reader, args ...string) (exit int, out []byte, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	exit = run(context.Background(), args, streams{in: in, out: &stdout, err: &stderr})
	return exit, stdout.Bytes(), stderr.String()
}

func checkStreams(t *testing.T, exit int, out []byte, errs string) {
	t.Helper()
	if !slices.Contains(documented, exit) {
		t.Errorf("exit code %d is not documented", exit)
	}
	if n := countJSON(t, out); n > 1 {
		t.Errorf("%d JSON values on stdout", n)
	}
	if exit == exitDone && errs != "" {
		t.Errorf("stderr %q although all went well", errs)
	}
	if exit == exitDone || exit == exitPartly || exit == exitMatch {
		return
	}
	if len(out) > 0 {
		t.Errorf("a failure wrote to stdout: %q", out)
	}
	var p api.Problem
	d := json.NewDecoder(strings.NewReader(errs))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Code == "" || p.Detail == "" || p.Blame == "" || p.Fix == "" {
		t.Errorf("stderr is no problem object with code, detail, fix and blame (%v): %q", err, errs)
	}
	if d.More() {
		t.Errorf("more than one value on stderr: %q", errs)
	}
}

func countJSON(t *testing.T, raw []byte) (n int) {
	t.Helper()
	for d := json.NewDecoder(bytes.NewReader(raw)); ; n++ {
		var v any
		switch err := d.Decode(&v); err {
		case nil:
		case io.EOF:
			return n
		default:
			t.Fatalf("stdout is no JSON: %v: %.200q", err, raw)
		}
	}
}

// A socket path that is too long names the length, the limit and the remedy.
func TestSocketPathTooLong(t *testing.T) {
	isolate(t)
	for _, c := range []struct {
		length int // of the whole socket path
		exit   int
		code   string
	}{{107, exitNoNode, "node.absent"}, {108, exitUsage, "socket.path"}} {
		dir := "/" + strings.Repeat("d", c.length-len("/admin.sock")-1)
		exit, out, errs := capture(t, strings.NewReader(""), "status", "-o", "json", "--data", dir)
		if exit != c.exit || len(out) > 0 || !strings.Contains(errs, `"code":"`+c.code+`"`) {
			t.Errorf("path of %d bytes: exit %d, stderr %s", c.length, exit, errs)
		}
	}
}

// A file that is no socket, or a folder nobody may enter, is said as such.
func TestSocketThatCannotBeUsed(t *testing.T) {
	isolate(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "admin.sock"), []byte("not a socket"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit, _, errs := capture(t, strings.NewReader(""), "status", "--data", dir); exit != exitNoNode {
		t.Errorf("a plain file as socket: exit %d: %s", exit, errs)
	}
	if os.Geteuid() == 0 {
		t.Skip("SKIPPED: root may enter every folder")
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if exit, _, errs := capture(t, strings.NewReader(""), "status", "--data", dir); exit != exitDenied {
		t.Errorf("a folder nobody may enter: exit %d: %s", exit, errs)
	}
}
