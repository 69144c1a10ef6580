package bundle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"tocsin/protocol/reason"
)

// Unlock gives what is in a file: itself, or what age decrypts with one of the identities. The end of a chunk that was tampered with or cut
// is an error of the reader it returns; what came before is genuine. What no identity opens is bundle.locked.
func Unlock(in io.Reader, identities ...age.Identity) (io.Reader, bool, error) {
	// BND-13
	b := bufio.NewReaderSize(in, 64<<10)
	start, err := b.Peek(len(ageIntro))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, fmt.Errorf("read the start of the file: %w", err)
	}
	if !bytes.HasPrefix(start, []byte(ageIntro)) {
		return b, false, nil
	}
	if len(identities) == 0 {
		return nil, true, reason.New(reason.BundleLocked, "the file is encrypted, and no key was given")
	}
	plain, err := age.Decrypt(b, identities...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, true, reason.New(reason.BundleLocked, unopened(identities))
	}
	if err != nil {
		return nil, true, reason.Wrap(reason.BundleDamaged, "read the head of the encrypted file", err)
	}
	return &unlocked{in: plain}, true, nil
}

// unopened says why none of the identities opened a file.
func unopened(identities []age.Identity) string {
	phrase := false
	for _, id := range identities {
		_, is := id.(*age.ScryptIdentity)
		phrase = phrase || is
	}
	switch {
	case phrase && len(identities) == 1:
		return "the passphrase does not open the file: it is another one, or the file is encrypted for keys and not with a passphrase"
	case phrase:
		return "neither the passphrase nor the keys that were given open the file"
	}
	return "the file is encrypted with a passphrase, or for other keys than those given"
}

// unlocked gives the errors of decryption their code.
type unlocked struct{ in io.Reader }

// Read passes on.
func (u *unlocked) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = reason.Wrap(reason.BundleDamaged, "decrypt the file", err)
	}
	return n, err
}
