// Package space keeps a full disk from killing the node: it watches free space and inodes, holds a ballast file that it gives up in
// need, and says when the store may be written and opened.
package space
