package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"tocsin/node/durable"
	"tocsin/node/identity"
	"tocsin/node/keystore"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Profile is what the founder says of the organisation.
type Profile struct {
	Name, Country, Sector string
	Contacts              []string
}

// Founded is what Init made, as init prints it.
type Founded struct {
	// Org is the organisation's id, Node that of the node's record key.
	Org    string `json:"org"`
	Node   string `json:"node"`
	PeerID string `json:"peer_id"`
	// Words are the organisation's fingerprint, to be compared by voice.
	Words []string `json:"words"`
	// Config is the configuration file, Recovery the root keys to take away.
	Config   string   `json:"config"`
	Recovery []string `json:"recovery"`
	// Revocation are the files of the record key's emergency revocation, to be printed and taken
	// away; RevocationText is what to print.
	Revocation     []string `json:"revocation"`
	RevocationText string   `json:"revocation_text"`
}

// Successors are root keys made on other machines, which are to take over from
// the founding one: any number up to five, Threshold of which must sign.
type Successors struct {
	Keys      []protocol.PublicKey
	Threshold int
}

func (s Successors) check() error {
	if len(s.Keys) > protocol.MaxRoots || len(s.Keys) > 0 && (s.Threshold < 1 || s.Threshold > len(s.Keys)) {
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%d roots with threshold %d: want 1 to %d roots, and a threshold from 1 to their number", len(s.Keys), s.Threshold, protocol.MaxRoots))
	}
	seen := map[protocol.PublicKey]bool{}
	for _, key := range s.Keys {
		if seen[key] {
			return reason.New(reason.UsageInvalid, "root key "+key.ID().String()+" is there twice: each person needs one of their own")
		}
		seen[key] = true
	}
	return nil
}

// The folders that make a node, in the order in which Init puts them in place:
// keys last, since without them nothing starts.
var nodeFolders = []string{"recovery", "state", "keys"}

// Init founds a new organisation with one node in paths: keys, chain, config.
// It refuses (node.exists) to touch a folder that already holds any of it, and
// leaves nothing half made: all is written aside and then moved into place. A
// tocsin.toml that is there already stays as it is; cfg must then agree with it.
func Init(paths Paths, cfg Config, p Profile) (*Founded, error) {
	return InitFor(paths, cfg, p, Successors{})
}

// InitFor is Init for an organisation whose roots are kept on other machines: the
// founding root made here names them as its successors, and they take over by a ceremony.
func InitFor(paths Paths, cfg Config, p Profile, s Successors) (*Founded, error) {
	if err := errors.Join(cfg.Validate(), p.check(), s.check()); err != nil {
		return nil, err
	}
	if err := refuseExisting(paths.Data); err != nil {
		return nil, err
	}
	f := &founding{paths: paths, successors: s}
	founded, err := f.found(cfg, p)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("found a node in %s: %w", paths.Data, err), f.undo())
	}
	return founded, nil
}

// check names what of the profile cannot stand in a genesis statement.
func (p Profile) check() error {
	const hidden = "control characters, line separators and marks of direction"
	bad := func(what, value, want string) error {
		return reason.New(reason.UsageInvalid, fmt.Sprintf("%s %q: want %s", what, value, want))
	}
	label := func(text string, limit int) bool {
		return len(text) <= limit && utf8.ValidString(text) && protocol.IsLabel(text)
	}
	if strings.TrimSpace(p.Name) == "" || !label(p.Name, protocol.MaxNameBytes) {
		return bad("name", p.Name, fmt.Sprintf("1 to %d bytes of text without %s", protocol.MaxNameBytes, hidden))
	}
	if len(p.Country) != 2 || p.Country[0] < 'A' || p.Country[0] > 'Z' || p.Country[1] < 'A' || p.Country[1] > 'Z' {
		return bad("country", p.Country, "two upper-case letters (ISO 3166-1 alpha-2), such as KE")
	}
	if !label(p.Sector, protocol.MaxSectorBytes) {
		return bad("sector", p.Sector, fmt.Sprintf("at most %d bytes of text without %s", protocol.MaxSectorBytes, hidden))
	}
	if len(p.Contacts) > protocol.MaxContacts {
		return bad("contacts", strings.Join(p.Contacts, ", "), fmt.Sprintf("at most %d", protocol.MaxContacts))
	}
	for _, c := range p.Contacts {
		if c == "" || !label(c, protocol.MaxContactBytes) {
			return bad("contact", c, fmt.Sprintf("1 to %d bytes of text without %s", protocol.MaxContactBytes, hidden))
		}
	}
	return nil
}

