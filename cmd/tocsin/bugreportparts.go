package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"runtime"
	"slices"

	"tocsin/node/logs"
)

func cpus() int { return runtime.GOMAXPROCS(0) }

// indented lays JSON out for people.
func indented(raw []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return raw
	}
	return append(out.Bytes(), '\n')
}

// reportConfig lists the configuration. Texts of settings that are not named here, such as names of hosts, are taken out whole.
func (g *globals) reportConfig(r *logs.Redactor) ([]byte, error) {
	cfg, from, err := loadConfig(g)
	if err != nil {
		return nil, err
	}
	values := configValues(cfg, from, true)
	for i, v := range values {
		told := slices.Contains([]string{"network", "listen", "topics", "peers", "log_level", "admin"}, v.Key)
		values[i].Origin = r.Text(v.Origin)
		switch text := v.Value.(type) {
		case string:
			values[i].Value = r.Setting(v.Key, text, told)
		case []string:
			out := []string{}
			for _, t := range text {
				out = append(out, r.Setting(v.Key, t, told))
			}
			values[i].Value = out
		}
	}
	var out bytes.Buffer
	if err := writeJSON(&out, values); err != nil {
		return nil, err
	}
	return indented(out.Bytes()), nil
}

// rename calls a key otherwise wherever it stands: the word under "check" is told, a name is not.
func rename(v any, from, to string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = rename(v[i], from, to)
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if k == from {
				k = to
			}
			out[k] = rename(x, from, to)
		}
		return out
	}
	return v
}

// shortPaths leaves the last two parts of the paths of source files: the others say where the program was built.
func shortPaths(stacks []byte) []byte {
	return regexp.MustCompile(`(?m)^\t\S*?([^/\s]+/[^/\s]+\.(?:go|s):\d+)`).ReplaceAll(stacks, []byte("\t$1"))
}
