// Package tocsin_test holds the repository to its own rules: who may import
// whom, what protocol may touch, documentation, sizes, sleeps, and that every
// requirement of SPEC.md has a test. It parses the files itself, so that a cached
// result is never older than the code.
package tocsin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layer is one line of the architecture: a package may import own packages of a
// lower level that it names, and other modules that it names.
type layer struct {
	level  int
	own    []string
	others []string
}

const (
	logging = "github.com/ipfs/go-log/v2"
	cbor    = "github.com/fxamacker/cbor/v2"
	zstd    = "github.com/klauspost/compress/zstd"
	merkle  = "github.com/transparency-dev/merkle"
	toml    = "github.com/pelletier/go-toml/v2"
	libp2p  = "github.com/libp2p/go-libp2p"
	atomic  = "github.com/google/renameio/v2" // temp, fsync, rename, fsync of the directory
	group   = "golang.org/x/sync/errgroup"
)

// layers is the whole program, bottom up. A new package is added here with its
// reason in the same commit; a new module with a reason beside it.
var layers = map[string]layer{
	"protocol/reason": {0, nil, nil},
	"protocol/stix":   {1, own("protocol/reason"), own("github.com/gowebpki/jcs", "github.com/go-json-experiment/json")},
	// idna writes names as DNS has them; norm composes text, as the standard wants patterns compared
	"protocol/pattern": {1, own("protocol/reason"), own("golang.org/x/net/idna", "golang.org/x/text/unicode/norm")},
	"protocol":         {2, own("protocol/reason", "protocol/stix"), own(cbor, zstd, merkle)},
	"protocol/trust":   {3, own("protocol", "protocol/pattern", "protocol/reason", "protocol/stix"), own(toml, "golang.org/x/net/publicsuffix")},
	// what must not be blocked, in the format of MISP; bart for prefixes
	"protocol/warn":    {3, own("protocol/pattern", "protocol/reason"), own("github.com/gaissmai/bart", "golang.org/x/net/idna", "golang.org/x/net/publicsuffix", "github.com/go-json-experiment/json")},
	"protocol/release": {3, own("protocol/reason", "protocol/stix"), nil},
	// what two sets of records lack of each other; ids and numbers only
	"protocol/recon": {1, own("protocol/reason"), nil},
	// a founded organisation and its records, for tests above protocol and for the bench; no product code imports it
	"protocol/protocoltest": {3, own("protocol", "protocol/stix"), nil},
	"storage":               {4, own("protocol", "protocol/pattern", "protocol/reason", "protocol/recon", "protocol/stix"), own("github.com/dgraph-io/badger/v4", "github.com/gaissmai/bart", logging)},
	// how a count, a size or a duration reads, the same in every command, check and title
	"node/figures": {0, nil, nil},
	// the limits of tests and benchmarks that do not care who else is busy; no product code imports it
	"node/cputime": {0, nil, nil},
	// state files survive a power cut: the one place that knows how
	"node/durable": {4, own("protocol/reason"), own(atomic)},
	// commands change peers and topics; the admin port writes them, the composition reads them.
	// libp2p only to read a peer's address
	"node/settings": {5, own("protocol", "protocol/reason", "node/durable"), own(libp2p, logging, toml)},
	"node/keystore": {5, own("protocol", "protocol/reason", "node/durable"), own(libp2p)},
	"node/identity": {6, own("protocol", "protocol/reason", "protocol/stix", "node/durable", "node/keystore"), own(logging, "github.com/tyler-smith/go-bip39")},
	// what is signed about logs that only grow: trees, checkpoints, cosignatures; the audit log and evidence share it
	"node/tlog": {4, own("protocol", "protocol/reason"), own(merkle, "golang.org/x/mod/sumdb/note")},
	// who did what and why, outside the store: whoever changes something writes here first
	"node/audit": {5, own("protocol", "protocol/reason", "node/durable", "node/tlog"), own(logging)},
	// whose word stands: revocations, forks, rollbacks, breakers; asked by intake and by belief
	"node/standing": {5, own("protocol", "protocol/reason", "node/durable"), own(logging)},
	"node/warnings": {5, own("protocol/reason", "protocol/warn"), own(logging)},
	// circuit breakers: their counts, and who trips
	"node/breaker": {6, own("protocol", "protocol/trust", "node/durable", "node/standing"), own(logging)},
	// what only a person may decide
	"node/review": {6, own("protocol", "protocol/reason", "node/audit", "node/durable"), own(logging)},
	"node/policy": {6, own("protocol", "protocol/reason", "protocol/trust", "node/audit", "node/durable"), own(logging)},
	// how two organisations that never met find each other
	"node/invite": {7, own("protocol", "protocol/reason", "node/durable", "node/identity"), own(logging)},
	"node/p2p":    {5, own("protocol", "protocol/reason", "protocol/trust"), own(libp2p, "github.com/libp2p/go-libp2p-pubsub", "github.com/multiformats/go-multiaddr", "github.com/multiformats/go-multistream", cbor, logging, group, "golang.org/x/time/rate", "github.com/prometheus/client_golang")},
	// what was answered to requests that must not be done twice
	"node/once": {6, own("protocol/reason", "node/durable"), own(logging)},
	// who may do what at the admin port
	"node/access": {6, own("protocol/reason", "node/audit", "node/durable"), own(logging)},
	// one stream of what happens, made of the change sequence, the audit log and what is only seen as it happens
	"node/feed": {6, own("protocol/reason", "storage", "node/audit"), own(logging)},
	// examines a node; knows nothing of it
	"node/doctor": {5, own("protocol/reason"), own(group)},
	// log levels at run time, and the last lines
	"node/logs": {5, own("protocol/reason"), own(logging)},
	// what Prometheus reads
	"node/metrics":   {6, own("protocol/reason", "storage"), own("github.com/prometheus/client_golang", logging)},
	"node/admin/api": {5, own("protocol/reason"), nil},
	// what keeps a full disk from killing the node
	"node/space": {5, own("node/figures", "protocol/reason", "node/durable"), own("golang.org/x/sys/unix", logging)},
	// when and from whom records were first seen, committed to in the audit log; checkpoints that peers cosign
	"node/evidence": {7, own("protocol", "protocol/reason", "storage", "node/audit", "node/durable", "node/identity", "node/once", "node/p2p", "node/tlog"), own(cbor, logging, group)},
	// the store and the files beside it, to a folder elsewhere and back
	"node/backup": {6, own("protocol", "protocol/reason", "storage", "node/audit", "node/durable"), own(cbor, zstd, logging, "filippo.io/age")},
	"node/intake": {7, own("protocol", "protocol/pattern", "protocol/reason", "protocol/stix", "protocol/trust", "storage", "node/breaker", "node/identity", "node/policy", "node/standing", "node/warnings", "protocol/warn"), own(logging)},
	// what this node saw of each organisation's work: the ledger of the arithmetic
	"node/scores": {7, own("protocol", "protocol/pattern", "protocol/reason", "protocol/trust", "storage", "node/durable", "node/policy", "node/standing"), own(logging)},
	// what listed organisations vouch for, bind themselves to and warn of
	"node/pledges": {7, own("protocol", "protocol/reason", "protocol/trust", "storage"), own(logging)},
	// what gossip did not bring
	"node/catchup": {8, own("protocol", "protocol/reason", "protocol/recon", "protocol/trust", "storage", "node/p2p"), own(libp2p, cbor, zstd, logging, group, "golang.org/x/time/rate")},
	// records in files, for where no network goes
	"node/bundle": {8, own("protocol", "protocol/reason", "protocol/stix", "storage", "node/audit", "node/durable", "node/evidence", "node/identity", "node/intake", "node/keystore"), own(cbor, zstd, logging, group, "golang.org/x/sync/semaphore", "filippo.io/age")},
	// looks for damage and has it repaired
	"node/scrub": {9, own("protocol", "protocol/reason", "storage", "node/audit", "node/catchup", "node/durable"), own(logging)},
	// what the node believes about a value: asked by the admin port and by every output
	"node/belief": {8, own("protocol", "protocol/pattern", "protocol/reason", "protocol/stix", "protocol/trust", "protocol/warn", "storage", "node/policy", "node/admin/api", "node/scores", "node/standing", "node/warnings"), own(logging)},
	"node/outbox": {8, own("protocol", "protocol/pattern", "protocol/reason", "protocol/release", "protocol/stix", "storage", "node/durable", "node/identity", "node/once", "node/intake"), own(logging)},
	// what a node does by the clock and not because somebody asked
	// the node's keys over time: what changes the chain, the key in use and what is published, in one order
	"node/custody": {9, own("protocol", "protocol/reason", "storage", "node/audit", "node/identity", "node/once", "node/keystore", "node/outbox"), own(logging)},
	"node/upkeep":  {10, own("protocol", "protocol/reason", "protocol/trust", "storage", "node/audit", "node/belief", "node/breaker", "node/pledges", "node/identity", "node/intake", "node/outbox", "node/policy", "node/review", "node/scores", "node/standing", "node/warnings"), own(logging, group)},
	"node/admin":   {10, own("node/figures", "node/once", "node/access", "node/doctor", "node/feed", "node/logs", "node/metrics", "node/backup", "node/bundle", "node/catchup", "node/evidence", "node/scrub", "node/space", "node/tlog", "protocol", "protocol/pattern", "protocol/reason", "protocol/stix", "protocol/trust", "storage", "node/admin/api", "node/belief", "node/identity", "node/intake", "node/outbox", "node/policy", "node/settings", "node/audit", "node/custody", "node/invite", "node/keystore", "node/review", "node/scores", "node/standing", "node/warnings", "protocol/warn"), own("github.com/danielgtaylor/huma/v2", "golang.org/x/sys/unix", logging)},
	// prometheus: the type of the registry
	"node": {11, own("node/figures", "node/once", "node/access", "node/doctor", "node/feed", "node/logs", "node/metrics", "protocol", "protocol/reason", "protocol/trust", "storage", "node/admin", "node/admin/api", "node/backup", "node/bundle", "node/catchup", "node/evidence", "node/scrub", "node/space", "node/belief", "node/durable", "node/identity", "node/intake", "node/keystore", "node/outbox", "node/p2p", "node/policy", "node/settings", "node/upkeep", "node/audit", "node/breaker", "node/custody", "node/invite", "node/pledges", "node/review", "node/scores", "node/standing", "node/warnings", "protocol/stix"), own(libp2p, "github.com/multiformats/go-multiaddr", logging, group, toml, "github.com/adrg/xdg", "github.com/gofrs/flock", "github.com/prometheus/client_golang")},
	"node/nodetest": {12, own("node/access", "node/doctor", "node/feed", "node/logs", "node/metrics", "node/backup", "node/bundle", "node/catchup", "node/evidence", "node/scrub", "node/space", "protocol/recon", "protocol", "protocol/pattern", "protocol/protocoltest", "node/cputime", "protocol/reason", "protocol/stix", "protocol/trust", "storage", "node", "node/custody", "node/identity", "node/intake", "node/outbox", "node/p2p", "node/policy", "node/keystore", "node/admin/api", "node/audit", "node/belief", "node/invite", "node/review", "node/scores", "node/standing", "node/warnings", "protocol/warn"),
		own(libp2p, "github.com/libp2p/go-libp2p-pubsub", "github.com/multiformats/go-multiaddr", "github.com/marcopolo/simnet", cbor)},
	// a screen; it asks the node through functions that it is given
	"cmd/tocsin/internal/top": {6, own("node/figures", "node/admin/api"), own("charm.land/bubbletea/v2", "charm.land/lipgloss/v2")},
	// a client that a generator made of the API's description, to see that the description is enough
	"node/admin/apitest": {12, own("node", "node/admin/api"), own("github.com/oapi-codegen/runtime")},
	// width counts terminal columns, so that tables with CJK text stay tables
	"cmd/tocsin": {12, own("node/figures", "cmd/tocsin/internal/top", "node/access", "node/doctor", "node/logs", "node/backup", "node/bundle", "node/evidence", "node/space", "node/tlog", "protocol/recon", "node/durable", "protocol", "protocol/pattern", "protocol/reason", "protocol/stix", "protocol/trust", "storage", "node", "node/admin/api", "node/outbox", "node/p2p", "node/policy", "node/settings", "node/audit", "node/identity", "node/keystore", "node/invite", "node/warnings", "protocol/warn"),
		own("github.com/spf13/cobra", "rsc.io/qr", "charm.land/bubbletea", "charm.land/lipgloss", "github.com/spf13/pflag", "github.com/knadh/koanf", toml, libp2p, "github.com/libp2p/go-libp2p-pubsub", logging, group, "github.com/schollz/progressbar/v3", "github.com/mattn/go-isatty", "github.com/adrg/xdg",
			"golang.org/x/text/width", "filippo.io/age", "golang.org/x/term")},
	// three contenders in one program: it measures the product's real code
	"cmd/bench": {12, own("node/backup", "node/catchup", "protocol/recon", "protocol", "protocol/pattern", "protocol/protocoltest", "node/cputime", "protocol/reason", "protocol/stix", "protocol/trust", "storage", "node", "node/admin/api", "node/belief", "node/identity", "node/intake", "node/keystore", "node/outbox", "node/p2p", "node/policy", "node/audit", "node/breaker", "node/scores", "node/standing", "node/warnings", "protocol/warn"),
		own(libp2p, "github.com/libp2p/go-libp2p-pubsub", "github.com/dgraph-io/badger/v4", "filippo.io/age", logging, group)},
	// alerts, dashboards and their tests: no code
	"deploy/monitoring": {12, nil, nil},
	// what kills, starves and damages real processes, and counts what is lost
	"cmd/rig": {12, own("protocol", "protocol/pattern", "protocol/protocoltest", "protocol/reason", "protocol/stix", "storage", "node", "node/admin/api", "node/durable", "node/keystore", "node/outbox"), own(logging, group, "golang.org/x/sys/unix")},
}