func refuseExisting(dir string) error {
	for _, name := range append([]string{"store"}, nodeFolders...) {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return reason.New(reason.NodeExists, "found a node in "+dir+": "+path+" exists already; choose another folder or move it away")
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("found a node in %s: %w", dir, err)
		}
	}
	return nil
}

// founding is the work of one Init and what it made so far, newest last.
type founding struct {
	paths      Paths
	successors Successors
	made       []string
}

// undo removes what was made. Folders that were there before are not in the list.
func (f *founding) undo() error {
	var errs []error
	for i := len(f.made) - 1; i >= 0; i-- {
		errs = append(errs, os.RemoveAll(f.made[i]))
	}
	return errors.Join(errs...)
}

func (f *founding) found(cfg Config, p Profile) (*Founded, error) {
	if err := errors.Join(f.folder(f.paths.Data, 0o700), f.folder(f.paths.Config, 0o755)); err != nil {
		return nil, err
	}
	aside, err := os.MkdirTemp(f.paths.Data, ".init-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(aside)
	founded, err := writeNode(aside, cfg.WithDefaults().Network, p, f.successors)
	if err != nil {
		return nil, err
	}
	if err := f.config(cfg); err != nil {
		return nil, err
	}
	for _, name := range nodeFolders {
		to := filepath.Join(f.paths.Data, name)
		if err := os.Rename(filepath.Join(aside, name), to); err != nil {
			return nil, err
		}
		f.made = append(f.made, to)
	}
	founded.Config = f.paths.ConfigFile()
	founded.Recovery = keystore.RecoveryOn(f.paths.Data)
	founded.Revocation = keystore.RevocationsOn(f.paths.Data)
	return founded, durable.SyncFolder(f.paths.Data)
}

// folder makes a folder and those above it, and remembers the highest one made.
func (f *founding) folder(path string, mode fs.FileMode) error {
	highest := ""
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		highest = dir
	}
	if highest == "" {
		return nil
	}
	f.made = append(f.made, highest)
	return os.MkdirAll(path, mode)
}

// writeNode makes keys and the own chain under dir.
func writeNode(dir, network string, p Profile, s Successors) (*Founded, error) {
	create := keystore.Create
	if len(s.Keys) > 0 {
		create = func(dir string) (*keystore.Keys, *keystore.Founder, error) {
			return keystore.CreateFor(dir, s.Keys, s.Threshold)
		}
	}
	keys, founder, err := create(dir)
	if err != nil {
		return nil, err
	}
	peerID, err := keys.PeerID()
	if err != nil {
		return nil, err
	}
	chain, err := identity.Found(network, identity.Profile(p), keys, founder, []byte(peerID), time.Now())
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	if err := identity.WriteOwn(state, chain); err != nil {
		return nil, err
	}
	org, record := chain[0].Org(), keys.Record.Public().ID()
	text, err := writeEmergency(dir, network, p.Name, org, record, keys.Operations)
	if err != nil {
		return nil, err
	}
	return &Founded{
		Org:            org.String(),
		Words:          identity.Words(org),
		Node:           record.String(),
		PeerID:         peerID.String(),
		RevocationText: text,
	}, nil
}

// writeEmergency makes the emergency revocation of the first record key, at its birth.
func writeEmergency(dir, network, name string, org protocol.OrgID, record protocol.KeyID, operations protocol.Signer) (string, error) {
	s, err := identity.Emergency(network, org, record, operations, time.Now())
	if err != nil {
		return "", err
	}
	text := identity.EmergencyText(name, record, s)
	_, err = keystore.WriteRevocation(dir, record, s.Raw(), text)
	return string(text), err
}

