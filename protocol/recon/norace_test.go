//go:build !race

package recon

// raced says that the race detector slows this build down tenfold and more.
const raced = false
