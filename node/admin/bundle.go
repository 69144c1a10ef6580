package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/bundle"
	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// maxCarriers is how many bundles are written or read at a time.
const maxCarriers = 2

// What is left of a bundle that was refused is read for so long, and so much of it.
const (
	drainTimeout = 10 * time.Second
	maxDrain     = 64 << 20
)

// Bundles is what the node writes bundles from and reads them into.
type Bundles struct {
	Source bundle.Source
	Sink   bundle.Sink
	List   *bundle.List
}

// bundleResource writes and reads bundles. Their bytes go through the socket, so that the files are those of whoever asks
// and not of the node.
type bundleResource struct {
	names   names
	bundles Bundles
	audit   *audit.Log
	slots   chan struct{}
}

func (b *bundleResource) register(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "bundle-export", Method: http.MethodPost, Path: "/bundles/export", Summary: "Write a bundle for where no network goes",
		Description: "The answer is the bundle, chunk after chunk with the manifest last (SPEC 13), unencrypted. It ends in one of two trailers: " +
			"" + api.TrailerResult + " has a BundleExported, " + api.TrailerProblem + " a Problem, each as a quoted JSON string in ASCII; with neither it broke off. " +
			"Two bundles are written or read at a time. The audit log has bundle.export, then bundle.exported or bundle.export.failed.",
	}, b.export)
	handle(a, huma.Operation{
		OperationID: "bundle-import", Method: http.MethodPost, Path: "/bundles/import", Summary: "Read chunks of bundles, in any order",
		Description: "The body is a stream of chunks, of several bundles too, and may break off anywhere: " +
			"what came whole is used, and the rest is taken when it comes. Each record is judged as if it had come over the mesh; " +
			"the exporter's word makes nothing true. faults names the parts that were not used, and the answer is 200 all the same. " +
			"The audit log has bundle.import, then bundle.imported or bundle.import.failed.",
	}, b.importChunks)
	handle(a, huma.Operation{
		OperationID: "bundles", Method: http.MethodGet, Path: "/bundles", Summary: "Bundles written and read",
		Description: "Newest first by when they were made, with the chunks that came and those that are missing. Lists what this node remembers of them, not files.",
	}, b.list)
	handle(a, huma.Operation{
		OperationID: "bundle-heads", Method: http.MethodGet, Path: "/bundles/heads", Summary: "What this node holds, for an exporter to leave out",
		Description: "Give the text to an exporter, who sends it as wishes and then leaves out what is held here. " +
			"It names key logs and numbers, nothing of what they hold.",
	}, b.heads)
	handle(a, huma.Operation{
		OperationID: "bundle-series", Method: http.MethodGet, Path: "/bundles/series", Summary: "Series of increments, and what never came of them",
		Description: "By their ids. What to tell an exporter who writes increments: gaps names those that never came.",
	}, b.series)
	handle(a, huma.Operation{
		OperationID: "bundle", Method: http.MethodGet, Path: "/bundles/{id}", Summary: "One bundle",
		Description: "Named by its id or a unique beginning of 8 hex digits or more.",
	}, b.show)
}

// slot takes a place among those who carry, or says that there is none.
func (b *bundleResource) slot() (release func(), err error) {
	return place(b.slots, fmt.Sprintf("%d bundles are being written or read already", maxCarriers))
}

// selection reads what an export shall hold.
func (b *bundleResource) selection(in *api.BundleRequest) (sel bundle.Selection, err error) {
	if sel.MaxTLP, err = stix.ParseTLP(in.MaxTLP); err != nil {
		return sel, reason.Wrap(reason.UsageInvalid, "export a bundle", err)
	}
	for _, name := range in.Topics {
		topic, err := parseTopic(name)
		if err != nil {
			return sel, err
		}
		sel.Topics = append(sel.Topics, topic)
	}
	if in.Wishes != "" {
		if sel.Wishes, err = bundle.ReadWishes(b.names.self.Network, in.Wishes); err != nil {
			return sel, err
		}
	}
	if in.Series != "" {
		if sel.Series, err = bundle.ParseID(in.Series); err != nil {
			return sel, err
		}
	}
	if (in.Series == "") != (in.Increment == 0) {
		return sel, reason.New(reason.UsageInvalid, "export a bundle: an increment has a series and a number")
	}
	sel.Since, sel.Held, sel.ChunkBytes, sel.Increment = in.Since, in.Held, int64(in.ChunkMB)<<20, in.Increment
	sel.After, sel.Until = in.After, in.Until
	if in.ChunkMB != 0 && sel.ChunkBytes < bundle.MinChunk {
		return sel, reason.New(reason.UsageInvalid, fmt.Sprintf("chunks of %d MiB: want %d to %d", in.ChunkMB, bundle.MinChunk>>20, bundle.MaxChunk>>20))
	}
	if last := b.bundles.Source.Store.Sequence(); in.Increment > 0 && (sel.Until == 0 || sel.Until > last) {
		sel.Until = last
	}
	return sel, nil
}

