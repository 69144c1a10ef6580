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
	// Since leaves out records that came before it; absent for none.
	Since time.Time `json:"since,omitzero"`
	// Wishes are a receiver's, as BundleHeads gives them.
	Wishes string `json:"wishes,omitempty" maxLength:"8388608"`
	// After leaves out changes up to that number of the change sequence: for increments.
	After uint64 `json:"after,omitempty"`
	// Until leaves out later changes; 0 is the newest one.
	Until uint64 `json:"until,omitempty"`
	// MaxTLP is the highest label that leaves, such as green or TLP:GREEN, in any case.
	MaxTLP string `json:"max_tlp" minLength:"1" maxLength:"40"`
	// Held lets what is in quarantine, and what blocked organisations said, leave too.
	Held bool `json:"held,omitempty"`
	// ChunkMB is how large chunks get, in MiB; 0 is 100.
	ChunkMB int `json:"chunk_mb,omitempty" minimum:"0" maximum:"4096"`
	// Reason is kept in the audit log.
	Reason string `json:"reason,omitempty" maxLength:"1000"`
	// Lock says how the caller encrypts what it gets, for the audit log; the node does not encrypt.
	Lock string `json:"lock,omitempty" maxLength:"1000"`
	// Series is the series that an increment belongs to, 32 hex digits; "" for a bundle by itself.
	Series string `json:"series,omitempty" maxLength:"32"`
	// Increment is the number of the increment in its series, from 1; 0 for a bundle by itself.
	Increment uint64 `json:"increment,omitempty"`
}

// BundleExported says what left and what stayed.
type BundleExported struct {
	// Bundle is the bundle's id.
	Bundle string `json:"bundle"`
	// Created is when it was made.
	Created time.Time `json:"created"`
	// Records counts the records in it.
	Records int `json:"records"`
	// Chunks counts its chunks.
	Chunks int `json:"chunks"`
	// Topics are the topics of its records.
	Topics []string `json:"topics"`
	// Kept counts the records that stayed, by reason code.
	Kept map[string]int `json:"kept"`
	// Until is the newest change that was looked at; 0 where no increment was asked for.
	Until uint64 `json:"until,omitempty"`
}

// BundleImported says what an import did. No record is counted twice.
type BundleImported struct {
	// Taken counts the records that were stored and accepted.
	Taken int `json:"taken"`
	// Quarantined counts those that were stored and held.
	Quarantined int `json:"quarantined"`
	// Headers counts headers that keep the place of what is gone.
	Headers int `json:"headers"`
	// Already counts records that were here before.
	Already int `json:"already"`
	// Refused counts the records that were not stored, by reason code.
	Refused map[string]int `json:"refused"`
	// Segments counts the parts that were used.
	Segments int `json:"segments"`
	// Facts counts first-seen facts that were kept as the exporter's word.
	Facts int `json:"facts"`
	// Faults are the parts that were not used, and why.
	Faults []BundleFault `json:"faults"`
	// Bundles are the bundles that the chunks belong to, as they stand now.
	Bundles []Bundle `json:"bundles"`
}

// BundleFault is a part of a file that was not used.
type BundleFault struct {
	// File is the file's name; the command line sets it, the node does not.
	File string `json:"file,omitempty"`
	// Bundle is the bundle's id, as the part says of itself; absent where that cannot be read.
	Bundle string `json:"bundle,omitempty"`
	// Chunk is the number of the chunk, as the part says of itself.
	Chunk int `json:"chunk,omitempty"`
	// Segment is the place in the chunk, as the part says of itself.
	Segment int `json:"segment,omitempty"`
	// Offset is how many bytes into the request the part begins.
	Offset int64 `json:"offset"`
	// Code is the reason code.
	Code string `json:"code"`
	// Detail says what is wrong with it.
	Detail string `json:"detail"`
}

// Bundle is a bundle that this node wrote or read.
type Bundle struct {
	// ID is the bundle's id, 32 hex digits.
	ID string `json:"id"`
	// Exporter is the organisation that wrote it: sha256: and 64 hex digits.
	Exporter string `json:"exporter"`
	// Petname is what the trust list calls that organisation; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Level is the trust in the exporter: its word on when it first saw records weighs as much. The records are their authors'.
	Level string `json:"level"`
	// Ours is true for a bundle that this node wrote.
	Ours bool `json:"ours"`
	// Created is when it was made, by its exporter's clock.
	Created time.Time `json:"created"`
	// At is when this node wrote it, or last read a part of it.
	At time.Time `json:"at"`
	// MaxTLP is the highest label in it.
	MaxTLP string `json:"max_tlp"`
	// Manifest is true when it came; Chunks and Records are 0 before.
	Manifest bool `json:"manifest"`
	// Chunks counts its chunks; 0 before the manifest came.
	Chunks int `json:"chunks"`
	// Records counts its records; 0 before the manifest came.
	Records int `json:"records"`
	// Topics are the topics in it; none before the manifest came.
	Topics []string `json:"topics"`
	// Whole are the chunks that came whole, such as 1-3,5.
	Whole string `json:"whole"`
	// Missing are the chunks that did not, in the same form.
	Missing string `json:"missing"`
	// Series is the series of which it is an increment; absent for none.
	Series string `json:"series,omitempty"`
	// Increment is its number in the series; absent for none.
	Increment uint64 `json:"increment,omitempty"`
}

// BundleHeads are wishes: what this node holds, for an exporter to leave out.
type BundleHeads struct {
	// Text are the wishes, to be given to the exporter as they are.
	Text string `json:"text"`
	// Logs counts the key logs in them.
	Logs int `json:"logs"`
}

// BundleSeries is what came of a series of increments.
type BundleSeries struct {
	// Series is the id of the series.
	Series string `json:"series"`
	// Exporter is the organisation that writes it: sha256: and 64 hex digits.
	Exporter string `json:"exporter"`
	// Petname is what the trust list calls that organisation; absent for a stranger.
	Petname string `json:"petname,omitempty"`
	// Last is the highest increment that came.
	Last uint64 `json:"last"`
	// Came counts the increments that came.
	Came uint64 `json:"came"`
	// Gaps is what to tell the exporter: the series and the increments that are missing, such as 1a2b3c4d:3-5; "" for nothing.
	Gaps string `json:"gaps"`
	// At is when the last one came.
	At time.Time `json:"at"`
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
