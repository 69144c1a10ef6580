package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tocsin/node/admin"
)

// adminOff is the one entry of Config.Admin that means no port besides the socket.
const adminOff = "off"

// The bounds of the settings of the admin port.
const (
	maxAdminAddrs = 16
	maxAdminHosts = 64
	maxHostName   = 253
)

// validateAdmin looks at each setting of the admin port by itself: files are checked one by one, so what must be there
// together is CheckAdmin's.
func (c *Config) validateAdmin() error {
	if len(c.Admin) > maxAdminAddrs {
		return invalid("admin", strings.Join(c.Admin, ","), fmt.Errorf("want at most %d addresses", maxAdminAddrs))
	}
	for _, addr := range c.Admin {
		if addr == adminOff {
			if len(c.Admin) > 1 {
				return invalid("admin", addr, errors.New("it stands alone or not at all"))
			}
			continue
		}
		if where, err := netip.ParseAddrPort(addr); err != nil || where.Addr().Zone() != "" {
			return invalid("admin", addr, errors.New(`want IP:PORT, as 127.0.0.1:8470 or [::1]:8470, or "off"`))
		}
	}
	if len(c.AdminHosts) > maxAdminHosts {
		return invalid("admin_hosts", strings.Join(c.AdminHosts, ","), fmt.Errorf("want at most %d names", maxAdminHosts))
	}
	for _, name := range c.AdminHosts {
		if err := checkHost(name); err != nil {
			return invalid("admin_hosts", name, err)
		}
	}
	return nil
}

// checkHost takes a name as browsers send it: small letters, with or without a port. No pattern, no address.
func checkHost(text string) error {
	name := text
	if host, port, err := net.SplitHostPort(text); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return errors.New("want a port of 1 to 65535")
		}
		if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" && ip.String() == host {
			return nil
		}
		name = host
	}
	if name == "" || len(name) > maxHostName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" ||
		slices.ContainsFunc(strings.Split(name, "."), func(label string) bool { return label == "" || strings.Trim(label, "-") != label }) {
		return errors.New("want NAME or NAME:PORT, in small letters, an international name in its xn-- form")
	}
	return nil
}

// CheckAdmin refuses (config.invalid) an admin port that other machines reach without encryption, and half a certificate.
func (c Config) CheckAdmin(p Paths) error {
	if (c.AdminTLSCert == "") != (c.AdminTLSKey == "") {
		return invalid("admin_tls_cert", c.AdminTLSCert, errors.New("admin_tls_cert and admin_tls_key go together"))
	}
	return c.adminPort(p).CheckPlain()
}

// AdminAddrs are the addresses of the admin port: port 8470 on this machine, and a free one where the node has a folder
// of its own, since several may live on one machine.
func (c Config) AdminAddrs(p Paths) []string {
	if len(c.Admin) > 0 {
		return slices.Clone(c.Admin)
	}
	port := "8470"
	if p.Runtime == p.Data {
		port = "0"
	}
	return []string{"127.0.0.1:" + port, "[::1]:" + port}
}

// adminPort is where the admin port listens besides the socket.
func (c Config) adminPort(p Paths) admin.Port {
	addrs := c.AdminAddrs(p)
	if slices.Contains(addrs, adminOff) {
		return admin.Port{}
	}
	port := admin.Port{Listen: addrs, Hosts: slices.Clone(c.AdminHosts), Lenient: slices.Equal(addrs, Config{}.AdminAddrs(p))}
	if c.AdminTLSCert != "" {
		port.Cert, port.Key = p.inConfig(c.AdminTLSCert), p.inConfig(c.AdminTLSKey)
	}
	return port
}

// inConfig is the path of a file that the configuration names, beside tocsin.toml unless it is absolute.
func (p Paths) inConfig(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Config, name)
}
