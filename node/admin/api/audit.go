package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// AuditEntry is one entry of the audit log, in the form of its line in the file.
type AuditEntry struct {
	// Seq is the entry's number, from 1 without gaps.
	Seq uint64 `json:"seq"`
	// At is when it was written.
	At time.Time `json:"at"`
	// Actor is who acted.
	Actor AuditActor `json:"actor"`
	// Action is what was done, such as trust.set; the part before the dot is the area. ".failed" at its end says that it was not done after all.
	Action string `json:"action"`
	// Target is what it was done to: an id, a name, a file.
	Target string `json:"target,omitempty"`
	// Reason is what the person gave as the reason.
	Reason string `json:"reason,omitempty"`
	// Detail has further facts by name; the names hang on the action.
	Detail map[string]string `json:"detail,omitempty"`
	// Prev is the hash of the entry before; zeros in the first.
	Prev string `json:"prev"`
	// Hash is the hash of this entry: a chain through the whole log.
	Hash string `json:"hash"`
}

// AuditActor is who acted: an account, the node itself, or one that the system does not name.
type AuditActor struct {
	// UID is the account's number at the system; -1 is the node itself, -2 an account that the system does not name.
	UID int `json:"uid"`
	// User is the account's, token's or session's name; absent where there is none.
	User string `json:"user,omitempty"`
	// Via is the way in: socket, token, session (a browser), node (by itself) or config (what stands in a file).
	Via string `json:"via"`
}

// AuditHead is the newest entry's number and hash.
type AuditHead struct {
	// Seq is the number of the newest entry, 0 in an empty log.
	Seq uint64 `json:"seq"`
	// Hash is its hash, zeros in an empty log.
	Hash string `json:"hash"`
}

// AuditVerification is what a check of the whole audit log found.
type AuditVerification struct {
	// OK says that no problem was found.
	OK bool `json:"ok"`
	// Entries counts the sound entries.
	Entries uint64 `json:"entries"`
	// Head is the hash of the last entry in the file: who keeps it can tell later whether entries are missing at the end.
	Head string `json:"head"`
	// Checkpoints counts the signed heads that the file had to hold.
	Checkpoints int `json:"checkpoints"`
	// Problems are sentences that name the line each, 100 at most.
	Problems []string `json:"problems"`
}

// AuditParams says what to look for in the audit log; empty fields do not restrict.
type AuditParams struct {
	// After is where to go on; Newest asks for the newest entries instead.
	After  uint64
	Newest bool
	// Wait lets the answer wait for an entry, up to 25 s.
	Wait  bool
	Limit int
	// Action is a whole action or its first part; Target and Text match parts; User is an account's name or number.
	Action, Target, Text, User string
	// Since is included, Until is not.
	Since, Until time.Time
}

// Audit gives entries of the audit log, oldest first. Next says where to go on.
func (c *Client) Audit(ctx context.Context, p AuditParams) (*List[AuditEntry], error) {
	q := url.Values{}
	for name, value := range map[string]string{"action": p.Action, "target": p.Target, "text": p.Text, "user": p.User} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, t := range map[string]time.Time{"since": p.Since, "until": p.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, set := range map[string]bool{"newest": p.Newest, "wait": p.Wait} {
		if set {
			q.Set(name, "true")
		}
	}
	if p.After > 0 {
		q.Set("after", strconv.FormatUint(p.After, 10))
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return call[List[AuditEntry]](ctx, c, http.MethodGet, "/audit", q, nil)
}

// AuditHead gives the newest entry's number and hash.
func (c *Client) AuditHead(ctx context.Context) (*AuditHead, error) {
	return call[AuditHead](ctx, c, http.MethodGet, "/audit/head", nil, nil)
}

// AuditVerify has the node check its whole log, which may take a minute.
func (c *Client) AuditVerify(ctx context.Context) (*AuditVerification, error) {
	return call[AuditVerification](ctx, c, http.MethodGet, "/audit/verify", nil, nil)
}

// AuditExport writes the audit log's file to w as it stands and counts its bytes.
func (c *Client) AuditExport(ctx context.Context, w io.Writer) (int64, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/audit/export"})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	out := &outward{w: w}
	n, err := io.Copy(out, resp.Body)
	switch {
	case out.err != nil:
		return n, fmt.Errorf("write the exported log: %w", out.err)
	case err != nil:
		return n, c.dialProblem(ctx, fmt.Errorf("the export broke off after %d bytes: %w", n, err))
	}
	return n, nil
}

// outward remembers whether the writing side failed.
type outward struct {
	w   io.Writer
	err error
}

// Write passes on.
func (o *outward) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}
