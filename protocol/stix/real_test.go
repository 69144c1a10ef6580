package stix

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sharedSTIX is real intelligence beside the checkout; none of it is kept here.
const sharedSTIX = "../../../shared/data/stix"

func realFiles(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	dir := filepath.Join(sharedSTIX, folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("REAL DATA NOT TESTED: %s is absent: %v", dir, err)
	}
	files := map[string][]byte{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".stix2") {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	return files
}

// TestRealData parses every object of four publishers, 2.0 ones after the
// upgrade, and holds the others against the file byte for byte.
func TestRealData(t *testing.T) {
	for _, c := range []struct {
		folder                       string
		objects, upgraded, indicator int // as counted when the data was fetched
	}{
		{"amnesty", 8550, 0, 4272},
		{"oasis-examples", 260, 0, 43},
		{"attack-sample", 31, 1, 0},
		{"unit42-stix20", 3081, 3081, 2002},
		{"../tlp", 10, 0, 0},
		{"extensions", 3, 0, 0},
	} {
		t.Run(c.folder, func(t *testing.T) {
			objects, upgraded, indicators := 0, 0, 0
			for path, raw := range realFiles(t, c.folder) {
				b, err := ReadBundle(raw)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					continue
				}
				for _, s := range b.Skipped {
					t.Errorf("%s: %s skipped: %v", path, s.ID, s.Err)
				}
				upgraded += b.Upgraded
				for _, raw21 := range b.Objects {
					objects++
					o, err := Parse(raw21)
					if err != nil {
						t.Errorf("%s: %v", path, err)
						continue
					}
					if o.Indicator != nil {
						indicators++
					}
					if b.Upgraded == 0 && !bytes.Contains(raw, raw21) {
						t.Errorf("%s: %s is not as it was", path, o.ID)
					}
				}
			}
			t.Logf("%d objects, %d upgraded, %d indicators, all parsed", objects, upgraded, indicators)
			if objects < c.objects || upgraded < c.upgraded || indicators < c.indicator {
				t.Errorf("%d objects, %d upgraded, %d indicators; want %d, %d, %d at least", objects, upgraded, indicators, c.objects, c.upgraded, c.indicator)
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	raw := []byte(sampleIndicator)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Scan(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(sampleIndicator)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParser(b *testing.B) {
	raw := []byte(sampleIndicator)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	var p Parser
	for b.Loop() {
		if _, err := p.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadBundle(b *testing.B) {
	raw := []byte(`{"type":"bundle","objects":[` + strings.Repeat(sampleIndicator+",", 999) + sampleIndicator + "]}")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if got, err := ReadBundle(raw); err != nil || len(got.Objects) != 1000 {
			b.Fatal(err)
		}
	}
}
