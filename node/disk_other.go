//go:build !linux && !darwin && !freebsd

package node

// diskBytes is the size of the disk that holds a folder; here nobody asks for it.
func diskBytes(string) int64 { return 0 }

// freeBytes is what this process may still write where a folder is; here nobody asks for it.
func freeBytes(string) int64 { return 0 }
