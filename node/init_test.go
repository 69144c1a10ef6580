package node

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

func oneFolder(dir string) Paths { return Paths{Config: dir, Data: dir, Runtime: dir} }

var someone = Profile{Name: "Example CERT", Country: "KE", Sector: "government", Contacts: []string{"mailto:cert@example.org"}}

// tree lists everything under a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestInitFoundsANode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "node")
	f, err := Init(oneFolder(dir), Config{Network: "test"}, someone)
	if err != nil {
		t.Fatal(err)
	}
	revocation := "/recovery/revoke-" + strings.TrimPrefix(f.Node, "sha256:")[:8]
	want := []string{"", "/keys", "/keys/encryption.key", "/keys/host.key", "/keys/operations.key", "/keys/record.key",
		"/recovery", "/recovery/next.key", revocation + ".cbor", revocation + ".txt", "/recovery/root.key", "/state", "/state/own.cbor", "/tocsin.toml"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("made %v", got)
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, "keys": 0o700, "state": 0o700, "recovery": 0o700, "state/own.cbor": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	keys, err := keystore.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	book, err := identity.Open(filepath.Join(dir, "state", "identity.cbor"), "test")
	if err != nil {
		t.Fatal(err)
	}
	own, ok := book.Own()
	peerID, _ := keys.PeerID()
	if !ok || own.String() != f.Org || f.PeerID != peerID.String() || f.Node != keys.Record.Public().ID().String() {
		t.Errorf("founded %+v, own %v", f, own)
	}
	if _, ok := identity.Certificate(book.Chains(), own, keys.Record.Public()); !ok {
		t.Error("the node has no certificate")
	}
	org, _ := book.Chains().Org(own)
	if org.Genesis.Name != someone.Name || org.Genesis.Country != "KE" || org.Genesis.Sector != "government" || len(org.Genesis.Contacts) != 1 {
		t.Errorf("genesis %+v", org.Genesis)
	}
	if len(f.Words) != 8 || !slices.Equal(f.Words, identity.Words(own)) || len(f.Recovery) != 2 {
		t.Errorf("founded %+v", f)
	}
}

func TestInitRefusesWhatIsThere(t *testing.T) {
	for _, name := range []string{"keys", "recovery", "state", "store"} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		_, err := Init(oneFolder(dir), Config{}, someone)
		if reason.Of(err) != reason.NodeExists || !strings.Contains(err.Error(), filepath.Join(dir, name)) {
			t.Errorf("%s is there: %v", name, err)
		}
		if got := tree(t, dir); !slices.Equal(got, before) {
			t.Errorf("%s is there: left %v", name, got)
		}
	}
}

func TestInitKeepsTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	mine := "# mine\nnetwork = \"test\"\n"
	if err := os.WriteFile(filepath.Join(dir, "tocsin.toml"), []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Init(oneFolder(dir), Config{Network: "test"}, someone); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(filepath.Join(dir, "tocsin.toml")); string(raw) != mine {
		t.Errorf("rewritten:\n%s", raw)
	}
}

func TestInitRefusesProfiles(t *testing.T) {
	long := strings.Repeat("x", 201)
	for name, p := range map[string]Profile{
		"no name":          {Country: "KE"},
		"blank name":       {Name: " ", Country: "KE"},
		"long name":        {Name: long, Country: "KE"},
		"name with escape": {Name: "a\x1b[31m", Country: "KE"},
		"name of no UTF-8": {Name: "a\xff", Country: "KE"},
		"no country":       {Name: "a"},
		"small country":    {Name: "a", Country: "ke"},
		"long country":     {Name: "a", Country: "KEN"},
		"long sector":      {Name: "a", Country: "KE", Sector: long[:65]},
		"empty contact":    {Name: "a", Country: "KE", Contacts: []string{""}},
		"long contact":     {Name: "a", Country: "KE", Contacts: []string{long}},
		"nine contacts":    {Name: "a", Country: "KE", Contacts: slices.Repeat([]string{"c"}, 9)},
	} {
		dir := filepath.Join(t.TempDir(), "node")
		if _, err := Init(oneFolder(dir), Config{}, p); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: left a folder", name)
		}
	}
	limits := Profile{Name: long[:200], Country: "ZZ", Sector: long[:64], Contacts: slices.Repeat([]string{long[:200]}, 8)}
	if _, err := Init(oneFolder(t.TempDir()), Config{}, limits); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	if _, err := Init(oneFolder(t.TempDir()), Config{Network: "Main"}, someone); reason.Of(err) != reason.ConfigInvalid {
		t.Errorf("a network with a capital: %v", err)
	}
}

// A founding that fails late takes back what it made and nothing else.
func TestInitUndoes(t *testing.T) {
	root := t.TempDir()
	blocked := filepath.Join(root, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	// The configuration's folder cannot be made, since a file stands there.
	paths := Paths{Config: filepath.Join(blocked, "etc"), Data: filepath.Join(root, "a", "data"), Runtime: root}
	if _, err := Init(paths, Config{}, someone); err == nil {
		t.Fatal("founded")
	}
	if got := tree(t, root); !slices.Equal(got, before) {
		t.Errorf("left %v", got)
	}
	// The configuration cannot be written, and keys and chain are made already.
	paths.Config = filepath.Join(root, "etc")
	f := &founding{paths: paths}
	if _, err := f.found(Config{}, someone); err != nil {
		t.Fatal(err)
	}
	if err := f.undo(); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, root); !slices.Equal(got, before) {
		t.Errorf("left %v", got)
	}
}

