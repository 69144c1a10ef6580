package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tocsin/protocol/reason"
)

// Status asks the node for its state; it answers while starting, too.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	start := time.Now()
	s, err := call[Status](ctx, c, http.MethodGet, "/status", nil, nil)
	if took := time.Since(start); err != nil && ProblemOf(err).Code == string(reason.TimedOut) && took >= hangs {
		return nil, NewProblem(reason.TimedOut, fmt.Sprintf("a process has the socket %s and does not answer within %v: it hangs or was stopped", c.socket, took.Round(100*time.Millisecond))).WithFix(Wake)
	}
	return s, err
}

// hangs is how long a status, which a node says at once, has to be awaited before the node is said to hang.
const hangs = time.Second

// Wake is what to do about a node that hangs.
const Wake = "see its log and its process: 'kill -CONT' wakes one that was stopped; restart one that hangs"

// Peers lists connected and kept peers.
func (c *Client) Peers(ctx context.Context) (*List[Peer], error) {
	return pages[Peer](ctx, c, "/peers", nil, 0)
}

// Peer shows one peer, connected or kept (full id or unique prefix).
func (c *Client) Peer(ctx context.Context, peerID string) (*Peer, error) {
	return call[Peer](ctx, c, http.MethodGet, "/peers/"+url.PathEscape(peerID), nil, nil)
}

// AddPeer connects to a peer and keeps it. A peer that cannot be reached now is
// kept too: then the answer is not Connected and State says why.
func (c *Client) AddPeer(ctx context.Context, addr string) (*Peer, error) {
	return call[Peer](ctx, c, http.MethodPost, "/peers", nil, PeerRequest{Addr: addr})
}

// RemovePeer stops keeping a peer and closes its connections.
func (c *Client) RemovePeer(ctx context.Context, peerID string) (*Removed, error) {
	return call[Removed](ctx, c, http.MethodDelete, "/peers/"+url.PathEscape(peerID), nil, nil)
}

// Topics lists joined and known topics.
func (c *Client) Topics(ctx context.Context) (*List[Topic], error) {
	return pages[Topic](ctx, c, "/topics", nil, 0)
}

// JoinTopic joins a topic; joining twice is no error.
func (c *Client) JoinTopic(ctx context.Context, name string) (*Topic, error) {
	return call[Topic](ctx, c, http.MethodPut, "/topics/"+url.PathEscape(name), nil, nil)
}

// LeaveTopic leaves a topic.
func (c *Client) LeaveTopic(ctx context.Context, name string) (*Topic, error) {
	return call[Topic](ctx, c, http.MethodDelete, "/topics/"+url.PathEscape(name), nil, nil)
}

// Trust lists the trust list in force.
func (c *Client) Trust(ctx context.Context) (*List[TrustEntry], error) {
	return pages[TrustEntry](ctx, c, "/trust", nil, 0)
}

// TrustEntry shows what the list says of an organisation (full id or unique prefix).
func (c *Client) TrustEntry(ctx context.Context, org string) (*TrustEntry, error) {
	return call[TrustEntry](ctx, c, http.MethodGet, "/trust/"+url.PathEscape(org), nil, nil)
}

// AddTrust puts a new entry in force; conflict when the organisation is listed.
func (c *Client) AddTrust(ctx context.Context, e TrustEntry) (*TrustEntry, error) {
	return call[TrustEntry](ctx, c, http.MethodPost, "/trust", nil, e)
}

// SetTrust puts an entry in force, in place of an earlier one.
func (c *Client) SetTrust(ctx context.Context, e TrustEntry) (*TrustEntry, error) {
	return call[TrustEntry](ctx, c, http.MethodPut, "/trust/"+url.PathEscape(e.Org), nil, e)
}

// RemoveTrust takes an organisation off the list; why, which may be "", goes into the audit log.
func (c *Client) RemoveTrust(ctx context.Context, org, why string) (*Removed, error) {
	q := url.Values{}
	if why != "" {
		q.Set("reason", why)
	}
	return call[Removed](ctx, c, http.MethodDelete, "/trust/"+url.PathEscape(org), q, nil)
}

// Check asks what the node believes about values, in order.
func (c *Client) Check(ctx context.Context, values []string) (*List[CheckItem], error) {
	return call[List[CheckItem]](ctx, c, http.MethodPost, "/check", nil, CheckRequest{Values: values})
}

// Explain asks for the arithmetic behind a value or a STIX id.
func (c *Client) Explain(ctx context.Context, subject string) (*Explanation, error) {
	return call[Explanation](ctx, c, http.MethodGet, "/explain", url.Values{"subject": {subject}}, nil)
}

