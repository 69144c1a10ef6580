package protocol

import (
	"crypto/sha256"
	"encoding/hex"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func readSpec(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ID-03 REC-02: the worked example of SPEC 4.5 is the vector that it says it is.
func TestSpecExample(t *testing.T) {
	_, section, ok := strings.Cut(readSpec(t), "### 4.5 An example")
	if !ok {
		t.Fatal("SPEC has no section 4.5")
	}
	var blocks [][]byte
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 || i > 3 {
			continue
		}
		var digits strings.Builder
		for line := range strings.SplitSeq(strings.TrimPrefix(block, "text"), "\n") {
			code, _, _ := strings.Cut(line, "#")
			digits.WriteString(strings.TrimSpace(code))
		}
		b, err := hex.DecodeString(digits.String())
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		blocks = append(blocks, b)
	}
	for _, v := range readVectors(t) {
		if v.name != "record-accept-minimal" {
			continue
		}
		if got, want := hex.EncodeToString(blocks[0]), v.get("input"); got != want {
			t.Errorf("the record in SPEC 4.5:\n%s\nthe vector:\n%s", got, want)
		}
		if got, want := RecordID(sha256.Sum256(blocks[1])).String(), v.get("record-id"); got != want {
			t.Errorf("the Sig_structure in SPEC 4.5 hashes to %s, the vector has %s", got, want)
		}
		return
	}
	t.Fatal("there is no vector record-accept-minimal")
}

// LIM-01: the table of SPEC 8 and limits.go say the same, name by name.
func TestSpecLimits(t *testing.T) {
	table := map[string]string{}
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\w+) \| ([0-9,]+)( ms)? \|`)
	_, section, _ := strings.Cut(readSpec(t), "## 8 Limits")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range row.FindAllStringSubmatch(section, -1) {
		table[m[1]] = strings.ReplaceAll(m[2], ",", "")
	}
	limits := readLimits(t)
	for name, value := range limits {
		if table[name] != value {
			t.Errorf("%s: SPEC 8 says %q, limits.go %s", name, table[name], value)
		}
	}
	for name := range table {
		if limits[name] == "" {
			t.Errorf("%s stands in SPEC 8 and not in limits.go", name)
		}
	}
}

// readLimits gives the constants of limits.go as decimals, durations in milliseconds.
func readLimits(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]constant.Value{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			s := spec.(*ast.ValueSpec)
			values[s.Names[0].Name] = evaluate(t, s.Values[0], values)
		}
	}
	out := map[string]string{}
	for name, v := range values {
		out[name] = v.ExactString()
	}
	return out
}

// evaluate computes a constant expression of limits.go; units of time count milliseconds.
func evaluate(t *testing.T, e ast.Expr, known map[string]constant.Value) constant.Value {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0)
	case *ast.Ident:
		return known[e.Name]
	case *ast.SelectorExpr:
		unit := map[string]time.Duration{"Hour": time.Hour, "Minute": time.Minute, "Second": time.Second}[e.Sel.Name]
		return constant.MakeInt64(unit.Milliseconds())
	case *ast.BinaryExpr:
		x, y := evaluate(t, e.X, known), evaluate(t, e.Y, known)
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(n))
		}
		return constant.BinaryOp(x, e.Op, y)
	}
	t.Fatalf("limits.go holds an expression that this test cannot compute: %T", e)
	return nil
}

// ENC-01 ENC-02 ENC-03: one spelling, few types, small shapes.
func TestClaimsEncoding(t *testing.T) {
	nested := func(depth int) string { // a map of claims is the first level
		return "a11820" + strings.Repeat("81", depth-1) + "00"
	}
	for name, test := range map[string]struct {
		hex string
		ok  bool
	}{
		"an empty map":             {"a0", true},
		"integers of all kinds":    {"a21820" + "1bffffffffffffffff" + "1821" + "3b7fffffffffffffff", true},
		"text, bytes, booleans":    {"a418206161182141ff1822f41823f5", true},
		"arrays and maps":          {"a1182082a2010161610280", true},
		"8 deep":                   {nested(8), true},
		"9 deep":                   {nested(9), false},
		"an array of 1,024":        {"a11820990400" + strings.Repeat("00", 1024), true},
		"an array of 1,025":        {"a11820990401" + strings.Repeat("00", 1025), false},
		"a map of 64":              {"a11820" + mapOf(64), true},
		"a map of 65":              {"a11820" + mapOf(65), false},
		"below -2^63":              {"a118203b8000000000000000", false},
		"a long head":              {"a118201801", false},
		"a long length":            {"a11820580100", false},
		"an indefinite array":      {"a118209f00ff", false},
		"an indefinite text":       {"a118207f6161ff", false},
		"keys out of order":        {"a218210018200000", false},
		"a key twice":              {"a2182000182000", false},
		"a float":                  {"a11820f93c00", false},
		"null":                     {"a11820f6", false},
		"undefined":                {"a11820f7", false},
		"another simple value":     {"a11820f0", false},
		"a tag":                    {"a11820c101", false},
		"a number too large":       {"a11820c249010000000000000000", false},
		"text that is not UTF-8":   {"a1182061ff", false},
		"a negative key":           {"a12000", false},
		"a text key":               {"a1616100", false},
		"a byte string as a key":   {"a11820a1416100", false},
		"an array as a key":        {"a11820a18000", false},
		"an array":                 {"80", false},
		"two items":                {"a0a0", false},
		"nothing":                  {"", false},
		"cut off":                  {"a11820", false},
		"a float deep inside":      {"a1182081a101f93c00", false},
		"keys out of order inside": {"a11820a202000100", false},
		"a boolean key":            {"a11820a1f500", true},
	} {
		raw, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := decodeClaims(raw); (err == nil) != test.ok {
			t.Errorf("%s: %v, want it taken: %v", name, err, test.ok)
		}
	}
}

func mapOf(n int) string {
	var out strings.Builder
	out.WriteString("b8" + hex.EncodeToString([]byte{byte(n)}))
	for i := range n {
		out.WriteString(hex.EncodeToString(mustEncode(i)) + "00")
	}
	return out.String()
}
