package warn

// Builtin is the pack that every node has: reserved and special ranges, well-known
// resolvers, root and TLD infrastructure, certificate status, hosts that devices ask for connectivity,
// hashes of empty files. All hard. The caller must not change it.
//
// Ranges and names for documentation (RFC 5737, RFC 3849, RFC 9637, RFC 2606) are left out: nobody
// routes them, so blocking them harms nobody, and demonstrations need values that look real.
func Builtin() []*List {
	hosts := []string{"domain", "hostname", "domain|ip", "url", "ip-src", "ip-dst"}
	files := []string{"md5", "sha1", "sha256", "sha512"}
	list := func(name, description, typ string, matching, entries []string) *List {
		return &List{Name: "builtin/" + name, Description: description, Version: 1, Type: typ,
			Matching: matching, Weight: Hard, Entries: entries}
	}
	return []*List{
		list("reserved-addresses", "addresses that mean something else in every network", TypeCIDR, hosts, reserved()),
		list("public-resolvers", "resolvers that devices have built in", TypeHostname, hosts, resolvers()),
		list("root-and-tld-servers", "name servers of the root and of the largest domains", TypeHostname, hosts, rootServers()),
		list("public-suffixes", "whole top-level domains and registries", typeSuffix, []string{"domain", "hostname", "url"}, []string{"public suffixes"}),
		list("certificate-status", "where certificates are checked for revocation", TypeHostname, hosts, certificateStatus()),
		list("connectivity-checks", "where devices look whether they are online, and what time it is", TypeHostname, hosts, connectivityChecks()),
		list("special-names", "names that never leave a network", TypeHostname, hosts, specialNames()),
		list("empty-files", "hashes of files that hold nothing, a line end or a zero byte", TypeString, files, emptyFiles()),
	}
}

// reserved are the special-purpose registries of RFC 6890 and later, multicast, and what
// is reserved for the future.
func reserved() []string {
	return []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
		"224.0.0.0/4", "240.0.0.0/4",
		"::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001:1::/32", "2001:2::/48", "2001:3::/32",
		"2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2620:4f:8000::/48", "5f00::/16", "fc00::/7",
		"fe80::/10", "fec0::/10", "ff00::/8",
	}
}

// resolvers are public resolvers, by operator.
func resolvers() []string {
	return []string{
		// Google
		"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844", "2001:4860:4860::64", "2001:4860:4860::6464", "dns.google", "dns64.dns.google",
		// Cloudflare
		"1.1.1.1", "1.0.0.1", "1.1.1.2", "1.0.0.2", "1.1.1.3", "1.0.0.3", "2606:4700:4700::1111", "2606:4700:4700::1001", "2606:4700:4700::1112",
		"2606:4700:4700::1002", "2606:4700:4700::1113", "2606:4700:4700::1003", "2606:4700:4700::64", "2606:4700:4700::6400", "cloudflare-dns.com", "one.one.one.one",
		// Quad9
		"9.9.9.9", "149.112.112.112", "9.9.9.10", "149.112.112.10", "9.9.9.11", "149.112.112.11", "2620:fe::fe", "2620:fe::9", "2620:fe::10",
		"2620:fe::fe:10", "2620:fe::11", "2620:fe::fe:11", "dns.quad9.net", "dns10.quad9.net", "dns11.quad9.net",
		// OpenDNS
		"208.67.222.222", "208.67.220.220", "208.67.222.123", "208.67.220.123", "2620:119:35::35", "2620:119:53::53", "2620:119:35::123", "2620:119:53::123",
		"dns.opendns.com", "doh.opendns.com", "dns.umbrella.com",
		// AdGuard
		"94.140.14.14", "94.140.15.15", "94.140.14.140", "94.140.14.141", "2a10:50c0::ad1:ff", "2a10:50c0::ad2:ff", "dns.adguard-dns.com",
		// CleanBrowsing, Control D, Mullvad
		"185.228.168.9", "185.228.169.9", "2a0d:2a00:1::2", "2a0d:2a00:2::2", "76.76.2.0", "76.76.10.0", "2606:1a40::", "2606:1a40:1::", "194.242.2.2", "2a07:e340::2",
		// Level 3, Verisign, Comodo, Hurricane Electric
		"4.2.2.1", "4.2.2.2", "4.2.2.3", "4.2.2.4", "4.2.2.5", "4.2.2.6", "64.6.64.6", "64.6.65.6", "2620:74:1b::1:1", "2620:74:1c::2:2",
		"8.26.56.26", "8.20.247.20", "74.82.42.42", "2001:470:20::2", "ordns.he.net",
		// Yandex, AliDNS, DNSPod, 114DNS
		"77.88.8.8", "77.88.8.1", "2a02:6b8::feed:ff", "2a02:6b8:0:1::feed:ff", "223.5.5.5", "223.6.6.6", "2400:3200::1", "2400:3200:baba::1",
		"119.29.29.29", "2402:4e00::", "114.114.114.114", "114.114.115.115",
		// CIRA, CZ.NIC, SWITCH, DNS4EU, DNS.WATCH
		"149.112.121.10", "149.112.122.10", "2620:10a:80bb::10", "2620:10a:80bc::10", "193.17.47.1", "185.43.135.1", "2001:148f:fffe::1", "2001:148f:ffff::1",
		"130.59.31.248", "2001:620:0:ff::2", "86.54.11.1", "86.54.11.100", "86.54.11.200", "84.200.69.80", "84.200.70.40",
	}
}

