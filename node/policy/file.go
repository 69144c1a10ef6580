package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// maxRead bounds what is read of a file. It lies above the limit of trust.Parse,
// which then says what is wrong.
const maxRead = 8 << 20

// header tells whoever opens the state file what it is.
const header = "# Written by tocsin; change it with 'tocsin trust'. Your own list is trust.toml\n# in the configuration folder, in the same format.\n\n"

// read reads a list; a file that is not there is an empty one.
func read(path string) (*trust.List, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || path == "" {
		return trust.Empty(), nil
	}
	if err != nil {
		return nil, reason.Wrap(reason.TrustFile, "open trust list "+path, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRead))
	if err != nil {
		return nil, reason.Wrap(reason.TrustFile, "read trust list "+path, err)
	}
	return trust.Parse(path, raw)
}

// write replaces a file by the list, or leaves it as it was. It is durable on
// return.
func write(path string, l *trust.List) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write trust list %s: %w", path, err)
	}
	return durable.Write(path, append([]byte(header), l.Encode()...), 0o600)
}