// config writes tocsin.toml when there is none.
func (f *founding) config(cfg Config) error {
	path := f.paths.ConfigFile()
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	f.made = append(f.made, path)
	return durable.Write(path, []byte(cfg.template()), 0o644)
}

// template is a tocsin.toml that says what can be said: fields that are set
// stand in it, the others as comments that show their default.
func (c Config) template() string {
	d := c.WithDefaults()
	var b strings.Builder
	b.WriteString("# The configuration of this tocsin node. What is not set has the default shown.\n" +
		"# Check it with: tocsin config check. The node reads it when it starts.\n")
	line := func(comment, key string, value any, set bool) {
		b.WriteString("\n")
		for l := range strings.SplitSeq(comment, "\n") {
			b.WriteString("# " + l + "\n")
		}
		if !set {
			b.WriteString("#")
		}
		text, _ := toml.Marshal(map[string]any{key: value}) // text, a list of it, a number, or a bool: cannot fail
		b.Write(text)
	}
	line("The federation. The organisation was founded in it and exists in no other.",
		"network", d.Network, true)
	line("Where to listen. Port 0 picks a free one.",
		"listen", d.Listen, len(c.Listen) > 0)
	line("Topics to join besides control. What \"tocsin topics\" changes is laid over this.",
		"topics", d.Topics, len(c.Topics) > 0)
	line("Peers to stay connected to, each an address with /p2p/ and the peer id.\nWhat \"tocsin peers\" changes is laid over this.",
		"peers", append([]string{}, d.Peers...), len(c.Peers) > 0)
	line("Look for peers on the local network.",
		"mdns", d.MDNS, c.MDNS)
	line("debug, info, warn or error.",
		"log_level", d.LogLevel, c.LogLevel != "")
	line("How many MB may be held of strangers; 0 means 2 % of the disk, at least 64 MB.",
		"quarantine_mb", d.QuarantineMB, c.QuarantineMB != 0)
	line("After how many days what is held is dropped when nobody decided on it.",
		"quarantine_days", d.QuarantineDays, c.QuarantineDays != 0)
	line("The folder of warning lists, beside this file: assets.txt (your own names and addresses, one a line),\nhard/ and soft/ with lists in MISP's format. It is looked at every 10 s.",
		"warninglists", d.WarningLists, c.WarningLists != "")
	line("How many MB stay free on the disk: below it nothing is stored. 0 means 2 % of the disk, at most 1024.",
		"floor_mb", d.FloorMB, c.FloorMB != 0)
	line("The size in MB of a file that is given up when the disk is full; 0 means 1 % of the disk, at most 64; -1 none.",
		"ballast_mb", d.BallastMB, c.BallastMB != 0)
	line("The folder of scheduled backups, a whole path; it must exist. See docs/backup.md.",
		"backup_to", d.BackupTo, c.BackupTo != "")
	line("The age recipients that can open them; none means a key that is made at the first backup.",
		"backup_recipients", append([]string{}, d.BackupRecipients...), len(c.BackupRecipients) > 0)
	line("How many full backups are kept, with what hangs on them.",
		"backup_keep", d.BackupKeep, c.BackupKeep != 0)
	c.templateAdmin(line)
	return b.String()
}

// templateAdmin is what a template says of the admin port.
func (c Config) templateAdmin(line func(comment, key string, value any, set bool)) {
	addrs := c.Admin
	if len(addrs) == 0 {
		addrs = []string{"127.0.0.1:8470", "[::1]:8470"}
	}
	line("Where the admin port listens besides its socket; [\"off\"] is nowhere. With --data the default is a free port.\nOne that other machines reach needs a certificate. See docs/access.md.",
		"admin", addrs, len(c.Admin) > 0)
	line("Further names that browsers may use for the admin port, NAME or NAME:PORT.",
		"admin_hosts", append([]string{}, c.AdminHosts...), len(c.AdminHosts) > 0)
	line("The PEM files of the admin port's certificate, beside this file or a whole path.",
		"admin_tls_cert", c.AdminTLSCert, c.AdminTLSCert != "")
	line("Its key.",
		"admin_tls_key", c.AdminTLSKey, c.AdminTLSKey != "")
}
