package main

import "testing"

// TestWarningContenders: both hold the lists and give the same answers.
func TestWarningContenders(t *testing.T) {
	corpus := warnCorpus{500, 400, 100}
	values := corpus.values()
	for name, load := range map[string]func([][]byte) (*warningContender, error){"product": loadProduct, "reference": loadNaive} {
		c, err := load(corpus.files())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ask(values); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, v := range values[:600] {
			if c.match(v) != (i%2 == 0) {
				t.Errorf("%s: %s is listed: %t", name, v.Value, i%2 != 0)
			}
		}
	}
}
