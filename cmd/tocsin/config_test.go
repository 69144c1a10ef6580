package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// write puts files under dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Precedence: --set over environment over conf.d over tocsin.toml over defaults, and each
// value says where it came from.
func TestConfigPrecedence(t *testing.T) {
	isolate(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"tocsin.toml":       "network = 'file'\nlog_level = 'debug'\nmdns = true\ntopics = ['fraud']\n",
		"conf.d/20-b.toml":  "network = 'second'\n",
		"conf.d/10-a.toml":  "network = 'first'\nlog_level = 'warn'\n",
		"conf.d/ignored.md": "not = configuration",
	})
	t.Setenv("TOCSIN_LISTEN", "/ip4/127.0.0.1/tcp/0, /ip4/127.0.0.1/udp/0/quic-v1")
	t.Setenv("TOCSIN_LOG_LEVEL", "error")
	g := &globals{data: dir, set: []string{"mdns=false", "peers="}}
	cfg, from, err := loadConfig(g)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Network != "second" || cfg.LogLevel != "error" || cfg.MDNS || !slices.Equal(cfg.Topics, []string{"fraud"}) {
		t.Errorf("configuration %+v", cfg)
	}
	if want := []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}; !slices.Equal(cfg.Listen, want) {
		t.Errorf("listen %q", cfg.Listen)
	}
	for key, want := range map[string]string{
		"network": filepath.Join(dir, "conf.d/20-b.toml"), "topics": filepath.Join(dir, "tocsin.toml"),
		"log_level": "environment TOCSIN_LOG_LEVEL", "listen": "environment TOCSIN_LISTEN", "mdns": "--set", "peers": "--set",
	} {
		if from[key] != want {
			t.Errorf("%s comes from %q, want %q", key, from[key], want)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	isolate(t)
	cfg, from, err := loadConfig(&globals{data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Network != "main" || len(cfg.Topics) == 0 {
		t.Errorf("defaults %+v", cfg)
	}
	for key, origin := range from {
		if origin != originDefault {
			t.Errorf("%s comes from %q", key, origin)
		}
	}
}

// A configuration that cannot be used names file, line, column and what was
// meant, and stays as it is.
func TestConfigRefused(t *testing.T) {
	isolate(t)
	for name, c := range map[string]struct {
		file, text string
		set        []string
		want       []string
	}{
		"unknown key":      {"tocsin.toml", "network = 'x'\nlisen = []\n", nil, []string{"tocsin.toml line 2 column 1", `"lisen"`, `did you mean "listen"?`}},
		"nothing like it":  {"tocsin.toml", "colour_of_the_sky = 1\n", nil, []string{"line 1", "unknown key"}},
		"wrong type":       {"conf.d/a.toml", "\nmdns = 'yes'\n", nil, []string{"a.toml line 2 column 8"}},
		"no TOML":          {"tocsin.toml", "network = \n", nil, []string{"tocsin.toml line 1"}},
		"double key":       {"tocsin.toml", "mdns = true\nmdns = true\n", nil, []string{"line 2"}},
		"YAML's no":        {"tocsin.toml", "network: main\n", nil, []string{"line 1"}},
		"bad value":        {"tocsin.toml", "topics = ['No Topic']\n", nil, []string{"tocsin.toml", "topics", "No Topic"}},
		"bad address":      {"tocsin.toml", "listen = ['localhost:80']\n", nil, []string{"tocsin.toml", "listen", "localhost:80"}},
		"too large":        {"tocsin.toml", "#" + strings.Repeat("x", maxConfigBytes), nil, []string{"bytes, at most"}},
		"set unknown":      {"tocsin.toml", "", []string{"log_levl=debug"}, []string{"--set", `did you mean "log_level"?`}},
		"set no bool":      {"tocsin.toml", "", []string{"mdns=maybe"}, []string{"--set", "true or false"}},
		"set without sign": {"tocsin.toml", "", []string{"mdns"}, []string{"key=value"}},
		"set bad value":    {"tocsin.toml", "", []string{"log_level=loud"}, []string{"log_level", "loud"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{c.file: c.text})
			_, _, err := loadConfig(&globals{data: dir, set: c.set})
			if err == nil {
				t.Fatal("it was taken")
			}
			if exit, _ := codeOf(err); exit != exitUsage {
				t.Errorf("exit %d (%s), want %d", exit, reason.Of(err), exitUsage)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not name %q", err, want)
				}
			}
			if raw, _ := os.ReadFile(filepath.Join(dir, c.file)); string(raw) != c.text {
				t.Error("the file was changed")
			}
		})
	}
}

// A variable with our prefix that is no key is named, not refused: a service
// manager puts its own there (TOCSIN_PORT for a service called tocsin).
func TestForeignEnvironment(t *testing.T) {
	isolate(t)
	t.Setenv("TOCSIN_PORT", "tcp://10.0.0.1:80")
	t.Setenv("TOCSIN_NETWROK", "x")
	var errs bytes.Buffer
	g := &globals{data: t.TempDir(), format: "text", streams: streams{err: &errs}}
	if _, _, err := loadConfig(g); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TOCSIN_PORT", `TOCSIN_NETWROK`, `did you mean "network"?`} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("hints %q do not name %q", errs.String(), want)
		}
	}
}

// What config show prints can stand in tocsin.toml.
func TestConfigShowIsTOML(t *testing.T) {
	isolate(t)
	exit, out, errs := capture(t, strings.NewReader(""), "config", "show", "--origin", "--data", t.TempDir(), "--set", "network=abc", "-o", "text")
	if exit != exitDone {
		t.Fatalf("exit %d: %s", exit, errs)
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"tocsin.toml": string(out)})
	cfg, _, err := loadConfig(&globals{data: dir})
	if err != nil || cfg.Network != "abc" {
		t.Errorf("read back: %+v, %v\n%s", cfg, err, out)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		d    int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"lisen", "listen", 1}, {"kitten", "sitting", 3}, {"", "abc", 3}, {"netwrok", "network", 2}} {
		if got := distance(c.a, c.b); got != c.d || distance(c.b, c.a) != c.d {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.d)
		}
	}
}
