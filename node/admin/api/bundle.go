package api

import (
	"bytes"
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

// BundleRequest says what an export shall hold.
type BundleRequest struct {
	// Topics restricts the topics; none means all. Control records always go with it.
	Topics []string `json:"topics,omitempty" maxItems:"1000"`
	// Since leaves out what came before it.
	Since time.Time `json:"since,omitzero"`
	// Wishes are a receiver's, as BundleHeads gives them.
	Wishes string `json:"wishes,omitempty" maxLength:"8388608"`
	// After leaves out changes up to that number: for increments.
	After uint64 `json:"after,omitempty"`
	// Until leaves out later changes; 0 is the newest one.
	Until uint64 `json:"until,omitempty"`
	// MaxTLP is the highest label that leaves.
	MaxTLP string `json:"max_tlp" minLength:"1" maxLength:"40"`
	// Held lets what is in quarantine, and what blocked organisations said, leave too.
	Held bool `json:"held,omitempty"`
	// ChunkMB is how large chunks get, in MiB; 0 is 100.
	ChunkMB int `json:"chunk_mb,omitempty" minimum:"0" maximum:"4096"`
	// Reason goes into the audit log, and so does Lock: how the caller encrypts what it gets.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
	Lock   string `json:"lock,omitempty" maxLength:"1000"`
	// Series and Increment number an increment.
	Series    string `json:"series,omitempty" maxLength:"32"`
	Increment uint64 `json:"increment,omitempty"`
}

// BundleExported says what left and what stayed. Until is the newest change that was looked at.
type BundleExported struct {
	Bundle  string         `json:"bundle"`
	Created time.Time      `json:"created"`
	Records int            `json:"records"`
	Chunks  int            `json:"chunks"`
	Topics  []string       `json:"topics"`
	Kept    map[string]int `json:"kept"`
	Until   uint64         `json:"until,omitempty"`
}

// BundleImported says what an import did. No record is counted twice.
type BundleImported struct {
	// Taken were stored and accepted, Quarantined stored and held, Headers keep the place of what is gone, Already were here before; Refused
	// were not stored, by reason.
	Taken       int            `json:"taken"`
	Quarantined int            `json:"quarantined"`
	Headers     int            `json:"headers"`
	Already     int            `json:"already"`
	Refused     map[string]int `json:"refused"`
	// Segments counts parts that were used, Facts first-seen facts that were kept as the exporter's word.
	Segments int           `json:"segments"`
	Facts    int           `json:"facts"`
	Faults   []BundleFault `json:"faults"`
	Bundles  []Bundle      `json:"bundles"`
}

// BundleFault is a part of a file that was not used.
type BundleFault struct {
	// File is set by the command line, which knows it. Bundle, Chunk and Segment are what the part says of itself.
	File    string `json:"file,omitempty"`
	Bundle  string `json:"bundle,omitempty"`
	Chunk   int    `json:"chunk,omitempty"`
	Segment int    `json:"segment,omitempty"`
	Offset  int64  `json:"offset"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Bundle is a bundle that this node wrote or read.
type Bundle struct {
	ID       string `json:"id"`
	Exporter string `json:"exporter"`
	Petname  string `json:"petname,omitempty"`
	// Level is the trust in the exporter: its word on when it first saw records weighs as much. The records are their authors'.
	Level   string    `json:"level"`
	Ours    bool      `json:"ours"`
	Created time.Time `json:"created"`
	At      time.Time `json:"at"`
	MaxTLP  string    `json:"max_tlp"`
	// Manifest is true when it came; Chunks and Records are 0 before.
	Manifest bool     `json:"manifest"`
	Chunks   int      `json:"chunks"`
	Records  int      `json:"records"`
	Topics   []string `json:"topics"`
	// Whole and Missing are chunks, such as 1-3,5.
	Whole     string `json:"whole"`
	Missing   string `json:"missing"`
	Series    string `json:"series,omitempty"`
	Increment uint64 `json:"increment,omitempty"`
}

// BundleHeads are wishes: what this node holds, for an exporter to leave out.
type BundleHeads struct {
	Text string `json:"text"`
	Logs int    `json:"logs"`
}

// BundleSeries is what came of a series of increments. Gaps is what to tell the exporter, "" for nothing.
type BundleSeries struct {
	Series   string    `json:"series"`
	Exporter string    `json:"exporter"`
	Petname  string    `json:"petname,omitempty"`
	Last     uint64    `json:"last"`
	Came     uint64    `json:"came"`
	Gaps     string    `json:"gaps"`
	At       time.Time `json:"at"`
}

// The trailers in which an export ends: a result or a problem, as JSON. With neither it broke off.
const (
	TrailerResult  = "Tocsin-Result"
	TrailerProblem = "Tocsin-Problem"
)

// MediaBundle is the media type of a bundle.
const MediaBundle = "application/x-tocsin-bundle"

// ExportBundle has a bundle written; take reads it to its end. When take or the export fails there is no result.
func (c *Client) ExportBundle(ctx context.Context, in BundleRequest, take func(io.Reader) error) (*BundleExported, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, NewProblem(reason.Internal, err.Error())
	}
	resp, err := c.do(ctx, request{method: http.MethodPost, path: "/bundles/export", body: bytes.NewReader(raw), size: int64(len(raw))})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	taken := take(resp.Body)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && taken == nil {
		taken = c.dialProblem(ctx, fmt.Errorf("the export broke off: %w", err))
	}
	p := new(Problem)
	if err := readTrailer(resp, TrailerProblem, p); err == nil && p.Code != "" {
		return nil, p
	}
	if taken != nil {
		return nil, taken
	}
	out := new(BundleExported)
	if err := readTrailer(resp, TrailerResult, out); err != nil {
		return nil, c.dialProblem(ctx, fmt.Errorf("the export broke off: %w", err))
	}
	return out, nil
}

// readTrailer reads what stands behind an answer: JSON, quoted so that it fits a header.
func readTrailer(resp *http.Response, name string, v any) error {
	text, err := strconv.Unquote(resp.Trailer.Get(name))
	if err != nil {
		return fmt.Errorf("its end is missing: %w", err)
	}
	return json.Unmarshal([]byte(text), v)
}

// ImportBundle hands the node a stream of chunks. in is read to its end unless the node fails.
func (c *Client) ImportBundle(ctx context.Context, in io.Reader) (*BundleImported, error) {
	resp, err := c.do(ctx, request{method: http.MethodPost, path: "/bundles/import", body: in, size: -1, contentType: MediaBundle})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := new(BundleImported)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return nil, c.dialProblem(ctx, fmt.Errorf("read the answer: %w", err))
	}
	return out, nil
}

// Bundles lists the bundles that the node wrote and read, newest first.
func (c *Client) Bundles(ctx context.Context) (*List[Bundle], error) {
	return pages[Bundle](ctx, c, "/bundles", nil, 0)
}

// Bundle shows one by its id or at least eight digits of it.
func (c *Client) Bundle(ctx context.Context, id string) (*Bundle, error) {
	return call[Bundle](ctx, c, http.MethodGet, "/bundles/"+url.PathEscape(id), nil, nil)
}

// Newer says whether the node has changes after a number of its change sequence.
func (c *Client) Newer(ctx context.Context, after uint64) (bool, error) {
	q := url.Values{"after": {strconv.FormatUint(after, 10)}, "limit": {"1"}}
	list, err := call[List[Event]](ctx, c, http.MethodGet, "/changes", q, nil)
	return err == nil && len(list.Items) > 0, err
}

// BundleHeads gives what the node holds, for an exporter elsewhere.
func (c *Client) BundleHeads(ctx context.Context) (*BundleHeads, error) {
	return call[BundleHeads](ctx, c, http.MethodGet, "/bundles/heads", nil, nil)
}

// BundleSeries lists the series of increments that came, and what never did.
func (c *Client) BundleSeries(ctx context.Context) (*List[BundleSeries], error) {
	return pages[BundleSeries](ctx, c, "/bundles/series", nil, 0)
}
