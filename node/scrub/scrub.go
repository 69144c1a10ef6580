// Package scrub looks for damage in the store by hashes, by the completeness of key logs and by counts kept outside
// it, and has what it finds repaired from peers.
package scrub
