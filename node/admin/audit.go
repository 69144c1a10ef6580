package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/tlog"
	"tocsin/protocol/reason"
)

// recorded writes down what somebody asked for and then does it: see audit.Log.Do.
func recorded(ctx context.Context, book *audit.Log, e audit.Event, do func() error) error {
	return book.Do(ctx, do, e)
}

// maxAuditCheck is how long a check of the whole log may take: some gigabytes.
const maxAuditCheck = time.Minute

// maxAuditWait is how long an answer waits for something to tell.
const maxAuditWait = 25 * time.Second

// auditResource shows the audit log. Reading it is written down nowhere.
type auditResource struct {
	book  *audit.Log
	slots chan struct{} // one taken by each who waits
	// checking is taken by the one who has the whole log read; held are the checkpoints that it must hold, nil for none.
	checking chan struct{}
	held     func() []audit.Held
}

func (a *auditResource) register(h huma.API) {
	handle(h, huma.Operation{
		OperationID: "audit-list", Method: http.MethodGet, Path: "/audit", Summary: "Who did what, when and why",
		Description: "A page of entries after a number, oldest first; with newest=true the newest ones instead. " +
			"With wait=true the answer comes when there is an entry, or after 25 s without one; 32 may wait at a time. " +
			"next says where to go on, as after. Reading is written down nowhere.",
	}, a.list)
	handle(h, huma.Operation{
		OperationID: "audit-head", Method: http.MethodGet, Path: "/audit/head", Summary: "The number and hash of the newest entry",
		Description: "What to compare with a copy or a checkpoint that was kept elsewhere: " +
			"a log that was cut or rewritten has another hash at the same number.",
	}, a.head)
	handle(h, huma.Operation{
		OperationID: "audit-verify", Method: http.MethodGet, Path: "/audit/verify", Summary: "Check the whole log",
		Description: "What 'tocsin audit verify' checks: every line against its hash and the line before, the end against what the node knows, " +
			"all of it against the checkpoints that are kept. Problems found are an answer, with ok=false. One check runs at a time (conflict), " +
			"and for a minute at most (timed.out). A node that somebody changed may lie here: an export that is checked elsewhere does not. Written down nowhere.",
	}, a.verify)
	handle(h, huma.Operation{
		OperationID: "audit-export", Method: http.MethodGet, Path: "/audit/export", Summary: "The log's file as it stands",
		Description: "One entry a line, as they stand in the file: the bytes over which the hashes go, so that they can be checked elsewhere. " +
			"Content-Length says how much comes. Not written to the audit log.",
	}, a.export)
}

// auditIn is what to look for.
type auditIn struct {
	After  uint64    `query:"after" doc:"Entries with a greater number; what the page before gave as next"`
	Limit  int       `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"How many entries the page has at most"`
	Newest bool      `query:"newest" doc:"The newest entries instead of those after a number"`
	Wait   bool      `query:"wait" doc:"Wait up to 25 s for an entry when there is none"`
	Action string    `query:"action" maxLength:"64" doc:"An action, such as trust.set, or its first part, such as trust"`
	Target string    `query:"target" maxLength:"1024" doc:"Part of what it was done to"`
	Text   string    `query:"text" maxLength:"1024" doc:"Part of any text of the entry, in any case"`
	User   string    `query:"user" maxLength:"256" doc:"An account's, token's or session's name, or an account's number"`
	Since  time.Time `query:"since" doc:"Entries from this time on"`
	Until  time.Time `query:"until" doc:"Entries before this time"`
}

// filter reads User as an account's number where it is one, else as a name.
func (in *auditIn) filter() audit.Filter {
	f := audit.Filter{Action: in.Action, Target: in.Target, Text: in.Text, Since: in.Since, Until: in.Until}
	if uid, err := strconv.Atoi(in.User); err == nil {
		f.UID = &uid
	} else {
		f.User = in.User
	}
	return f
}

