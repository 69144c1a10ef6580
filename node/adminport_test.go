package node

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// The settings of the admin port: what each may be, with those at the limits and one beyond.
func TestAdminSettings(t *testing.T) {
	addrs := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf("127.0.0.1:%d", i+1))
		}
		return list
	}
	label := strings.Repeat("x", 50) + "."
	long := strings.Repeat(label, 4) + strings.Repeat("x", maxHostName-4*len(label))
	for _, c := range []Config{
		{}, {Admin: []string{"off"}}, {Admin: []string{"127.0.0.1:8470", "[::1]:8470", "0.0.0.0:0", "[::ffff:127.0.0.1]:65535"}}, {Admin: addrs(maxAdminAddrs)},
		{AdminHosts: []string{"node.example", "node.example:8470", "n-1", "xn--caf-dma.example:1", "192.0.2.1:443", "[2001:db8::1]:65535", long}},
		{AdminHosts: slices.Repeat([]string{"a"}, maxAdminHosts)},
		{AdminTLSCert: "admin.crt", AdminTLSKey: "/etc/ssl/admin.key"}, {AdminTLSCert: "admin.crt"}, // CheckAdmin's matter
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	adm := func(values ...string) Config { return Config{Admin: values} }
	hosts := func(values ...string) Config { return Config{AdminHosts: values} }
	for _, bad := range []struct {
		field, value string
		config       Config
	}{
		{"admin", "", adm("")},
		{"admin", "OFF", adm("OFF")},
		{"admin", "8470", adm("8470")},
		{"admin", ":8470", adm("127.0.0.1:1", ":8470")},
		{"admin", "127.0.0.1", adm("127.0.0.1")},
		{"admin", "::1:8470", adm("::1:8470")},
		{"admin", "localhost:8470", adm("localhost:8470")},
		{"admin", "127.0.0.1:65536", adm("127.0.0.1:65536")},
		{"admin", "[fe80::1%eth0]:1", adm("[fe80::1%eth0]:1")},
		{"admin", "off", adm("127.0.0.1:1", "off")},
		{"admin", "off", adm("off", "127.0.0.1:1")},
		{"admin", strings.Join(addrs(maxAdminAddrs+1), ","), adm(addrs(maxAdminAddrs + 1)...)},
		{"admin_hosts", "", hosts("")},
		{"admin_hosts", "Node.example", hosts("a", "Node.example")},
		{"admin_hosts", "*.example", hosts("*.example")},
		{"admin_hosts", "node.example.", hosts("node.example.")},
		{"admin_hosts", ".example", hosts(".example")},
		{"admin_hosts", "a..b", hosts("a..b")},
		{"admin_hosts", "-a.example", hosts("-a.example")},
		{"admin_hosts", "a-.example:1", hosts("a-.example:1")},
		{"admin_hosts", "café.example", hosts("café.example")},
		{"admin_hosts", "https://a.example", hosts("https://a.example")},
		{"admin_hosts", "a.example/x", hosts("a.example/x")},
		{"admin_hosts", "a.example:", hosts("a.example:")},
		{"admin_hosts", "a.example:0", hosts("a.example:0")},
		{"admin_hosts", "a.example:080", hosts("a.example:080")},
		{"admin_hosts", "a.example:65536", hosts("a.example:65536")},
		{"admin_hosts", "[2001:DB8::1]:1", hosts("[2001:DB8::1]:1")},
		{"admin_hosts", "[fe80::1%25eth0]:1", hosts("[fe80::1%25eth0]:1")},
		{"admin_hosts", long + "x", hosts(long + "x")},
		{"admin_hosts", strings.TrimSuffix(strings.Repeat("a,", maxAdminHosts+1), ","), hosts(slices.Repeat([]string{"a"}, maxAdminHosts+1)...)},
	} {
		err := bad.config.Validate()
		if reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), fmt.Sprintf("%s = %q", bad.field, bad.value)) {
			t.Errorf("%s = %q: %v", bad.field, bad.value, err)
		}
	}
}

// What the settings mean together: port 8470 of this machine, or with a folder of its own a free one, and no plain port for others (ADM-01).
func TestAdminPort(t *testing.T) {
	own, spread := oneFolder("/n"), Paths{Config: "/etc/t", Data: "/var/t", Runtime: "/run/t"}
	tls := Config{AdminTLSCert: "a.crt", AdminTLSKey: "/k/a.key"}
	for name, c := range map[string]struct {
		paths     Paths
		config    Config
		listen    []string
		lenient   bool
		cert, key string
	}{
		"default":        {spread, Config{}, []string{"127.0.0.1:8470", "[::1]:8470"}, true, "", ""},
		"default, named": {spread, Config{Admin: []string{"127.0.0.1:8470", "[::1]:8470"}}, []string{"127.0.0.1:8470", "[::1]:8470"}, true, "", ""},
		"--data":         {own, Config{}, []string{"127.0.0.1:0", "[::1]:0"}, true, "", ""},
		"--data, fixed":  {own, Config{Admin: []string{"127.0.0.1:8470"}}, []string{"127.0.0.1:8470"}, false, "", ""},
		"off":            {own, Config{Admin: []string{"off"}}, nil, false, "", ""},
		"off, with TLS":  {own, Config{Admin: []string{"off"}, AdminTLSCert: "a", AdminTLSKey: "b"}, nil, false, "", ""},
		"certificate":    {spread, tls, []string{"127.0.0.1:8470", "[::1]:8470"}, true, "/etc/t/a.crt", "/k/a.key"},
		"for others": {spread, Config{Admin: []string{"0.0.0.0:443"}, AdminTLSCert: "/c/a.crt", AdminTLSKey: "tls/a.key"}, []string{"0.0.0.0:443"}, false,
			"/c/a.crt", "/etc/t/tls/a.key"},
	} {
		p := c.config.adminPort(c.paths)
		if !slices.Equal(p.Listen, c.listen) || p.Lenient != c.lenient || p.Cert != c.cert || p.Key != c.key {
			t.Errorf("%s: %+v", name, p)
		}
		if err := c.config.CheckAdmin(c.paths); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]Config{
		"certificate alone": {AdminTLSCert: "a.crt"}, "key alone": {AdminTLSKey: "a.key"}, "key alone, no port": {Admin: []string{"off"}, AdminTLSKey: "a.key"},
		"plain": {Admin: []string{"127.0.0.1:1", "192.0.2.1:1"}}, "plain for all": {Admin: []string{"[::]:8470"}},
	} {
		if err := c.CheckAdmin(spread); reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), "admin_tls_key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A node does not start with a port that the settings forbid, whoever made them, and not with one that is taken (ADM-01).
func TestNodeRefusesAdminPort(t *testing.T) {
	paths := oneFolder(filepath.Join(t.TempDir(), "n"))
	if _, err := Init(paths, Config{Network: "test"}, someone); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"plain for all": {Admin: []string{"0.0.0.0:0"}}, "key alone": {AdminTLSKey: "a.key"}, "certificate alone": {AdminTLSCert: "a.crt"},
		"no such certificate": {AdminTLSCert: "a.crt", AdminTLSKey: "a.key"},
	} {
		cfg.Network, cfg.Listen = "test", []string{"/ip4/127.0.0.1/tcp/0"}
		n, err := New(paths, cfg, Options{Memory: true})
		if reason.Of(err) != reason.ConfigInvalid || n != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
