package backup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"tocsin/node/durable"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// signatureFile proves who wrote a backup: four bytes with the length of a signed document, the document, and the chain of
// the organisation. Sealing proves nothing, for a recipient is no secret.
const signatureFile = "signature"

// Signer is the node that writes a backup: its organisation's chain, and the certificate and key that sign the manifest.
type Signer struct {
	Chain       []*protocol.Statement
	Certificate *protocol.Certificate
	Key         protocol.Signer
}

// sign puts the signature of a manifest beside it.
func (s Signer) sign(dir string, m *Manifest, sum string) error {
	doc, err := protocol.SignDocument(m.Network, protocol.DocumentBackup, []byte(sum), s.Certificate, s.Key)
	if err != nil {
		return err
	}
	raw := append(binary.BigEndian.AppendUint32(nil, uint32(len(doc))), doc...)
	for _, st := range s.Chain {
		raw = append(raw, st.Raw()...)
	}
	return durable.Write(filepath.Join(dir, signatureFile), raw, 0o600)
}

// sign signs the manifest of the backup under way. A node whose certificate has ended is backed up all the same.
func (w *writing) sign(m *Manifest, sum string) (unsigned string, err error) {
	if w.src.Signer == nil {
		return "there is no key to sign it with", nil
	}
	s, err := w.src.Signer()
	if err == nil {
		err = s.sign(w.dir, m, sum)
	}
	if reason.Of(err) == reason.CertExpired {
		log.Warnw("the backup is not signed", "id", m.ID, "err", err)
		return err.Error(), nil
	}
	return "", err
}

// signed checks that a manifest was signed by a node of the organisation that it names.
func signed(dir string, m *Manifest, sum string) error {
	raw, err := readSmall(filepath.Join(dir, signatureFile))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is not signed, so nobody can say who wrote it")
	}
	if err != nil {
		return err
	}
	if len(raw) < 4 || uint64(binary.BigEndian.Uint32(raw)) > uint64(len(raw)-4) {
		return errors.New("its signature is cut short")
	}
	cut := 4 + int(binary.BigEndian.Uint32(raw))
	doc, err := protocol.ReadDocument(raw[4:cut])
	if err != nil {
		return fmt.Errorf("read its signature: %w", err)
	}
	statements, err := protocol.ReadStatements(m.Network, raw[cut:])
	if err != nil {
		return fmt.Errorf("read the chain of its signature: %w", err)
	}
	chains, _, _ := protocol.NewChains(m.Network).With(statements...) // what does not verify certifies nothing
	cert, err := doc.Verify(protocol.DocumentBackup, m.Created, chains)
	if err != nil {
		return fmt.Errorf("check its signature: %w", err)
	}
	if !bytes.Equal(doc.Payload, []byte(sum)) {
		return errors.New("its signature is that of another manifest")
	}
	if cert.Org.String() != m.Org {
		return fmt.Errorf("it is signed by %s, and says that it is of %s", cert.Org, m.Org)
	}
	return nil
}

// genuine decides whether a backup is what the operator, or the node, may take for their own. What the node remembers of
// its last one needs no more proof than that.
func (a Access) genuine(dir string, about About, m *Manifest, sum string) error {
	org := a.Org
	if last := readMemory(a.Data).Last; last != nil {
		if last.ID == m.ID {
			if last.Digest == sum {
				return nil
			}
			return damaged(m.ID, errors.New("it is not the one that this node wrote under that name"))
		}
		if org == "" {
			org = last.Org
		}
	}
	if org != "" && m.Org != org {
		return reason.New(reason.Conflict, fmt.Sprintf("backup %s is of organisation %s, and not of %s", m.ID, m.Org, org))
	}
	if about.Sealed == SealedNone && !a.Plain {
		return reason.New(reason.BackupKey, fmt.Sprintf("backup %s is not sealed: whoever can write to the folder may have put it there; --plain takes it", m.ID))
	}
	if a.Unsigned {
		return nil
	}
	if err := signed(dir, m, sum); err != nil {
		return damaged(m.ID, fmt.Errorf("%w; --unsigned takes it all the same", err))
	}
	return nil
}
