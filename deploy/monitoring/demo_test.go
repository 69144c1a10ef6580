package monitoring_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a federation may take to start, and Prometheus to have what is asked for.
const patience = 90 * time.Second

// TestDemo has Prometheus scrape the nodes of the demonstration with tokens, and wants data for each query of the dashboards.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT CHECKED: builds the program and runs a federation")
	}
	prometheus := tool(t, "prometheus")
	dir := t.TempDir()
	bin := filepath.Join(dir, "tocsin")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/tocsin").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data := filepath.Join(dir, "demo")
	start(t, `The nodes run until Ctrl-C`, bin, "demo", "--data", data)
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s}\nscrape_configs:\n")
	for _, folder := range []string{"northland", "southport", "bank", "university", "researcher"} {
		home := filepath.Join(data, folder)
		token := filepath.Join(dir, folder+".token")
		run(t, bin, "token", "create", "scrape", "--role", "viewer", "--expires", "1d", "--out", token, "--data", home)
		var status struct{ Admin []string }
		if err := json.Unmarshal(run(t, bin, "status", "-o", "json", "--data", home), &status); err != nil || len(status.Admin) == 0 {
			t.Fatalf("%s: admin addresses %v, %v", folder, status.Admin, err)
		}
		refusedWithout(t, status.Admin[0])
		config.WriteString(fmt.Sprintf("- job_name: %s\n  authorization: {credentials_file: %q}\n  static_configs: [{targets: [%q]}]\n", folder, token, status.Admin[0]))
	}
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	address := start(t, `msg="Listening on" address=(\S+)`, prometheus, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address=127.0.0.1:0")
	await(t, address, append(queries(t), query{"all nodes", "count(up == 1) == 5"}))
}

// refusedWithout wants nothing shown to somebody without a token.
func refusedWithout(t *testing.T, address string) {
	t.Helper()
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "tocsin_") {
		t.Errorf("without a token: %d %s, %v", res.StatusCode, body, err)
	}
}

func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		detail := ""
		if exit, ok := err.(*exec.ExitError); ok {
			detail = string(exit.Stderr)
		}
		t.Fatalf("%v: %v\n%s", args, err, detail)
	}
	return out
}

// start runs a program until the test ends. It returns once a line matches, with the line's first group.
func start(t *testing.T, line, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = cmd.Wait() // it is told to end
		_ = w.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-over:
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end", filepath.Base(name))
			_ = cmd.Process.Kill()
			<-over
		}
	})
	found := make(chan string, 1)
	go func() {
		pattern := regexp.MustCompile(line)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if m := pattern.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[len(m)-1]:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line that is too long must not stop the program
	}()
	select {
	case got := <-found:
		return got
	case <-over:
		t.Fatalf("%s ended before %q", filepath.Base(name), line)
	case <-time.After(patience):
		t.Fatalf("%s did not say %q in time", filepath.Base(name), line)
	}
	return ""
}

// await asks until each query had data.
func await(t *testing.T, address string, open []query) {
	t.Helper()
	if len(open) < 30 {
		t.Fatalf("only %d queries", len(open))
	}
	deadline, tick := time.After(patience), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var left []query
		for _, q := range open {
			if !answered(t, address, q) {
				left = append(left, q)
			}
		}
		if open = left; len(open) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			for _, q := range open {
				t.Errorf("%s has no data: %s", q.where, q.expr)
			}
			return
		}
	}
}

// answered reports whether a query gives any data now.
func answered(t *testing.T, address string, q query) bool {
	t.Helper()
	res, err := http.PostForm("http://"+address+"/api/v1/query", url.Values{"query": {q.expr}})
	if err != nil {
		return false // it has only begun to listen
	}
	defer res.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	if answer.Status != "success" {
		t.Fatalf("%s: %s: %s", q.where, q.expr, answer.Error)
	}
	return len(answer.Data.Result) > 0
}
