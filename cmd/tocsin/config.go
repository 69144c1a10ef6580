package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	tomlparser "github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/pelletier/go-toml/v2"

	"tocsin/node"
	"tocsin/protocol/reason"
)

// maxConfigBytes bounds one configuration file.
const maxConfigBytes = 1 << 20

// envPrefix starts the environment variables that configure: TOCSIN_A__B is a.b.
const envPrefix = "TOCSIN_"

// originDefault is the origin of a value that no layer sets.
const originDefault = "default"

// origins says of each configuration key where its value comes from.
type origins map[string]string

// layers collects configuration from the weakest source to the strongest.
type layers struct {
	merged *koanf.Koanf
	from   origins
	keys   map[string]reflect.Kind
}

// loadConfig reads the node's configuration: defaults, tocsin.toml, conf.d in
// name order, environment, --set; each overrules what came before. Every file is read
// strictly; errors are config.invalid and name file, line and column.
func loadConfig(g *globals) (node.Config, origins, error) {
	paths, err := g.paths()
	if err != nil {
		return node.Config{}, nil, err
	}
	l := &layers{merged: koanf.New("."), from: origins{}, keys: configKeys(reflect.TypeFor[node.Config](), "")}
	for key := range l.keys {
		l.from[key] = originDefault
	}
	files, err := configFiles(paths)
	if err != nil {
		return node.Config{}, nil, err
	}
	for _, file := range files {
		if err := l.addFile(file); err != nil {
			return node.Config{}, nil, err
		}
	}
	for _, unknown := range l.addEnvironment() {
		g.hint("environment variable %s names no configuration key%s; ignored", unknown, l.meant(envKey(unknown)))
	}
	if err := l.addSettings(g.set); err != nil {
		return node.Config{}, nil, err
	}
	var cfg node.Config
	if err := l.merged.Unmarshal("", &cfg); err != nil {
		return node.Config{}, nil, reason.Wrap(reason.ConfigInvalid, "read the configuration", err)
	}
	cfg = cfg.WithDefaults()
	cfg.Admin = cfg.AdminAddrs(paths)
	if err := cfg.Validate(); err != nil {
		return cfg, l.from, err
	}
	return cfg, l.from, cfg.CheckAdmin(paths)
}

// configFiles lists tocsin.toml and conf.d/*.toml, those that exist.
func configFiles(paths node.Paths) ([]string, error) {
	more, err := filepath.Glob(filepath.Join(paths.Config, "conf.d", "*.toml"))
	if err != nil {
		return nil, reason.Wrap(reason.ConfigInvalid, "list conf.d in "+paths.Config, err)
	}
	slices.Sort(more)
	if _, err := os.Lstat(paths.ConfigFile()); errors.Is(err, fs.ErrNotExist) {
		return more, nil
	}
	return append([]string{paths.ConfigFile()}, more...), nil
}

// addFile lays one file over what is there.
func (l *layers) addFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return reason.Wrap(reason.ConfigInvalid, "read the configuration", err)
	}
	if len(raw) > maxConfigBytes {
		return reason.New(reason.ConfigInvalid, fmt.Sprintf("read %s: %d bytes, at most %d", path, len(raw), maxConfigBytes))
	}
	var strict node.Config
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&strict); err != nil {
		return l.fileError(path, err)
	}
	if err := strict.Validate(); err != nil {
		return reason.Wrap(reason.ConfigInvalid, path, err)
	}
	before := koanf.New(".")
	if err := before.Load(rawbytes.Provider(raw), tomlparser.Parser()); err != nil {
		return reason.Wrap(reason.ConfigInvalid, "read "+path, err)
	}
	for _, key := range before.Keys() {
		l.from[key] = path
	}
	return l.merged.Merge(before)
}

// fileError names the place of what go-toml refused, and what was probably meant.
func (l *layers) fileError(path string, err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		first := e.Errors[0]
		line, column := first.Position()
		key := strings.Join(first.Key(), ".")
		return reason.New(reason.ConfigInvalid,
			fmt.Sprintf("%s line %d column %d: unknown key %q%s", path, line, column, key, l.meant(key)))
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		text := strings.TrimPrefix(e.Error(), "toml: ")
		return reason.New(reason.ConfigInvalid, fmt.Sprintf("%s line %d column %d: %s", path, line, column, text))
	}
	return reason.Wrap(reason.ConfigInvalid, "read "+path, err)
}

// addEnvironment lays environment variables over the files. A variable with
// our prefix that names no key is returned, not refused: service managers put
// variables of their own under the name of the service.
func (l *layers) addEnvironment() (unknown []string) {
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains([]string{"TOCSIN_DATA", passphraseEnv, keysPassphraseEnv}, name) {
			continue
		}
		if err := l.addValue(envKey(name), value, "environment "+name); err != nil {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// envKey is the configuration key that an environment variable stands for.
func envKey(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, envPrefix)), "__", ".")
}

// addSettings lays --set key=value over everything.
func (l *layers) addSettings(set []string) error {
	for _, pair := range set {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return usagef("--set %q: want key=value", pair)
		}
		if err := l.addValue(key, value, "--set"); err != nil {
			return err
		}
	}
	return nil
}

// addValue sets one key from text, in the form that its type asks for; lists are
// separated by commas.
func (l *layers) addValue(key, text, origin string) error {
	kind, ok := l.keys[key]
	if !ok {
		return reason.New(reason.ConfigInvalid, fmt.Sprintf("%s: unknown key %q%s", origin, key, l.meant(key)))
	}
	var value any = text
	switch kind {
	case reflect.Slice:
		value = splitList(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return reason.New(reason.ConfigInvalid, fmt.Sprintf("%s: %s is %q: want true or false", origin, key, text))
		}
		value = b
	}
	l.from[key] = origin
	return l.merged.Load(confmap.Provider(map[string]any{key: value}, "."), nil)
}

func splitList(text string) []string {
	items := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// configKeys lists the keys of a configuration struct with the kinds of their values.
func configKeys(t reflect.Type, prefix string) map[string]reflect.Kind {
	keys := map[string]reflect.Kind{}
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("koanf")
		if field.Type.Kind() == reflect.Struct {
			maps.Copy(keys, configKeys(field.Type, key+"."))
			continue
		}
		keys[key] = field.Type.Kind()
	}
	return keys
}

// meant suggests the key that an unknown one is closest to, or nothing.
func (l *layers) meant(key string) string {
	best, least := "", 3
	for _, known := range slices.Sorted(maps.Keys(l.keys)) {
		if d := distance(key, known); d < least {
			best, least = known, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is the number of single edits between two words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
