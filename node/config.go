package node

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
}

// Validate names the first field and value that cannot be used.
func (c *Config) Validate() error { panic("unwritten") }

// WithDefaults returns c with every zero field set to its default.
func (c Config) WithDefaults() Config { panic("unwritten") }

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

// State is the folder of what commands changed: peers.toml, topics.toml, trust.toml, identity.cbor.
func (p Paths) State() string { return p.Data + "/state" }

// Store is the folder of the record store.
func (p Paths) Store() string { return p.Data + "/store" }

// Lock is the file that a running node holds locked.
func (p Paths) Lock() string { return p.Data + "/lock" }

// Socket is the admin port's unix socket.
func (p Paths) Socket() string { return p.Runtime + "/admin.sock" }
