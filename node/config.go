package node

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/multiformats/go-multiaddr"

	"tocsin/node/backup"
	"tocsin/node/settings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Config is the node's configuration file, tocsin.toml. The zero value of each
// field means its default. Unknown keys are errors. Nothing here reloads while
// the node runs.
type Config struct {
	// Network separates federations: signatures of one never count in another.
	// Default "main".
	Network string `toml:"network" koanf:"network"`
	// Listen are the multiaddrs to listen on; port 0 picks a free one. Default:
	// QUIC and TCP, IPv4 and IPv6, port 8469.
	Listen []string `toml:"listen" koanf:"listen"`
	// Topics are joined at start besides control. Default: protocol.DefaultTopics.
	// What commands join or leave is kept in state/topics.toml and laid over this.
	Topics []string `toml:"topics" koanf:"topics"`
	// Peers are full multiaddrs with /p2p/ to stay connected to. What commands
	// add or remove is kept in state/peers.toml and laid over this.
	Peers []string `toml:"peers" koanf:"peers"`
	// MDNS finds peers on the local network. Default false.
	MDNS bool `toml:"mdns" koanf:"mdns"`
	// LogLevel is debug, info, warn or error. Default "info".
	LogLevel string `toml:"log_level" koanf:"log_level"`
	// QuarantineMB is how many MB of records may be held as a whole before those of strangers
	// are refused; one stranger has a tenth of it. Default 0: 2 % of the disk, at least 64 MB.
	QuarantineMB int `toml:"quarantine_mb" koanf:"quarantine_mb"`
	// QuarantineDays is after how many days a held record is dropped when nobody
	// decided on it. Default 30.
	QuarantineDays int `toml:"quarantine_days" koanf:"quarantine_days"`
	// WarningLists is the folder of the operator's warning lists, beside tocsin.toml unless the path
	// is absolute. What lies in it reloads. Default "warninglists", which may be absent.
	WarningLists string `toml:"warninglists" koanf:"warninglists"`
	// FloorMB is how many MB stay free on the disk of the data folder: below it nothing is stored any more. Default 0:
	// 2 % of the disk, at most 1024; it is never less than what the store needs to work.
	FloorMB int `toml:"floor_mb" koanf:"floor_mb"`
	// BallastMB is the size of a file that is deleted when the disk is full, so that the node can finish what it
	// began. Default 0: 1 % of the disk, at most 64. -1 is none.
	BallastMB int `toml:"ballast_mb" koanf:"ballast_mb"`
	// BackupTo is the folder of scheduled backups, which must exist: a full one each night, what is new each hour, one
	// restored for a look each week. Default none.
	BackupTo string `toml:"backup_to" koanf:"backup_to"`
	// BackupRecipients are the age recipients that can open them. Default: a key that is made at the first backup.
	BackupRecipients []string `toml:"backup_recipients" koanf:"backup_recipients"`
	// BackupKeep is how many full backups are kept, with what hangs on them. Default 7.
	BackupKeep int `toml:"backup_keep" koanf:"backup_keep"`
	// Admin are the addresses of the admin port besides the socket, as IP:PORT; ["off"] is none. One that is not loopback
	// needs a certificate. Default: port 8470 of 127.0.0.1 and [::1], with --data a free port of both.
	Admin []string `toml:"admin" koanf:"admin"`
	// AdminHosts are further names of the admin port, NAME or NAME:PORT: a request for another host is refused. Default none.
	AdminHosts []string `toml:"admin_hosts" koanf:"admin_hosts"`
	// AdminTLSCert and AdminTLSKey are the PEM files of the admin port's certificate, beside tocsin.toml unless absolute;
	// they are read anew when they change. Default none.
	AdminTLSCert string `toml:"admin_tls_cert" koanf:"admin_tls_cert"`
	AdminTLSKey  string `toml:"admin_tls_key" koanf:"admin_tls_key"`
}

// defaultWarningLists is the folder that need not be there.
const defaultWarningLists = "warninglists"

// The bounds of the quarantine's settings.
const (
	defaultQuarantineDays = 30
	maxQuarantineDays     = 400 // no record lives longer
	maxQuarantineMB       = 1 << 24
)

// The bounds of the settings of backups.
const (
	defaultBackupKeep = 7
	maxBackupKeep     = 1000
)

// maxReserveMB bounds the floor and the ballast.
const maxReserveMB = 1 << 24

// logLevels are what LogLevel may be.
var logLevels = []string{"debug", "info", "warn", "error"}

// defaultListen reaches every interface by QUIC and by TCP.
var defaultListen = []string{
	"/ip4/0.0.0.0/udp/8469/quic-v1",
	"/ip4/0.0.0.0/tcp/8469",
	"/ip6/::/udp/8469/quic-v1",
	"/ip6/::/tcp/8469",
}

