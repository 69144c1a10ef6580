package keystore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// A public key travels as one line of text: "tocsin-public-key-1", the algorithm,
// the key in base64. It is no secret; what matters is that it is the right one, so
// people compare its words.
const publicName = "tocsin-public-key-1"

// PublicText writes a public key as one line, without the end of line.
func PublicText(key protocol.PublicKey) string {
	return fmt.Sprintf("%s %s %s", publicName, algName(key.Alg()), base64.StdEncoding.EncodeToString(key.Bytes()))
}

func algName(alg protocol.Alg) string {
	if alg == protocol.ES256 {
		return algP256
	}
	return algEd25519
}

// ParsePublic reads what PublicText writes; lines that start with # are passed over.
// A private key is refused, by name: it must not travel.
func ParsePublic(text string) (protocol.PublicKey, error) {
	var line string
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if line != "" {
			return protocol.PublicKey{}, errors.New("more than one key")
		}
		line = l
	}
	fields := strings.Fields(line)
	if len(fields) > 0 && fields[0] == formatName {
		return protocol.PublicKey{}, errors.New("this is a private key: it stays where it is; give its public half")
	}
	if len(fields) != 3 || fields[0] != publicName {
		return protocol.PublicKey{}, errors.New("no line of the form: " + publicName + " ALGORITHM BASE64")
	}
	alg := map[string]protocol.Alg{algEd25519: protocol.EdDSA, algP256: protocol.ES256}[fields[1]]
	raw, err := base64.StdEncoding.Strict().DecodeString(fields[2])
	if alg == 0 || err != nil {
		return protocol.PublicKey{}, fmt.Errorf("want %s or %s, and the key in base64", algEd25519, algP256)
	}
	return protocol.NewPublicKey(alg, raw)
}

// ReadPublic reads a file with one public key.
func ReadPublic(path string) (protocol.PublicKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return protocol.PublicKey{}, reason.Wrap(reason.KeyFile, "read public key "+path, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(raw) > maxFileBytes {
		err = fmt.Errorf("larger than %d bytes, so no key file", maxFileBytes)
	}
	var key protocol.PublicKey
	if err == nil {
		key, err = ParsePublic(string(raw))
	}
	if err != nil {
		return protocol.PublicKey{}, reason.Wrap(reason.KeyFile, "read public key "+path, err)
	}
	return key, nil
}