func own(names ...string) []string { return names }

// source is one parsed Go file.
type source struct {
	path string // slash-separated, from the root
	pkg  string // its folder
	test bool
	fset *token.FileSet
	file *ast.File
	raw  []byte
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, raw, parser.ParseComments)
		if err != nil {
			return err
		}
		slash := filepath.ToSlash(p)
		all = append(all, source{path: slash, pkg: path.Dir(slash), test: strings.HasSuffix(name, "_test.go"), fset: fset, file: f, raw: raw})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d Go files found: is this the root?", len(all))
	}
	return all
}

func imports(f *ast.File) []string {
	var paths []string
	for _, s := range f.Imports {
		p, _ := strconv.Unquote(s.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

func within(p string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return p == m || strings.HasPrefix(p, m+"/") })
}

// TestLayers holds every import against the table, tests of a package included
// (they may also reach what they need to build fixtures).
func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		if s.pkg == "." {
			continue
		}
		l, ok := layers[s.pkg]
		if !ok {
			t.Errorf("%s: package %s is not in the layer table; add it with its reason", s.path, s.pkg)
			continue
		}
		seen[s.pkg] = true
		for _, p := range imports(s.file) {
			checkImport(t, s, l, p)
		}
	}
	for p := range layers {
		if !seen[p] {
			t.Errorf("package %s is in the layer table but does not exist", p)
		}
	}
}

