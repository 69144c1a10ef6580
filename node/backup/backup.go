// Package backup writes what a node must not lose to a folder elsewhere, encrypted and incremental, and brings it back.
package backup
