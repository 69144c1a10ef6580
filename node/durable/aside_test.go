package durable

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is damaged is kept, each time under a name of its own, until there are too many.
func TestAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n, aside := range []func(string) (string, error){CopyAside, PutAside, CopyAside, PutAside} {
		want := fmt.Sprint("damage ", n+1)
		write(path, want)
		name, err := aside(path)
		raw, read := os.ReadFile(name)
		if err != nil || read != nil || string(raw) != want || name != fmt.Sprintf("%s.damaged-%d", path, n+1) {
			t.Errorf("%s holds %q, want %q: %v", name, raw, want, err)
		}
		if _, err := os.Stat(path); (err == nil) != (n%2 == 0) {
			t.Errorf("a copy leaves the file, a move does not: %v", err)
		}
	}
	for _, aside := range []func(string) (string, error){CopyAside, PutAside} {
		if name, err := aside(path); name != "" || err == nil {
			t.Errorf("a file that is not there went to %q", name)
		}
	}
	for n := 5; n <= maxAside; n++ {
		write(fmt.Sprintf("%s.damaged-%d", path, n), "")
	}
	write(path, "kept")
	if _, err := PutAside(path); err == nil || !strings.Contains(err.Error(), "remove some") {
		t.Errorf("one more than %d: %v", maxAside, err)
	}
	if raw, err := fs.ReadFile(os.DirFS(filepath.Dir(path)), "state"); err != nil || string(raw) != "kept" {
		t.Errorf("%q, %v", raw, err)
	}
}