func checkImport(t *testing.T, s source, l layer, p string) {
	name, isOwn := strings.CutPrefix(p, "tocsin/")
	switch {
	case isOwn && s.test:
		if name == "node/nodetest" || name == s.pkg || layers[name].level <= l.level {
			return
		}
		t.Errorf("%s: a test of level %d imports %s of level %d", s.path, l.level, name, layers[name].level)
	case isOwn:
		if !slices.Contains(l.own, name) {
			t.Errorf("%s: imports %s, which the layer table does not allow", s.path, name)
		} else if layers[name].level >= l.level {
			t.Errorf("%s: level %d imports %s of level %d: everything points down", s.path, l.level, name, layers[name].level)
		}
	case strings.Contains(strings.SplitN(p, "/", 2)[0], "."):
		if !s.test && !within(p, l.others) {
			t.Errorf("%s: imports module %s, which the layer table does not allow", s.path, p)
		}
	case p == "testing" && !s.test && s.pkg != "node/nodetest":
		t.Errorf("%s: imports testing outside a test", s.path)
	}
}

// TestProtocolIsPure keeps I/O, clocks, goroutines and state out of protocol:
// transitively, because its packages may only import each other and the modules above.
func TestProtocolIsPure(t *testing.T) {
	impure := []string{"os", "net", "log", "sync", "path", "io/ioutil", "runtime", "syscall", "math/rand", "math/rand/v2", "expvar", "plugin", "unsafe"}
	for _, s := range sources(t) {
		if s.test || s.pkg != "protocol" && !strings.HasPrefix(s.pkg, "protocol/") {
			continue
		}
		for _, p := range imports(s.file) {
			if within(p, impure) && p != "net/netip" && p != "net/url" {
				t.Errorf("%s: protocol imports %s", s.path, p)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: protocol starts a goroutine", s.fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Sleep", "After", "Since", "Until", "NewTimer", "NewTicker"}, n.Sel.Name) {
					t.Errorf("%s: protocol reads the clock: time.%s", s.fset.Position(n.Pos()), n.Sel.Name)
				}
			}
			return true
		})
	}
}

