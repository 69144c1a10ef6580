package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/access"
	"tocsin/protocol/reason"
)

// pair is a certificate of this test and its key, as files.
type pair struct {
	cert, key string
	pool      *x509.CertPool
}

// newPair makes a certificate for 127.0.0.1 and node.example.
func newPair(t *testing.T, dir string, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	form := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"node.example"}, IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	ok(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ok(t, err)
	p := pair{filepath.Join(dir, "admin.crt"), filepath.Join(dir, "admin.key"), x509.NewCertPool()}
	ok(t, os.WriteFile(p.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600))
	ok(t, os.WriteFile(p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	read, err := x509.ParseCertificate(raw)
	ok(t, err)
	p.pool.AddCert(read)
	return p
}

// openAt runs a server with a port until the test ends, and gives its first TCP address.
func openAt(t *testing.T, b *bench, p Port, change func(*Server)) (socket, addr string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm")
	ok(t, err)
	d := b.deps
	d.Port = p
	socket = filepath.Join(dir, "admin.sock")
	s, err := New(socket, d)
	ok(t, err)
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		ok(t, <-done)
		ok(t, s.Close())
		ok(t, os.RemoveAll(dir))
	})
	for _, d := range s.doors {
		if !d.socket {
			return socket, d.name
		}
	}
	t.Fatal("no TCP address")
	return "", ""
}

// With a certificate a port speaks TLS 1.3 and HTTP/1.1 and nothing else, and its cookies go over nothing else (ADM-01, ADM-03, ADM-10).
func TestTLS(t *testing.T) {
	b := newBench(t)
	book, err := access.Open(filepath.Join(t.TempDir(), "access.json"), b.deps.Audit)
	ok(t, err)
	b.deps.Access = book
	p := newPair(t, t.TempDir(), 1)
	_, addr := openAt(t, b, Port{Listen: []string{"127.0.0.1:0"}, Hosts: []string{"node.example", "proxy.example:443"}, Cert: p.cert, Key: p.key}, nil)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: p.pool}}}
	defer client.CloseIdleConnections()
	send := func(method, path, host, origin, body string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "https://"+addr+path, strings.NewReader(body))
		ok(t, err)
		r.Host = host
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w, err := client.Do(r)
		ok(t, err)
		raw, err := io.ReadAll(w.Body)
		ok(t, err)
		ok(t, w.Body.Close())
		return w, string(raw)
	}
	port := ":" + portOf(addr)
	for _, host := range []string{addr, "localhost" + port, "node.example" + port, "proxy.example:443"} {
		if w, text := send("GET", "/livez", host, "", ""); text != "yes\n" || w.ProtoMajor != 1 || w.TLS.Version != tls.VersionTLS13 {
			t.Errorf("at %s: %s %q, TLS %x", host, w.Proto, text, w.TLS.Version)
		}
		if w, _ := send("GET", "/livez", host, "http://"+host, ""); w.StatusCode != http.StatusForbidden {
			t.Errorf("at %s, from a page that came without encryption: %d", host, w.StatusCode)
		}
	}
	for _, host := range []string{"node.example", "proxy.example", "proxy.example" + port, "NODE.example" + port, "other.example" + port} {
		if w, text := send("GET", "/livez", host, "", ""); w.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(text, string(reason.HostUnknown)) {
			t.Errorf("at %s: %d %s", host, w.StatusCode, text)
		}
	}
	code, _, err := book.Code(access.With(t.Context(), access.Principal{Role: access.Owner}), access.Viewer)
	ok(t, err)
	w, text := send("POST", "/api/v1/login", addr, "https://"+addr, `{"code":"`+code+`"}`)
	if cookie := w.Header.Get("Set-Cookie"); w.StatusCode != http.StatusOK || !strings.Contains(cookie, "; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("login: %d %s, cookie %q", w.StatusCode, text, cookie)
	}
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: p.pool, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is taken")
	}
	c, err := net.Dial("tcp", addr)
	ok(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	ok(t, err)
	if raw, _ := io.ReadAll(c); strings.Contains(string(raw), " 200 ") {
		t.Errorf("without encryption: %q", raw)
	}
}

