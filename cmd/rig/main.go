// Command rig kills, starves and damages real processes of the node and counts what is lost: each rig has a short form,
// which the tests run, and a long one for make soak.
//
// A rig gets a run: a scratch folder, a seeded source of randomness, a place to write down what it
// measured and what must not have happened. What it starts or mounts it hands to the run to be undone; as root it works in a
// mount namespace of its own, so that not even a killed rig leaves a mount or a loop device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	logging "github.com/ipfs/go-log/v2"
)

// rig is one line of the table.
type rig struct {
	name string
	// about says in one line what it does and what must hold.
	about string
	// short is what make test pays for: a few seconds. long is for make soak.
	short, long options
	run         func(ctx context.Context, r *run) error
}

// options are the amounts of one run. What a rig does not need it leaves zero.
type options struct {
	// cycles is how often the damage is done.
	cycles int
	// records is how many there are to lose, or to catch up with.
	records int
}

// rigs is the table. A new rig is a file with its function, and a line here.
func rigs() []rig {
	return []rig{
		{"kill", "kill -9 at random points: nothing acknowledged is lost, no phantom, no sequence twice, opens in 5 s", options{cycles: 10}, options{cycles: 1000}, runKill},
		{"erase", "what was erased, rejected or has expired is not on the raw device after a vacuum, and never comes back", options{cycles: 2, records: 30}, options{cycles: 20, records: 200}, runErase},
		{"powercut", "the raw image of a loop-mounted ext4, taken under load: nothing synced is lost, the audit log is sound", options{cycles: 5}, options{cycles: 300}, runPowercut},
		{"fulldisk", "a disk that is filled up while publishing, and starts without a free byte: the process never dies, goes on in 10 s", options{cycles: 4}, options{cycles: 50}, runFulldisk},
		{"bitflip", "single bits of every kind of file: nothing wrong is served, nothing panics, what is missing is named", options{cycles: 8}, options{cycles: 200}, runBitflip},
		{"line", "three nodes in a line, the middle one killed, then stopped through a burst: all stores end alike without a restart", options{cycles: 1, records: 150}, options{cycles: 5, records: 5000}, runLine},
		{"mixed", "nodes of this version and an older one under load, each started anew in turn: nothing is lost, nobody is punished", options{}, options{cycles: 5}, runMixed},
		{"memory", "an empty node catches up under 256 MB of memory", options{records: 20_000}, options{records: 1_000_000}, runMemory},
	}
}

func main() {
	os.Exit(command(os.Args[1:], os.Stdout))
}

// command runs the program: 0 when nothing was breached, 1 when something was, 2 when it was not asked properly.
func command(args []string, out io.Writer) int {
	var long bool
	var cycles int
	var seed uint64
	var bin string
	flags := flag.NewFlagSet("rig", flag.ContinueOnError)
	flags.Usage = func() { usage(flags.Output(), flags) }
	flags.BoolVar(&long, "long", false, "the long form, which takes minutes")
	flags.IntVar(&cycles, "cycles", 0, "how often the damage is done; 0 is what the form says")
	flags.Uint64Var(&seed, "seed", 0, "run a failure again by the seed it printed; 0 draws one")
	flags.StringVar(&bin, "bin", "bin/tocsin", "the program under test")
	names, err := parseMixed(flags, args)
	if err != nil {
		return 2
	}
	chosen, err := choose(names)
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rig:", err)
		return 2
	}
	if code, done := isolate(); done {
		return code
	}
	logging.SetupLogging(logging.Config{Level: logging.LevelPanic, Stderr: true}) // rigs open damaged stores, which log it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var results []result
	for _, g := range chosen {
		o := g.short
		if long {
			o = g.long
		}
		if cycles > 0 {
			o.cycles = cycles
		}
		results = append(results, g.execute(ctx, o, seed, bin, out))
	}
	return summarise(out, results)
}

// parseMixed takes flags before and after names.
func parseMixed(flags *flag.FlagSet, args []string) (names []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return names, nil
		}
		names, args = append(names, flags.Arg(0)), flags.Args()[1:]
	}
}

func usage(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprintln(w, "usage: rig [--long] [--cycles N] [--seed S] [--bin PATH] NAME... | all")
	flags.PrintDefaults()
	fmt.Fprintln(w)
	for _, g := range rigs() {
		fmt.Fprintf(w, "  %-10s %s\n", g.name, g.about)
	}
}

// choose finds rigs by name; all are all.
func choose(names []string) (chosen []rig, err error) {
	if len(names) == 1 && names[0] == "all" {
		return rigs(), nil
	}
	for _, name := range names {
		before := len(chosen)
		for _, g := range rigs() {
			if g.name == name {
				chosen = append(chosen, g)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("no rig is called %q; rig --help lists them", name)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("name a rig, or all; rig --help lists them")
	}
	return chosen, nil
}

// result is what came of a rig.
type result struct {
	name    string
	seed    uint64
	took    time.Duration
	skipped string
	figures []string
	breach  []string
	err     error
}

// execute runs a rig and undoes what it did.
func (g *rig) execute(ctx context.Context, o options, seed uint64, bin string, out io.Writer) (res result) {
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	res = result{name: g.name, seed: seed}
	fmt.Fprintf(out, "%s: %s (seed %d)\n", g.name, g.about, seed)
	started := time.Now()
	defer func() { res.took = time.Since(started) }()
	r, err := newRun(o, seed, bin, out)
	if err != nil {
		res.err = err
		return res
	}
	res.err = errors.Join(g.run(ctx, r), ctx.Err())
	res.err = errors.Join(res.err, r.undo())
	res.figures, res.breach = r.figures, r.breaches
	if skip, ok := errors.AsType[skipped](res.err); ok {
		res.skipped, res.err = string(skip), nil
	}
	return res
}

// notRun begins what a rig says that lacks something here.
const notRun = "NOT RUN: "

// summarise prints one line for each rig and what went wrong; it returns the exit code.
func summarise(out io.Writer, results []result) (code int) {
	fmt.Fprintln(out)
	for _, res := range results {
		word := "ok"
		switch {
		case res.err != nil || len(res.breach) > 0:
			word, code = "FAILED", 1
		case res.skipped != "":
			word = notRun + res.skipped
		}
		fmt.Fprintf(out, "%-10s %s  %.1f s  seed %d  %s\n", res.name, word, res.took.Seconds(), res.seed, strings.Join(res.figures, "; "))
		for _, b := range res.breach {
			fmt.Fprintf(out, "  breach: %s\n", b)
		}
		if res.err != nil {
			fmt.Fprintf(out, "  error: %v\n", res.err)
		}
	}
	return code
}

// newRand is a run's source of randomness.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x70c51)) }