func (b *bundleResource) export(ctx context.Context, in *struct{ Body api.BundleRequest }) (*huma.StreamResponse, error) {
	sel, err := b.selection(&in.Body)
	if err != nil {
		return nil, err
	}
	release, err := b.slot()
	if err != nil {
		return nil, err
	}
	event := exportEvent(&in.Body)
	if _, err := b.audit.Append(ctx, event); err != nil {
		release()
		return nil, audit.Undone(err)
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer release()
		r, w := humago.Unwrap(hctx)
		w.Header().Set("Content-Type", api.MediaBundle)
		c := http.NewResponseController(w)
		err := c.Flush() // a short answer would else go without trailers
		var e *bundle.Exported
		if err == nil {
			e, err = bundle.Export(r.Context(), b.bundles.Source, sel, w, nil)
		}
		if err == nil {
			err = b.bundles.List.Wrote(b.names.self.Org, e, sel)
		}
		if err != nil {
			event.Action = "bundle.export.failed"
			event.Detail["error"] = err.Error()
			b.audit.Afterwards(r.Context(), event)
			trailer(w, api.TrailerProblem, problemOf("bundle-export", err))
			return
		}
		out := showExported(e, sel)
		event.Action, event.Target = "bundle.exported", out.Bundle
		event.Detail["records"], event.Detail["chunks"], event.Detail["kept"] = strconv.Itoa(out.Records), strconv.Itoa(out.Chunks), fmt.Sprint(out.Kept)
		b.audit.Afterwards(r.Context(), event)
		trailer(w, api.TrailerResult, out)
	}}, nil
}

// exportEvent says what somebody asked for.
func exportEvent(in *api.BundleRequest) audit.Event {
	e := audit.Event{Action: "bundle.export", Target: strings.Join(in.Topics, ","), Reason: in.Reason, Detail: map[string]string{
		"max_tlp": in.MaxTLP, "held": strconv.FormatBool(in.Held), "encrypted": in.Lock,
	}}
	if e.Target == "" {
		e.Target = "all topics"
	}
	if !in.Since.IsZero() {
		e.Detail["since"] = in.Since.UTC().Format(time.RFC3339)
	}
	if in.Wishes != "" {
		e.Detail["for"] = "the wishes of a receiver"
	}
	if in.Increment > 0 {
		e.Detail["increment"] = fmt.Sprintf("%.8s:%d", in.Series, in.Increment)
	}
	return e
}

func showExported(e *bundle.Exported, sel bundle.Selection) api.BundleExported {
	out := api.BundleExported{
		Bundle: e.Bundle.String(), Created: e.Created, Records: e.Manifest.Records, Chunks: len(e.Manifest.Chunks), Topics: append([]string{}, e.Manifest.Topics...),
		Kept: counted(e.Kept), Until: sel.Until,
	}
	return out
}

func counted(in map[reason.Code]int) map[string]int {
	out := make(map[string]int, len(in))
	for code, n := range in {
		out[string(code)] = n
	}
	return out
}

// trailer ends a stream with a value. The codec escapes what a header must not hold.
func trailer(w http.ResponseWriter, name string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		log.Errorw("the end of a bundle is not said", "err", err)
		return
	}
	lastWords(w)
	w.Header().Set(http.TrailerPrefix+name, strconv.QuoteToASCII(string(raw)))
}