// Object shows an object: a STIX id (the newest version), RECORD#INDEX, or a unique prefix.
func (c *Client) Object(ctx context.Context, id string) (*Object, error) {
	return call[Object](ctx, c, http.MethodGet, "/objects/"+url.PathEscape(id), nil, nil)
}

// RawObject gives an object's bytes exactly as published.
func (c *Client) RawObject(ctx context.Context, id string) ([]byte, error) {
	return c.read(ctx, "/objects/"+url.PathEscape(id)+"/raw")
}

// Proof gives a record file with the signer's chain and the object with its proof.
func (c *Client) Proof(ctx context.Context, id string) ([]byte, error) {
	return c.read(ctx, "/objects/"+url.PathEscape(id)+"/proof")
}

// Record shows a record (full id or unique prefix).
func (c *Client) Record(ctx context.Context, id string) (*Record, error) {
	return call[Record](ctx, c, http.MethodGet, "/records/"+url.PathEscape(id), nil, nil)
}

// RawRecord gives a record's bytes exactly as sent.
func (c *Client) RawRecord(ctx context.Context, id string) ([]byte, error) {
	return c.read(ctx, "/records/"+url.PathEscape(id)+"/raw")
}

// RecordFile gives a record file: the signer's chain, then the record.
func (c *Client) RecordFile(ctx context.Context, id string) ([]byte, error) {
	return c.read(ctx, "/records/"+url.PathEscape(id)+"/file")
}

// Arrivals are objects in the order in which they arrived.
type Arrivals struct {
	// Items are the page's objects, never null.
	Items []Object `json:"items"`
	// Next is the cursor of the next page; absent on the last.
	Next string `json:"next,omitempty"`
	// Resume is the cursor to go on with behind this page, be it the last one: then with what came since.
	Resume string `json:"resume"`
	// Unreadable counts what stands in this page's place but could not be read and is left out.
	Unreadable int `json:"unreadable,omitempty"`
}

// Search looks through what the node holds, newest first. It asks on for some seconds while little is found.
func (c *Client) Search(ctx context.Context, p SearchParams) (*List[Object], error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"q": p.Query, "type": p.Type, "topic": p.Topic, "org": p.Org, "state": p.State, "cursor": p.Cursor,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, t := range map[string]time.Time{"since": p.Since, "until": p.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339))
		}
	}
	return filled[Object](ctx, c, "/search", q, p.Limit)
}

// Quarantine lists what is held, a page at a time. It asks on for some seconds while little is found.
func (c *Client) Quarantine(ctx context.Context, p HeldParams) (*List[HeldItem], error) {
	q := url.Values{}
	for name, value := range map[string]string{"cursor": p.Cursor, "org": p.Org, "code": p.Code, "q": p.Query} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return filled[HeldItem](ctx, c, "/quarantine", q, p.Limit)
}

// Decide accepts or drops something held.
func (c *Client) Decide(ctx context.Context, d Decision) (*Decided, error) {
	return call[Decided](ctx, c, http.MethodPost, "/quarantine/decisions", nil, d)
}

// Changes gives a page of the change sequence after a number: of so many changes those that the filter selects. It was the
// last one when Next is that number.
func (c *Client) Changes(ctx context.Context, after uint64, limit int, f EventFilter) (*List[Event], error) {
	q := (&EventParams{After: strconv.FormatUint(after, 10), EventFilter: f}).query()
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return call[List[Event]](ctx, c, http.MethodGet, "/changes", q, nil)
}

// Publish sends STIX to be signed and spread. size is the body's length, or -1.
// progress, which may be nil, is called as the work goes on.
func (c *Client) Publish(ctx context.Context, p PublishParams, body io.Reader, size int64, progress func(Progress)) (*PublishResult, error) {
	q := url.Values{"topic": {p.Topic}}
	for name, value := range map[string]string{"tlp": p.TLP, "producer": p.Producer, "upstream": p.Upstream} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, d := range map[string]time.Duration{"valid_for": p.ValidFor, "hold": p.Hold} {
		if d != 0 {
			q.Set(name, d.String())
		}
	}
	if p.Preview {
		q.Set("preview", "true")
	}
	if p.Confidence >= 0 {
		q.Set("confidence", strconv.Itoa(p.Confidence))
	}
	resp, err := c.do(ctx, request{
		method: http.MethodPost, path: "/objects", query: q, body: body, size: size,
		contentType: "application/octet-stream", accept: MediaNDJSON,
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(resp.Body)
	for {
		var line PublishLine
		if err := lines.Decode(&line); err != nil {
			return nil, c.dialProblem(ctx, err)
		}
		switch {
		case line.Problem != nil:
			return nil, line.Problem
		case line.Result != nil:
			return line.Result, nil
		case line.Progress != nil && progress != nil:
			progress(*line.Progress)
		}
	}
}
