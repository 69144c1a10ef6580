package protocol

// Claimed is what a record says of itself, nothing of it verified: enough to
// choose whose budget pays for the verification, and good for nothing else.
type Claimed struct {
	Kind Kind
	// Certificate is the digest of the certificate that the header names; zero when it names none.
	Certificate Digest
}

// Peek reads the claims of a record that decide what Verify will cost. It is
// false when the header cannot be read; Verify then refuses the record at once.
func Peek(raw []byte) (Claimed, bool) {
	w, err := splitHeader(raw[:min(len(raw), MaxHeaderBytes)], len(raw) > MaxHeaderBytes)
	if err != nil {
		return Claimed{}, false
	}
	kind, ok := w.payload[claimKind].(uint64)
	if !ok || kind >= MaxKind {
		return Claimed{}, false
	}
	claimed := Claimed{Kind: Kind(kind)}
	if digest, ok := w.protected[protectedCertificate].([]byte); ok && len(digest) == len(claimed.Certificate) {
		claimed.Certificate = Digest(digest)
	}
	return claimed, true
}