// What the template says is what the configuration was, and every field is in it.
func TestTemplateReadsBack(t *testing.T) {
	for _, c := range []Config{
		{},
		{Network: "test", Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Topics: []string{"drill"}, MDNS: true, LogLevel: "debug",
			Peers: []string{"/dns4/a.example/tcp/1/p2p/12D3KooWGRUgpS9QTcTMh5gmzvDCZhmVTDgvLmkBUqJyVnVAaz5E"}},
	} {
		text := c.template()
		var back Config
		if err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&back); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if want := c.WithDefaults(); !reflect.DeepEqual(back.WithDefaults(), want) {
			t.Errorf("read back %+v, want %+v", back, want)
		}
		// The comments show defaults that can be taken as they are.
		var lines []string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
				line = line[1:]
			}
			lines = append(lines, line)
		}
		var shown Config
		if err := toml.Unmarshal([]byte(strings.Join(lines, "")), &shown); err != nil {
			t.Fatal(err)
		}
		if want := c.WithDefaults(); shown.LogLevel != want.LogLevel || !slices.Equal(shown.Listen, want.Listen) || !slices.Equal(shown.Topics, want.Topics) {
			t.Errorf("shown %+v, want %+v", shown, want)
		}
		for field := range reflect.TypeFor[Config]().Fields() {
			if !strings.Contains(text, field.Tag.Get("toml")+" = ") {
				t.Errorf("%s is not in the template", field.Name)
			}
		}
	}
}

func TestConfigValidate(t *testing.T) {
	const peerID = "/p2p/12D3KooWGRUgpS9QTcTMh5gmzvDCZhmVTDgvLmkBUqJyVnVAaz5E"
	if err := (&Config{}).Validate(); err != nil {
		t.Errorf("the zero configuration: %v", err)
	}
	full := Config{}.WithDefaults()
	full.Peers = []string{"/ip4/192.0.2.1/udp/8469/quic-v1" + peerID, "/dns/node.example/tcp/8469" + peerID}
	if err := full.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if len(full.Topics) != len(protocol.DefaultTopics()) || full.Network != "main" || len(full.Listen) != 4 || full.LogLevel != "info" {
		t.Errorf("defaults %+v", full)
	}
	for _, bad := range []struct {
		field, value string
		config       Config
	}{
		{"network", "Main", Config{Network: "Main"}},
		{"network", "a/b", Config{Network: "a/b"}},
		{"network", strings.Repeat("x", 41), Config{Network: strings.Repeat("x", 41)}},
		{"listen", "0.0.0.0:80", Config{Listen: []string{"0.0.0.0:80"}}},
		{"listen", "", Config{Listen: []string{""}}},
		{"listen", "/ip4/0.0.0.0", Config{Listen: []string{"/ip4/0.0.0.0"}}},
		{"listen", "/ip4/0.0.0.0/tcp/1/ws", Config{Listen: []string{"/ip4/0.0.0.0/tcp/1/ws"}}},
		{"listen", "/ip4/0.0.0.0/udp/1", Config{Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/0.0.0.0/udp/1"}}},
		{"listen", "/dns4/a.example/tcp/1", Config{Listen: []string{"/dns4/a.example/tcp/1"}}},
		{"listen", "/ip4/1.2.3.4/tcp/1" + peerID, Config{Listen: []string{"/ip4/1.2.3.4/tcp/1" + peerID}}},
		{"topics", "Fraud", Config{Topics: []string{"drill", "Fraud"}}},
		{"peers", "/ip4/1.2.3.4/tcp/1", Config{Peers: []string{"/ip4/1.2.3.4/tcp/1"}}},
		{"peers", peerID, Config{Peers: []string{peerID}}},
		{"peers", "x", Config{Peers: []string{"x"}}},
		{"log_level", "loud", Config{LogLevel: "loud"}},
		{"quarantine_mb", "-1", Config{QuarantineMB: -1}},
		{"quarantine_mb", "16777217", Config{QuarantineMB: maxQuarantineMB + 1}},
		{"quarantine_days", "-1", Config{QuarantineDays: -1}},
		{"quarantine_days", "401", Config{QuarantineDays: maxQuarantineDays + 1}},
		{"warninglists", `a\nb`, Config{WarningLists: "a\nb"}},
		{"floor_mb", "-1", Config{FloorMB: -1}},
		{"floor_mb", "16777217", Config{FloorMB: maxReserveMB + 1}},
		{"ballast_mb", "-2", Config{BallastMB: -2}},
		{"ballast_mb", "16777217", Config{BallastMB: maxReserveMB + 1}},
	} {
		err := bad.config.Validate()
		if reason.Of(err) != reason.ConfigInvalid || !strings.Contains(err.Error(), bad.field+" = \""+bad.value+"\"") {
			t.Errorf("%s = %q: %v", bad.field, bad.value, err)
		}
	}
}

// WithDefaults must not hand out a list that others share.
func TestDefaultsAreCopies(t *testing.T) {
	one := Config{}.WithDefaults()
	one.Listen[0] = "changed"
	if (Config{}).WithDefaults().Listen[0] == "changed" {
		t.Error("the default itself changed")
	}
}
