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
		return nil, true, reason.New(reason.BundleLocked, "the file is encrypted for other keys than those given")
	}
	if err != nil {
		return nil, true, reason.Wrap(reason.BundleDamaged, "read the head of the encrypted file", err)
	}
	return &unlocked{in: plain}, true, nil
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