// rootServers are the root servers, and the servers of com and net.
func rootServers() []string {
	return []string{
		"root-servers.net", "gtld-servers.net", "nstld.com", "arpa", "iana.org", "iana-servers.net", "icann.org", "internic.net",
		"198.41.0.4", "2001:503:ba3e::2:30", "170.247.170.2", "2801:1b8:10::b", "199.9.14.201", "2001:500:200::b", "192.33.4.12", "2001:500:2::c",
		"199.7.91.13", "2001:500:2d::d", "192.203.230.10", "2001:500:a8::e", "192.5.5.241", "2001:500:2f::f", "192.112.36.4", "2001:500:12::d0d",
		"198.97.190.53", "2001:500:1::53", "192.36.148.17", "2001:7fe::53", "192.58.128.30", "2001:503:c27::2:30", "193.0.14.129", "2001:7fd::1",
		"199.7.83.42", "2001:500:9f::42", "202.12.27.33", "2001:dc3::35",
		"192.5.6.30", "192.33.14.30", "192.26.92.30", "192.31.80.30", "192.12.94.30", "192.35.51.30", "192.42.93.30", "192.54.112.30", "192.43.172.30",
		"192.48.79.30", "192.52.178.30", "192.41.162.30", "192.55.83.30", "2001:503:a83e::2:30", "2001:503:231d::2:30",
	}
}

// certificateStatus are OCSP and CRL hosts: without them programs wait, or refuse what is signed.
func certificateStatus() []string {
	return []string{
		"ocsp.digicert.com", "crl3.digicert.com", "crl4.digicert.com", "cacerts.digicert.com", "status.thawte.com", "status.geotrust.com",
		"status.rapidssl.com", "cdp.thawte.com", "cdp.geotrust.com", "cdp.rapidssl.com", "ocsp.verisign.com", "crl.verisign.com",
		"ocsp.sectigo.com", "crl.sectigo.com", "crt.sectigo.com", "ocsp.usertrust.com", "crl.usertrust.com", "crt.usertrust.com",
		"ocsp.comodoca.com", "crl.comodoca.com", "ocsp.trust-provider.com",
		"ocsp.globalsign.com", "ocsp2.globalsign.com", "crl.globalsign.com", "secure.globalsign.com",
		"ocsp.godaddy.com", "crl.godaddy.com", "certificates.godaddy.com", "ocsp.starfieldtech.com", "crl.starfieldtech.com",
		"ocsp.entrust.net", "crl.entrust.net", "aia.entrust.net", "lencr.org", "ocsp.identrust.com", "crl.identrust.com", "apps.identrust.com",
		"pki.goog", "amazontrust.com", "crl.microsoft.com", "mscrl.microsoft.com", "oneocsp.microsoft.com", "ocsp.msocsp.com",
		"ocsp.apple.com", "ocsp2.apple.com", "crl.apple.com", "valid.apple.com", "certs.apple.com",
		"ocsp.quovadisglobal.com", "crl.quovadisglobal.com", "ocsp.swisssign.net", "crl.swisssign.net", "ocsp.certum.pl", "crl.certum.pl",
		"ocsp.buypass.com", "crl.buypass.no", "ocsp.ssl.com", "ocsps.ssl.com", "crls.ssl.com", "ocsp.harica.gr", "crl.harica.gr", "ocsp.d-trust.net", "crl.d-trust.net",
		"ocsp.telesec.de",
	}
}