// A certificate that changes is shown without a restart, once it can be read; until then the one before stays.
func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	p := newPair(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		c := &certificate{cert: p.cert, key: p.key}
		serial := func() int64 {
			t.Helper()
			shown, err := c.get(nil)
			ok(t, err)
			return shown.Leaf.SerialNumber.Int64()
		}
		shows := func(when string, want int64) {
			t.Helper()
			if got := serial(); got != want {
				t.Errorf("%s: shows %d, want %d", when, got, want)
			}
		}
		shows("at first", 1)
		next := newPair(t, t.TempDir(), 2)
		raw, err := os.ReadFile(next.cert)
		ok(t, err)
		ok(t, os.WriteFile(p.cert, raw, 0o600))
		ok(t, os.Chtimes(p.cert, time.Time{}, time.Now()))
		shows("soon after it changed", 1)
		time.Sleep(certificateRest)
		shows("while its key is missing", 1)
		ok(t, os.Rename(next.key, p.key))
		ok(t, os.Chtimes(p.key, time.Time{}, time.Now()))
		shows("soon after the key came", 1)
		time.Sleep(certificateRest)
		shows("when both are there", 2)
		ok(t, os.Remove(p.cert))
		time.Sleep(certificateRest)
		shows("when its file is gone", 2)
		if _, err := (&certificate{cert: p.cert, key: p.key}).get(nil); err == nil {
			t.Error("a certificate of no file")
		}
	})
}

// A server whose port cannot be had, or must not, does not start, and leaves no socket behind (ADM-01).
func TestPortRefused(t *testing.T) {
	b := newBench(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	defer func() { ok(t, other.Close()) }()
	taken := other.Addr().String()
	dir := t.TempDir()
	p := newPair(t, dir, 1)
	for name, c := range map[string]struct {
		port Port
		code reason.Code
		says string
	}{
		"taken":             {Port{Listen: []string{"127.0.0.1:0", taken}}, reason.Conflict, taken},
		"taken, if lenient": {Port{Listen: []string{taken}, Lenient: true}, reason.Conflict, taken},
		"for all, plain":    {Port{Listen: []string{"127.0.0.1:0", "0.0.0.0:0"}}, reason.ConfigInvalid, "admin_tls_cert"},
		"no key":            {Port{Listen: []string{"0.0.0.0:0"}, Cert: p.cert}, reason.ConfigInvalid, "admin_tls_cert"},
		"no certificate":    {Port{Listen: []string{"127.0.0.1:0"}, Cert: filepath.Join(dir, "none"), Key: p.key}, reason.ConfigInvalid, "admin_tls_cert"},
		"mixed up":          {Port{Listen: []string{"127.0.0.1:0"}, Cert: p.key, Key: p.cert}, reason.ConfigInvalid, "admin_tls_key"},
		"no address":        {Port{Listen: []string{"127.0.0.1"}}, reason.ConfigInvalid, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			run := t.TempDir()
			d := b.deps
			d.Port = c.port
			_, err := New(filepath.Join(run, "s"), d)
			refused(t, err, c.code)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: it does not say %s", err, c.says)
			}
			if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
				t.Errorf("left %v, %v", left, err)
			}
		})
	}
}

// Connections that say nothing are let go, at a port with TLS as well: they keep nobody out (ADM-02).
func TestSilentConnections(t *testing.T) {
	b := newBench(t)
	p := newPair(t, t.TempDir(), 1)
	for name, port := range map[string]Port{"plain": {}, "TLS": {Cert: p.cert, Key: p.key}} {
		port.Listen = []string{"127.0.0.1:0"}
		_, addr := openAt(t, b, port, func(s *Server) { s.times = times{200 * time.Millisecond, time.Second, writeTimeout, askAgain} })
		silent := make([]net.Conn, 2)
		for i := range silent {
			c, err := net.Dial("tcp", addr)
			ok(t, err)
			silent[i] = c
		}
		for _, c := range silent {
			ok(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
			if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
				t.Errorf("%s: a silent connection is still there: %v", name, err)
			}
			ok(t, c.Close())
		}
	}
}