// Validate names the first field and value that cannot be used. A field that is
// zero is valid: it means its default. Errors carry config.invalid.
func (c *Config) Validate() error {
	if c.Network != "" {
		if err := checkNetwork(c.Network); err != nil {
			return invalid("network", c.Network, err)
		}
	}
	for _, addr := range c.Listen {
		if err := checkListen(addr); err != nil {
			return invalid("listen", addr, err)
		}
	}
	for _, name := range c.Topics {
		if _, err := protocol.ParseTopic(name); err != nil {
			return invalid("topics", name, err)
		}
	}
	for _, addr := range c.Peers {
		if err := settings.CheckPeer(addr); err != nil {
			return invalid("peers", addr, err)
		}
	}
	if c.LogLevel != "" && !slices.Contains(logLevels, c.LogLevel) {
		return invalid("log_level", c.LogLevel, errors.New("want "+strings.Join(logLevels, ", ")))
	}
	if c.QuarantineMB < 0 || c.QuarantineMB > maxQuarantineMB {
		return invalid("quarantine_mb", strconv.Itoa(c.QuarantineMB), fmt.Errorf("want 0 to %d", maxQuarantineMB))
	}
	if c.QuarantineDays < 0 || c.QuarantineDays > maxQuarantineDays {
		return invalid("quarantine_days", strconv.Itoa(c.QuarantineDays), fmt.Errorf("want 0 to %d", maxQuarantineDays))
	}
	if c.FloorMB < 0 || c.FloorMB > maxReserveMB {
		return invalid("floor_mb", strconv.Itoa(c.FloorMB), fmt.Errorf("want 0 to %d", maxReserveMB))
	}
	if c.BallastMB < -1 || c.BallastMB > maxReserveMB {
		return invalid("ballast_mb", strconv.Itoa(c.BallastMB), fmt.Errorf("want -1 to %d", maxReserveMB))
	}
	if strings.ContainsFunc(c.WarningLists, unicode.IsControl) {
		return invalid("warninglists", c.WarningLists, errors.New("want the name of a folder"))
	}
	if err := c.validateAdmin(); err != nil {
		return err
	}
	return c.validateBackups()
}

func (c *Config) validateBackups() error {
	if c.BackupTo != "" && !filepath.IsAbs(c.BackupTo) {
		return invalid("backup_to", c.BackupTo, errors.New("want the whole path of a folder"))
	}
	if err := backup.CheckRecipients(c.BackupRecipients); err != nil {
		return reason.Wrap(reason.ConfigInvalid, "backup_recipients", err) // which names the value, unless it is a secret
	}
	if c.BackupKeep < 0 || c.BackupKeep > maxBackupKeep {
		return invalid("backup_keep", strconv.Itoa(c.BackupKeep), fmt.Errorf("want 0 to %d", maxBackupKeep))
	}
	return nil
}

func invalid(field, value string, err error) error {
	return reason.Wrap(reason.ConfigInvalid, fmt.Sprintf("%s = %q", field, value), err)
}

// checkNetwork holds a name against SPEC STM-03: it stands in topic paths too.
func checkNetwork(name string) error {
	if _, err := protocol.ParseTopic(name); err != nil {
		return errors.New("want 1 to 40 of a-z, 0-9 and the hyphen")
	}
	return nil
}

// checkListen takes what the host can listen on: an IP address with TCP or QUIC.
func checkListen(addr string) error {
	m, err := multiaddr.NewMultiaddr(addr)
	if err != nil {
		return err
	}
	var names []string
	for _, part := range m {
		names = append(names, part.Protocol().Name)
	}
	if len(names) > 0 && names[0] == "ip4" {
		names[0] = "ip6"
	}
	if !slices.Equal(names, []string{"ip6", "tcp"}) && !slices.Equal(names, []string{"ip6", "udp", "quic-v1"}) {
		return errors.New("want /ip4/ADDRESS or /ip6/ADDRESS with /tcp/PORT or /udp/PORT/quic-v1")
	}
	return nil
}

// WithDefaults returns c with every zero field set to its default. The lists
// are copies.
func (c Config) WithDefaults() Config {
	if c.Network == "" {
		c.Network = "main"
	}
	if len(c.Listen) == 0 {
		c.Listen = slices.Clone(defaultListen)
	}
	if len(c.Topics) == 0 {
		c.Topics = nil
		for _, t := range protocol.DefaultTopics() {
			c.Topics = append(c.Topics, t.String())
		}
	}
	if c.WarningLists == "" {
		c.WarningLists = defaultWarningLists
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if c.QuarantineDays == 0 {
		c.QuarantineDays = defaultQuarantineDays
	}
	if c.BackupKeep == 0 {
		c.BackupKeep = defaultBackupKeep
	}
	return c
}

// Paths says where a node keeps its files. With --data they all share one folder.
type Paths struct {
	// Config holds tocsin.toml, conf.d/ and the operator's trust.toml: read only.
	Config string
	// Data holds keys/, recovery/, state/, store/ and the lock.
	Data string
	// Runtime holds admin.sock.
	Runtime string
}

// ConfigFile is tocsin.toml.
func (p Paths) ConfigFile() string { return p.Config + "/tocsin.toml" }

// TrustFile is the operator's own trust list, which may be absent.
func (p Paths) TrustFile() string { return p.Config + "/trust.toml" }

// WarningLists is the folder of the operator's warning lists.
func (p Paths) WarningLists(c Config) string {
	if filepath.IsAbs(c.WarningLists) {
		return c.WarningLists
	}
	return filepath.Join(p.Config, c.WarningLists)
}

// State is the folder of what commands changed: peers.toml, topics.toml, trust.toml,
// own.cbor (the own chain) and identity.cbor (those of others).
func (p Paths) State() string { return p.Data + "/state" }

// TrustState is the part of the trust list that commands changed.
func (p Paths) TrustState() string { return p.State() + "/trust.toml" }

// Answers is the folder of what was answered to requests that must not be done twice.
func (p Paths) Answers() string { return p.State() + "/answers" }

// Audit is the audit log.
func (p Paths) Audit() string { return p.State() + "/audit.log" }

// Access is the file of the tokens of the admin port.
func (p Paths) Access() string { return p.State() + "/access.json" }

// Store is the folder of the record store.
func (p Paths) Store() string { return p.Data + "/store" }

// Lock is the file that a running node holds locked.
func (p Paths) Lock() string { return p.Data + "/lock" }

// Socket is the admin port's unix socket.
func (p Paths) Socket() string { return p.Runtime + "/admin.sock" }