func (b *bundleResource) importChunks(_ context.Context, _ *nothing) (*huma.StreamResponse, error) {
	release, err := b.slot()
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		r, w := humago.Unwrap(hctx)
		out, err := b.taken(r, release)
		if err != nil {
			drain(r.Body)
			writeProblem(w, problemOf("bundle-import", err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // a client that left needs no answer
	}}, nil
}

// taken is take, with the place free again whatever becomes of it.
func (b *bundleResource) taken(r *http.Request, release func()) (*api.BundleImported, error) {
	defer release()
	return b.take(r)
}

// drain reads what is left of a request, but not for long and not much: a client that still writes would not see the answer.
func drain(body io.ReadCloser) {
	if b, ok := body.(*pacedBody); ok {
		b.hurry(drainTimeout)
	}
	_, _ = io.CopyN(io.Discard, body, maxDrain) // whatever is left then is cut off
}

// take reads one stream of chunks and writes down what came of it.
func (b *bundleResource) take(r *http.Request) (*api.BundleImported, error) {
	ctx := r.Context()
	if _, err := b.audit.Append(ctx, audit.Event{Action: "bundle.import", Detail: map[string]string{"bytes": strconv.FormatInt(r.ContentLength, 10)}}); err != nil {
		return nil, audit.Undone(err)
	}
	res, err := bundle.Import(ctx, b.bundles.Sink, r.Body)
	out := b.showImported(res)
	event := audit.Event{Action: "bundle.imported", Target: targets(res), Detail: map[string]string{
		"taken": strconv.Itoa(out.Taken), "quarantined": strconv.Itoa(out.Quarantined), "headers": strconv.Itoa(out.Headers), "already": strconv.Itoa(out.Already),
		"refused": fmt.Sprint(out.Refused), "faults": strconv.Itoa(len(out.Faults)),
	}}
	for i, f := range out.Faults[:min(len(out.Faults), 10)] {
		event.Detail["fault "+strconv.Itoa(i+1)] = f.Detail
	}
	if err != nil {
		event.Action = "bundle.import.failed"
		event.Detail["error"] = err.Error()
	}
	b.audit.Afterwards(ctx, event)
	return out, err
}

// targets names the bundles of an import.
func targets(res *bundle.Imported) string {
	ids := make([]string, len(res.Bundles))
	for i, id := range res.Bundles {
		ids[i] = id.String()
	}
	return strings.Join(ids, " ")
}

func (b *bundleResource) showImported(res *bundle.Imported) *api.BundleImported {
	out := &api.BundleImported{
		Taken: res.Taken, Quarantined: res.Quarantined, Headers: res.Headers, Already: res.Already, Refused: counted(res.Refused),
		Segments: res.Segments, Facts: res.Facts, Faults: []api.BundleFault{}, Bundles: []api.Bundle{},
	}
	for _, f := range res.Faults {
		fault := api.BundleFault{Offset: f.Offset, Code: string(reason.Of(f)), Detail: f.Error()}
		if f.Head != nil {
			fault.Bundle, fault.Chunk, fault.Segment = f.Head.Bundle.String(), f.Head.Chunk, f.Head.Place
		}
		out.Faults = append(out.Faults, fault)
	}
	for _, id := range res.Bundles {
		if l, err := b.bundles.List.Find(id.String()); err == nil {
			out.Bundles = append(out.Bundles, b.showBundle(l))
		}
	}
	return out
}

func (b *bundleResource) showBundle(l bundle.Listing) api.Bundle {
	whole, missing, known := l.Progress()
	out := api.Bundle{
		ID: l.ID.String(), Exporter: l.Exporter.String(), Petname: b.names.petname(l.Exporter), Level: b.names.level(l.Exporter, ""),
		Ours: l.Ours, Created: l.Created, At: l.At, MaxTLP: l.MaxTLP, Manifest: known, Topics: []string{}, Whole: whole.String(), Missing: missing.String(),
	}
	if known {
		out.Chunks, out.Records, out.Topics = len(l.Manifest.Segments), l.Manifest.Records, append(out.Topics, l.Manifest.Topics...)
	}
	if l.Increment > 0 {
		out.Series, out.Increment = l.Series.String(), l.Increment
	}
	return out
}

func (b *bundleResource) list(_ context.Context, in *PageIn) (*body[api.List[api.Bundle]], error) {
	list := api.List[api.Bundle]{Items: []api.Bundle{}}
	for _, l := range b.bundles.List.All() {
		list.Items = append(list.Items, b.showBundle(l))
	}
	return paged("bundles", list, *in, func(b api.Bundle) string {
		return fmt.Sprintf("%s%020d%s%t", newestFirst(b.Created), ^b.Increment, b.ID, b.Ours)
	})
}

func (b *bundleResource) show(_ context.Context, in *idIn) (*body[api.Bundle], error) {
	l, err := b.bundles.List.Find(in.ID)
	if err != nil {
		return nil, err
	}
	return answer(b.showBundle(l))
}

func (b *bundleResource) heads(context.Context, *nothing) (*body[api.BundleHeads], error) {
	text, n, err := bundle.WishesOf(b.bundles.Source.Store, b.names.self.Network)
	if err != nil {
		return nil, err
	}
	return answer(api.BundleHeads{Text: text, Logs: n})
}

func (b *bundleResource) series(_ context.Context, in *PageIn) (*body[api.List[api.BundleSeries]], error) {
	list := api.List[api.BundleSeries]{Items: []api.BundleSeries{}}
	for _, s := range b.bundles.List.AllSeries() {
		item := api.BundleSeries{
			Series: s.ID.String(), Exporter: s.Exporter.String(), Petname: b.names.petname(s.Exporter), Last: s.Came.Last(), Came: s.Came.Len(), At: s.At,
		}
		if gaps := s.Gaps(); len(gaps) > 0 {
			item.Gaps = s.ID.Short() + ":" + gaps.String()
		}
		list.Items = append(list.Items, item)
	}
	return paged("bundle-series", list, *in, func(s api.BundleSeries) string { return s.Series + s.Exporter })
}
