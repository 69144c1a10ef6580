package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"tocsin/node/admin/api"
)

// readyWithin is how long a node may take to open; the goal is 5 s, the rest is for telling how slow it was.
const readyWithin = time.Minute

// program is one organisation's node: a folder and, while it runs, a process.
type program struct {
	r    *run
	bin  string
	dir  string
	addr string // where it listens while it runs, with its peer id

	cmd    *exec.Cmd
	stderr tail
	client *api.Client
}

// newProgram founds an organisation in a folder. A node listens on loopback, at a port that it keeps over restarts.
func (r *run) newProgram(bin, dir, name string, args ...string) (*program, error) {
	n := &program{r: r, bin: bin, dir: dir}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	_, err = n.tool(append([]string{"init", "--name", name, "--country", "CH", "--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)}, args...)...)
	r.atEnd(n.kill)
	return n, err
}

// freePort finds a port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// tool runs one command line against the node's folder and returns what it printed.
func (n *program) tool(args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	c := exec.Command(n.bin, append(args, "--data", n.dir)...)
	c.Stdout, c.Stderr = &out, &said
	c.SysProcAttr = dieWithUs()
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s %s: %w: %s", filepath.Base(n.bin), strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return out.Bytes(), nil
}

// launch starts the process and does not wait for it to be ready.
func (n *program) launch(args ...string) (stdout io.Reader, err error) {
	n.cmd = exec.Command(n.bin, append([]string{"run", "--data", n.dir, "-o", "json"}, args...)...)
	n.cmd.Stderr = &n.stderr
	n.cmd.SysProcAttr = dieWithUs()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		n.cmd = nil
		return nil, err
	}
	n.client = api.NewClient(filepath.Join(n.dir, "admin.sock"))
	return out, nil
}

// start runs the node and returns when it is ready, with how long that took.
func (n *program) start(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	out, err := n.launch()
	if err != nil {
		return 0, err
	}
	type answer struct {
		Addrs []string `json:"addrs"`
	}
	said := make(chan answer, 1)
	go func() {
		defer close(said)
		var a answer
		line, err := bufio.NewReader(out).ReadBytes('\n')
		if err == nil && json.Unmarshal(line, &a) == nil {
			said <- a
		}
	}()
	ctx, stop := context.WithTimeout(ctx, readyWithin)
	defer stop()
	select {
	case a, ok := <-said:
		if ok && len(a.Addrs) > 0 {
			n.addr = a.Addrs[0]
			return time.Since(began), nil
		}
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return 0, errors.Join(fmt.Errorf("start the node in %s: %w: %s", n.dir, err, n.stderr.String()), n.kill())
}

// signal sends one to the process.
func (n *program) signal(s syscall.Signal) error { return n.cmd.Process.Signal(s) }

// kill ends the process as a power cut would, if there is one.
func (n *program) kill() error {
	if n.cmd == nil {
		return nil
	}
	c := n.cmd
	n.cmd = nil
	n.client.Close()
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = c.Wait() // it was killed
	return nil
}

// stop ends the process as an operator would. An error says that it did not end well.
func (n *program) stop() error {
	if n.cmd == nil {
		return nil
	}
	c := n.cmd
	n.cmd = nil
	n.client.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() }) // Wait says so
	defer timer.Stop()
	if err := errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait()); err != nil {
		return fmt.Errorf("stop the node in %s: %w: %s", n.dir, err, n.stderr.String())
	}
	return nil
}

// alive reports whether the process still runs.
func (n *program) alive() bool {
	if n.cmd == nil {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.cmd.Process.Pid))
	_, after, _ := bytes.Cut(raw, []byte(") "))
	return err == nil && len(after) > 0 && after[0] != 'Z' && after[0] != 'X'
}

// frozen reports whether every thread of the process is stopped, so that it is in no system call any more.
func (n *program) frozen() bool {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return false
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended
		}
		_, after, _ := bytes.Cut(raw, []byte(") "))
		if len(after) == 0 || after[0] != 'T' {
			return false
		}
	}
	return true
}

// dieWithUs has the kernel kill a child when the rig is killed.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex // guards what follows
	end []byte
}

// Write keeps the last 4 KiB.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-4096):]
	return len(p), nil
}

// String gives them.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.end))
}

// wait lets time pass, or returns earlier when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
