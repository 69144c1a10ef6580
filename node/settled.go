package node

import (
	"encoding/json"
	"reflect"

	"tocsin/node/admin/api"
)

// settingsOf lists the configuration as it is in force; origins, which may be nil, says where each key's value comes from.
func settingsOf(c Config, origins map[string]string) []api.Setting {
	v := reflect.ValueOf(c)
	var out []api.Setting
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("toml")
		raw, err := json.Marshal(v.Field(i).Interface())
		if err != nil {
			continue // no field has such a type
		}
		out = append(out, api.Setting{Name: name, Value: raw, Origin: origins[name]})
	}
	return out
}
