package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/node"
	"tocsin/node/policy"
	"tocsin/node/settings"
	"tocsin/node/warnings"
	"tocsin/protocol/reason"
)

func newConfigCommand(g *globals) *cobra.Command {
	c := group("config", "Show and check the configuration", newConfigShowCommand(g), newConfigCheckCommand(g))
	c.PersistentFlags().StringArrayVar(&g.set, "set", nil, "lay key=value over the configuration (repeatable)")
	return c
}

// configValue is one line of "config show".
type configValue struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Origin string `json:"origin,omitempty"`
}

func newConfigShowCommand(g *globals) *cobra.Command {
	var withOrigin bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in force, as TOML",
		Long: `Print the configuration that "tocsin run" would use. Precedence, weakest first:
defaults, tocsin.toml, conf.d/*.toml in name order, environment (TOCSIN_A__B is
a.b), --set key=value. It asks no node.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, from, err := loadConfig(g)
			if err != nil {
				return err
			}
			values := configValues(cfg, from, withOrigin)
			if g.format == "jsonl" {
				for _, v := range values {
					if err := writeJSON(g.out, v); err != nil {
						return err
					}
				}
				return nil
			}
			return g.emit(map[string]any{"items": values}, func(w io.Writer) { showConfig(w, values) })
		},
	}
	c.Flags().BoolVar(&withOrigin, "origin", false, "say where each value comes from")
	return c
}

func newConfigCheckCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check configuration, trust list and warning lists without running anything",
		Long: `Check the configuration files, the environment, --set, the trust list, the warning lists, and
what commands changed (state/*.toml).

Exit codes: 0 all of it can be used, 2 something cannot, 4 the folder that --data names
does not exist.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			paths, err := g.paths()
			if err != nil {
				return err
			}
			files, err := g.checkConfig(paths)
			if err != nil {
				return err
			}
			answer := struct {
				OK    bool     `json:"ok"`
				Files []string `json:"files"`
			}{true, files}
			return g.emit(answer, func(w io.Writer) {
				if len(files) == 0 {
					fmt.Fprintf(w, "No node and no configuration in %s; the defaults are sound.\n", clean(paths.Config))
					return
				}
				fmt.Fprintf(w, "Sound: %s\n", clean(strings.Join(files, ", ")))
			})
		},
	}
}

// checkConfig reads all that a start would read, and names the files.
func (g *globals) checkConfig(paths node.Paths) ([]string, error) {
	cfg, _, err := loadConfig(g)
	if err != nil {
		return nil, err
	}
	if g.data != "" && !exists(paths.Data) {
		return nil, reason.New(reason.NodeNotFound, fmt.Sprintf("check the configuration in %s: there is no such folder", paths.Data))
	}
	files, err := configFiles(paths)
	if err != nil {
		return nil, err
	}
	if _, err := policy.Open(paths.TrustFile(), paths.TrustState()); err != nil {
		return nil, err
	}
	lists, err := warnings.Open(paths.WarningLists(cfg))
	if err != nil {
		return nil, err
	}
	if _, err := settings.Open(paths.State()); err != nil {
		return nil, err
	}
	state, err := filepath.Glob(filepath.Join(paths.State(), "*.toml"))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", paths.State(), err)
	}
	if exists(paths.TrustFile()) {
		files = append(files, paths.TrustFile())
	}
	for _, l := range lists.Lists() {
		if l.File != "" {
			files = append(files, filepath.Join(lists.Folder(), filepath.FromSlash(l.File)))
		}
	}
	return append(append([]string{}, files...), state...), nil
}

// configValues lists every key in name order with its value in force.
func configValues(cfg node.Config, from origins, withOrigin bool) []configValue {
	found := map[string]any{}
	collect(reflect.ValueOf(cfg), "", found)
	var values []configValue
	for _, key := range slices.Sorted(maps.Keys(found)) {
		v := configValue{Key: key, Value: found[key]}
		if withOrigin {
			v.Origin = from[key]
		}
		values = append(values, v)
	}
	return values
}

func collect(v reflect.Value, prefix string, into map[string]any) {
	for field, value := range v.Fields() {
		key := prefix + field.Tag.Get("koanf")
		if value.Kind() == reflect.Struct {
			collect(value, key+".", into)
			continue
		}
		if value.Kind() == reflect.Slice && value.IsNil() {
			value = reflect.MakeSlice(value.Type(), 0, 0)
		}
		into[key] = value.Interface()
	}
}

// showConfig prints lines that could stand in tocsin.toml, the origin as a comment.
func showConfig(w io.Writer, values []configValue) {
	for _, v := range values {
		origin := ""
		if v.Origin != "" {
			origin = "  # " + clean(v.Origin)
		}
		fmt.Fprintf(w, "%s = %s%s\n", v.Key, tomlText(v.Value), origin)
	}
}

func tomlText(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(value)
}