// TestDocs wants one package comment per package and a comment on every exported name.
func TestDocs(t *testing.T) {
	docs := map[string][]string{}
	pkgs := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || s.pkg == "." {
			continue
		}
		pkgs[s.pkg] = true
		if s.file.Doc != nil {
			docs[s.pkg] = append(docs[s.pkg], s.path)
		}
		if ast.IsGenerated(s.file) {
			continue
		}
		for _, d := range s.file.Decls {
			checkDoc(t, s, d)
		}
	}
	for p := range pkgs {
		if len(docs[p]) != 1 {
			t.Errorf("package %s has %d package comments %v, want 1", p, len(docs[p]), docs[p])
		}
	}
}

func checkDoc(t *testing.T, s source, d ast.Decl) {
	at := func(n ast.Node) string { return s.fset.Position(n.Pos()).String() }
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil {
			t.Errorf("%s: exported %s has no comment", at(d), d.Name.Name)
		}
		if d.Name.Name == "init" && d.Recv == nil {
			t.Errorf("%s: init function", at(d))
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					t.Errorf("%s: exported type %s has no comment", at(spec), spec.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Comment == nil && spec.Names[0].IsExported() {
					t.Errorf("%s: exported %s has no comment", at(spec), spec.Names[0].Name)
				}
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// manyFields names structs that may have more than 12 fields: what stands on the
// wire, in a file or in the API is as wide as its format.
var manyFields = regexp.MustCompile(`^(node/admin/api\.|protocol\.(Header|Record|Draft|Genesis|Certificate|[a-z]\w*Claims)|protocol/(stix\.Object|trust\.(Entry|Claim|Term))|storage\.(Leaf|Hit)|node/(p2p|admin)\.PeerInfo|node\.Config|node/backup\.Manifest|node/evidence\.(contents|Found))`)

// TestSizes keeps files, functions and structs small enough to read.
func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if ast.IsGenerated(s.file) {
			continue
		}
		if n := strings.Count(string(s.raw), "\n"); n > 500 {
			t.Errorf("%s has %d lines, limit 500", s.path, n)
		}
		lines := func(n ast.Node) int {
			return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				limit := 70
				if s.pkg == "cmd/tocsin" && n.Name.Name == "main" {
					limit = 40
				}
				if got := lines(n); got > limit && !s.test {
					t.Errorf("%s: %s has %d lines, limit %d", s.fset.Position(n.Pos()), n.Name.Name, got, limit)
				}
			case *ast.TypeSpec:
				st, ok := n.Type.(*ast.StructType)
				if !ok || s.test || manyFields.MatchString(s.pkg+"."+n.Name.Name) {
					return true
				}
				if got := st.Fields.NumFields(); got > 12 {
					t.Errorf("%s: struct %s has %d fields, limit 12", s.fset.Position(n.Pos()), n.Name.Name, got)
				}
			}
			return true
		})
		if base := path.Base(s.pkg); slices.Contains([]string{"util", "utils", "common", "helpers", "types", "base", "internal", "pkg"}, base) {
			t.Errorf("%s: package name %s says nothing", s.path, base)
		}
	}
}

