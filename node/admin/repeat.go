package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/once"
	"tocsin/protocol/reason"
)

// headerKey names a request that must not be done twice, headerReplayed an answer that was given before.
const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
)

// repeatable reports whether an operation takes an Idempotency-Key: those do that sign something that cannot be taken back,
// and would do so twice. What a repetition finds done, such as statements that the chain holds, needs none.
func repeatable(operation string) bool {
	switch operation {
	case "publish", "opinion", "sighting", "pledge", "checkpoint-make", "keys-rotate", "keys-revoke":
		return true
	}
	return false
}

// repeat does an operation once for each key, and gives the same answer to whoever repeats the request (ADM-31).
func (s *surface) repeat(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header(headerKey)
	if key == "" || s.once == nil {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	req, err := keyedRequest(r, key)
	if err != nil {
		writeProblem(w, problemOf(ctx.Operation().OperationID, err))
		return
	}
	doing, before, err := s.once.Begin(req, time.Now())
	if err == nil && doing != nil {
		first(ctx, doing, next)
		return
	}
	if err == nil {
		err = again(w, r, req, before, bodyLimit(ctx.Operation()))
	}
	if err != nil {
		writeProblem(w, problemOf(ctx.Operation().OperationID, err))
	}
}

// first does the operation and ends its key with what was answered. What panicked is answered as such: nobody knows how far it came.
func first(ctx huma.Context, doing *once.Doing, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	sent := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
	r = r.WithContext(once.With(ctx.Context(), doing))
	r.Body = sent
	told := &toldWriter{ResponseWriter: w, status: http.StatusOK}
	broken := api.NewProblem(reason.Internal, "the first request with this key broke off; see in the audit log what came of it, and use a new key")
	raw, _ := json.Marshal(broken) // a problem can be written
	answer := once.Answer{Status: broken.Status, Type: broken.ContentType(""), Body: raw}
	defer func() {
		answer.Sent = fmt.Sprintf("%x", sent.hash.Sum(nil))
		if err := doing.End(answer, time.Now()); err != nil {
			log.Errorw("an answer could not be kept for who repeats the request", "operation", ctx.Operation().OperationID, "err", err)
		}
	}()
	next(humago.NewContext(ctx.Operation(), r, told))
	answer = once.Answer{Status: told.status, Type: told.Header().Get("Content-Type"), Body: told.kept.Bytes()}
}

// keyedRequest says what a key stands for.
func keyedRequest(r *http.Request, key string) (once.Request, error) {
	if len(key) > once.MaxKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return once.Request{}, reason.New(reason.UsageInvalid, fmt.Sprintf("%s: want 1 to %d visible ASCII characters", headerKey, once.MaxKey))
	}
	who, token := audit.ActorOf(r.Context()), access.Of(r.Context()).Token
	return once.Request{
		// The token too: another one of the same name is somebody else.
		Who: fmt.Sprintf("%s:%d:%s:%s", who.Via, who.UID, token, who.User), Key: key,
		What: r.Method + " " + r.URL.EscapedPath() + "?" + r.URL.Query().Encode() + " " + r.Header.Get("Accept"),
	}, nil
}

// bodyLimit is how much of a repeated body is looked at.
func bodyLimit(op *huma.Operation) int64 {
	if op.OperationID == "publish" {
		return api.MaxPublishBytes
	}
	return max(op.MaxBodyBytes, 1<<20)
}

// again gives the kept answer to the same request; key.reused to one with another body.
func again(w http.ResponseWriter, r *http.Request, req once.Request, a *once.Answer, limit int64) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r.Body, limit+1))
	if err != nil {
		return unreadable("read the repeated request", err)
	}
	if n > limit || fmt.Sprintf("%x", h.Sum(nil)) != a.Sent {
		return reason.New(reason.KeyReused, fmt.Sprintf("idempotency key %q came with another body before", req.Key))
	}
	if a.TooLong {
		return reason.New(reason.Conflict, fmt.Sprintf("idempotency key %q: it is done, and the answer was too long to be kept; the audit log says what came of it", req.Key))
	}
	w.Header().Set("Content-Type", a.Type)
	w.Header().Set(headerReplayed, "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // a client that left needs no answer
	return nil
}

// hashedBody is a request's body that is hashed as it is read: it may be too large to be kept.
type hashedBody struct {
	io.ReadCloser
	hash hash.Hash
}

func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	return n, err
}

// toldWriter passes an answer on and keeps it as far as it may be kept; of a stream of lines only the last.
type toldWriter struct {
	http.ResponseWriter
	status int
	kept   bytes.Buffer
}

// Unwrap lets the server's own writer be found, for deadlines and flushing.
func (t *toldWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *toldWriter) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *toldWriter) Write(p []byte) (int, error) {
	if t.Header().Get("Content-Type") == api.MediaNDJSON {
		t.kept.Reset()
	}
	if room := once.MaxBody + 1 - t.kept.Len(); room > 0 {
		t.kept.Write(p[:min(room, len(p))])
	}
	return t.ResponseWriter.Write(p)
}
