package storage

// The suffixes of badger's files.
const (
	tableSuffix = ".sst"
)