// TestNoSleep allows time.Sleep in tests only where time is virtual: in a
// function that runs inside a synctest bubble, or in a file that says it does.
func TestNoSleep(t *testing.T) {
	for _, s := range sources(t) {
		bubble := slices.Contains(imports(s.file), "testing/synctest") || strings.Contains(string(s.raw), "//bubble: ")
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && !bubble {
				t.Errorf("%s: time.Sleep outside a synctest bubble", s.fset.Position(n.Pos()))
			}
			return true
		})
	}
}

var specID = regexp.MustCompile(`\b(ENC|KEY|ID|STM|REC|PRF|FRK|PLG|TOP|VER|LIM|OBJ|NET|INV|SYN|BND|EVD|RSN|ADM)-\d\d\b`)

// TestSpec holds SPEC.md's requirement ids against the tests that name them, both ways.
func TestSpec(t *testing.T) {
	text, err := os.ReadFile("SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile(`^- \*\*([A-Z]+-\d\d)\*\*`).FindStringSubmatch(line); m != nil {
			required[m[1]]++
		}
	}
	if len(required) < 60 {
		t.Errorf("SPEC.md states only %d requirements", len(required))
	}
	tested := map[string]bool{}
	for _, s := range sources(t) {
		if s.pkg == "." {
			continue
		}
		for _, id := range specID.FindAllString(string(s.raw), -1) {
			if required[id] == 0 {
				t.Errorf("%s names %s, which SPEC.md lacks", s.path, id)
			}
			tested[id] = tested[id] || s.test
		}
	}
	for id, n := range required {
		if n > 1 {
			t.Errorf("SPEC.md states %s %d times", id, n)
		}
		if !tested[id] {
			t.Errorf("SPEC.md: no test names %s", id)
		}
	}
}