func (a *auditResource) list(ctx context.Context, in *auditIn) (*body[api.List[api.AuditEntry]], error) {
	if in.Newest {
		return a.newest(in)
	}
	// What is appended while this reads is found by whoever goes on behind the head of before.
	head, _ := a.book.Head()
	entries, next, err := a.book.Read(in.After, in.Limit, in.filter())
	if err != nil {
		return nil, err
	}
	if in.Wait && len(entries) == 0 && next == 0 {
		if err := a.wait(ctx, max(head, in.After)); err != nil {
			return nil, err
		}
		if err := access.Of(ctx).Still(); err != nil {
			return nil, err
		}
		head, _ = a.book.Head()
		if entries, next, err = a.book.Read(in.After, in.Limit, in.filter()); err != nil {
			return nil, err
		}
	}
	if in.Wait && next == 0 {
		next = max(head, in.After)
	}
	return answer(auditList(entries, next))
}

func (a *auditResource) newest(in *auditIn) (*body[api.List[api.AuditEntry]], error) {
	head, _ := a.book.Head()
	entries, err := a.book.Last(in.Limit, in.filter())
	if err != nil {
		return nil, err
	}
	return answer(auditList(entries, head))
}

// auditList shows entries; next is not before the last of them, and 0 for the end.
func auditList(entries []audit.Entry, next uint64) api.List[api.AuditEntry] {
	list := api.List[api.AuditEntry]{Items: []api.AuditEntry{}}
	for i := range entries {
		e := &entries[i]
		list.Items = append(list.Items, auditEntry(e))
		if next != 0 {
			next = max(next, e.Seq)
		}
	}
	if next != 0 {
		list.Next = strconv.FormatUint(next, 10)
	}
	return list
}

// auditEntry shows one entry.
func auditEntry(e *audit.Entry) api.AuditEntry {
	return api.AuditEntry{
		Seq: e.Seq, At: e.At, Actor: api.AuditActor(e.Actor), Action: e.Action, Target: e.Target, Reason: e.Reason, Detail: e.Detail,
		Prev: e.Prev.String(), Hash: e.Hash.String(),
	}
}

// wait returns when there is an entry behind a number, or nobody wrote one for a while.
func (a *auditResource) wait(ctx context.Context, after uint64) error {
	release, err := place(a.slots, fmt.Sprintf("%d wait for the audit log already", maxFollowers))
	if err != nil {
		return err
	}
	defer release()
	patience, cancel := context.WithTimeout(ctx, maxAuditWait)
	defer cancel()
	err = a.book.Wait(patience, after)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

func (a *auditResource) head(context.Context, *nothing) (*body[api.AuditHead], error) {
	seq, hash := a.book.Head()
	return answer(api.AuditHead{Seq: seq, Hash: hash.String()})
}

// verify is told by the node about itself; who wants more than its word exports the log.
func (a *auditResource) verify(ctx context.Context, _ *nothing) (*body[api.AuditVerification], error) {
	release, err := place(a.checking, "verify the audit log: a check is under way already")
	if err != nil {
		return nil, err
	}
	defer release()
	patience, cancel := context.WithTimeout(ctx, maxAuditCheck)
	defer cancel()
	var checkpoints []tlog.Checkpoint
	if a.held != nil {
		for _, h := range a.held() {
			checkpoints = append(checkpoints, h.Checkpoint)
		}
	}
	v, err := a.book.Verify(patience, checkpoints)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, api.NewProblem(reason.TimedOut, fmt.Sprintf("verify the audit log: it was not read to its end in %s", maxAuditCheck)).
			WithFix("Export it ('tocsin audit export FILE') and check the copy ('tocsin audit verify FILE').")
	}
	if err != nil {
		return nil, err
	}
	return answer(api.AuditVerification{OK: len(v.Problems) == 0, Entries: v.Entries, Head: v.Head.String(), Checkpoints: len(checkpoints), Problems: v.Problems})
}

func (a *auditResource) export(context.Context, *nothing) (*huma.StreamResponse, error) {
	in, size, err := a.book.Export()
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		w.Header().Set("Content-Type", api.MediaNDJSON)
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if _, err := io.Copy(w, in); err != nil {
			log.Infow("audit export was cut off", "err", err)
		}
	}}, nil
}