// connectivityChecks are asked by operating systems and browsers all day.
func connectivityChecks() []string {
	return []string{
		"msftconnecttest.com", "msftncsi.com", "captive.apple.com", "www.apple.com", "connectivitycheck.gstatic.com", "www.gstatic.com",
		"connectivitycheck.android.com", "clients1.google.com", "clients3.google.com", "www.google.com", "play.googleapis.com", "detectportal.firefox.com",
		"connectivity-check.ubuntu.com", "nmcheck.gnome.org", "networkcheck.kde.org", "fedoraproject.org", "network-test.debian.org",
		"ping.archlinux.org", "conncheck.opensuse.org", "connect.rom.miui.com", "connectivitycheck.platform.hicloud.com", "spectrum.s3.amazonaws.com",
		"time.windows.com", "time.apple.com", "time.google.com", "time.android.com", "time.cloudflare.com", "ntp.ubuntu.com", "pool.ntp.org", "time.nist.gov",
	}
}

// specialNames are resolved by nobody outside (RFC 6761, RFC 6762, RFC 8375, and ICANN's "internal").
func specialNames() []string {
	return []string{"localhost", "localdomain", "local", "internal", "home.arpa"}
}

// emptyFiles are the hashes of nothing, "\n", "\r\n", one space and one zero byte.
func emptyFiles() []string {
	return []string{
		"d41d8cd98f00b204e9800998ecf8427e",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
		"68b329da9893e34099c7d8ad5cb9c940",
		"adc83b19e793491b1c6ea0fd8b46cd9f32e592fc",
		"01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
		"be688838ca8686e5c90689bf2ab585cef1137c999b48c70b92f67a5c34dc15697b5d11c982ed6d71be1e1e7f7b4e0733884aa97c3f7a339a8ed03577cf74be09",
		"81051bcc2cf1bedf378224b0a93e2877",
		"ba8ab5a0280b953aa97435ff8946cbcbb2755a27",
		"7eb70257593da06f682a3ddda54a9d260d4fc514f645237f5ca74b08f8da61a6",
		"1b302a2f1e624a5fb5ad94ddc4e5f8bfd74d26fa37512d0e5face303d8c40eee0d0ffa3649f5da43f439914d128166cb6c4774a7caa3b174d7535451eb697b5d",
		"7215ee9c7d9dc229d2921a40e899ec5f",
		"b858cb282617fb0956d960215c8e84d1ccf909c6",
		"36a9e7f1c95b82ffb99743e0c5c4ce95d83c9a430aac59f84ef3cbfab6145068",
		"f90ddd77e400dfe6a3fcf479b00b1ee29e7015c5bb8cd70f5f15b4886cc339275ff553fc8a053f8ddc7324f45168cffaf81f8c3ac93996f6536eef38e5e40768",
		"93b885adfe0da089cdf634904fd59f71",
		"5ba93c9db0cff93f52b521d7420e43f6eda2784f",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"b8244d028981d693af7b456af8efa4cad63d282e19ff14942c246e50d9351d22704a802a71c3580b6370de4ceb293c324a8423342557d4e5c38438f0e36910ee",
	}
}
