// Package admin is the operator's HTTP API: a unix socket for the command line
// now, one file per resource, each with only what it needs. Whoever may open the
// socket holds the node's authority. The package knows no libp2p: the mesh is a
// few plain functions. It judges nothing itself.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/backup"
	"tocsin/node/belief"
	"tocsin/node/custody"
	"tocsin/node/doctor"
	"tocsin/node/feed"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/invite"
	"tocsin/node/logs"
	"tocsin/node/once"
	"tocsin/node/outbox"
	"tocsin/node/policy"
	"tocsin/node/review"
	"tocsin/node/scrub"
	"tocsin/node/settings"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

var log = logging.Logger("tocsin/admin")

// The limits of the port. It serves people and scripts on one machine.
const (
	maxConnections  = 64                 // of one listener
	maxWorkingEach  = maxConnections / 2 // requests of one account or token: the others come in whatever it does
	maxHeaderBytes  = 32 << 10
	headerTimeout   = 5 * time.Second  // a header comes at once or not at all
	bodyTimeout     = 10 * time.Second // for a body's first bytes; see paced
	idleTimeout     = 2 * time.Minute  // between requests of one connection
	shutdownTimeout = 2 * time.Second  // for requests under way; the whole node has five seconds
	writeTimeout    = 30 * time.Second // for each part of an answer: a reader that stalls is let go
)

// Self says which node this is.
type Self struct {
	Org           protocol.OrgID
	Node, PeerID  string
	Name, Country string
	Network       string
	Version       string
	Started       time.Time
}

// Deps are what the resources work with. All fields are required.
type Deps struct {
	Self     Self
	Store    *storage.Store
	Policy   *policy.Book
	Identity *identity.Book
	Settings *settings.Book
	Desk     *belief.Desk
	Intake   *intake.Pipeline
	Mesh     Mesh
	// Audit is where every change is written down before it is made: see recorded.
	Audit *audit.Log
	Books
	Actions
	// Running is true once the node's listeners are bound and its parts work;
	// until then only the status is answered.
	Running func() bool
}

// Books are the node's live tables of trust.
type Books struct {
	// Keys is the custody of the node's keys.
	Keys     *custody.Office
	Warnings *warnings.Book
	Review   *review.Queue
	Invites  *invite.Desk
	Standing *standing.Book
	// Scrub is nil in tests.
	Scrub *scrub.Keeper
	// Backups makes and checks backups; nil in tests.
	Backups *backup.Runner
	// Bundles is nil where none are written or read.
	Bundles *Bundles
	// CatchUp is nil where nothing is fetched.
	CatchUp *CatchUp
	// Proofs is nil where nothing is kept that could be shown later.
	Proofs *Proofs
}

// Watching is what shows how the node fares, and who may look. Each field may be nil, in tests and
// where there is none: its resources are absent then.
type Watching struct {
	// Access knows tokens and sessions; without it only the socket works.
	Access *access.Book
	Feed   *feed.Hub
	// Checks are what the doctor examines.
	Checks func() []doctor.Check
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// Requested counts an answered request by the pattern that it matched, "" for none; Streaming counts clients that begin (1)
	// and cease (-1) to follow events. Both are set or none.
	Requested func(route string, code int)
	Streaming func(n int)
	Logs      *logs.Book
	// Port is where the port listens besides the socket.
	Port Port
}

// Actions are what the resources have the node do, and what shows how it fares.
type Actions struct {
	Watching
	// Pledge signs, stores and announces the body of a vouch, commitment or advisory.
	Pledge func(ctx context.Context, kind protocol.Kind, body []byte) (*protocol.Record, error)
	// Commitment is what an organisation promises now; false for nothing.
	Commitment func(protocol.OrgID) (protocol.Commitment, bool)
	// Sweep brings the store in line with the standing.
	Sweep func(context.Context) error
	// Space says how much room there is, nil where nobody watches; the field may be nil.
	Space func() *api.Space
	// Configured is the configuration in force; it may be nil.
	Configured func() []api.Setting
	// Once remembers what was answered to requests with an idempotency key; it may be nil.
	Once *once.Book
	// Publish is the way out.
	Publish func(context.Context, outbox.Request) (outbox.Result, error)
	// Preview says what Publish would send.
	Preview func(outbox.Request) (outbox.Preview, error)
}

// Mesh is the mesh as plain functions, all of which may be called concurrently.
type Mesh struct {
	// Addrs are the full listen addresses.
	Addrs func() []string
	// Peers and Topics are snapshots.
	Peers  func() []PeerInfo
	Topics func() []TopicInfo
	// Readers are the ids of the connected peers that take part in a topic.
	Readers func(protocol.Topic) []string
	// Connect dials and keeps a peer; peer.dial when it cannot be reached now.
	Connect func(ctx context.Context, addr string) (peerID string, err error)
	// InviteAddrs chooses the addresses for an invitation, in binary form; AddrTexts shows such.
	InviteAddrs func(given []string) ([][]byte, error)
	AddrTexts   func([][]byte) []string
	// Disconnect stops keeping a peer; not.found when it is neither kept nor connected.
	Disconnect func(peerID string) error
	Join       func(protocol.Topic) error
	Leave      func(protocol.Topic) error
	// Waiting counts records that wait for a chain.
	Waiting func() int
}

// PeerInfo is what the mesh says of one peer.
type PeerInfo struct {
	ID        string
	Org       protocol.OrgID
	OrgKnown  bool
	Addrs     []string
	Connected bool
	Kept      bool
	Since     time.Time
	Score     float64
	Topics    int
	Mesh      int
	Latency   time.Duration
	Rejected  int
	KeptBack  int
	LastError string
}

// TopicInfo is what the mesh says of one joined topic.
type TopicInfo struct {
	Topic      protocol.Topic
	Peers      int
	Mesh       int
	Received   uint64
	Rejected   uint64
	Ignored    uint64
	LastRecord time.Time
}

// Server is the admin port. New binds its doors, Run serves, Close releases.
type Server struct {
	doors    []*door
	handler  http.Handler
	mux      *http.ServeMux // what handler leads to
	access   *access.Book
	prover   *prover
	counted  func(http.Handler) http.Handler
	running  func() bool
	space    func() *api.Space
	times    times
	closing  sync.Once
	refusals refusals
}

// times are how long a client may take for the header of a request, for the body before any of it came, and to take a part
// of an answer, and how often is asked again whether it may go on.
type times struct{ header, body, write, again time.Duration }

// New binds the socket and the addresses of the port and wires the resources; nothing is answered before Run.
func New(socket string, d Deps) (*Server, error) {
	doors, err := openDoors(socket, d.Port)
	if err != nil {
		return nil, err
	}
	for _, one := range doors {
		if !one.socket {
			d.Port.bound = append(d.Port.bound, one.name)
		}
	}
	mux := routes(d).patterns.ServeMux
	s := &Server{
		doors: doors, mux: mux, access: d.Access, prover: newProver(), counted: d.counted, running: d.Running, space: d.roomLeft,
		times: times{header: headerTimeout, body: bodyTimeout, write: writeTimeout, again: askAgain},
	}
	s.handler = s.guard(routed(mux))
	return s, nil
}

// NewHandler wires the resources without a listener.
func NewHandler(d Deps) http.Handler {
	return routed(routes(d).patterns.ServeMux)
}

// routes registers every resource that the node has.
func routes(d Deps) *surface {
	a := newSurface(d)
	mux := a.patterns
	n := names{policy: d.Policy, identity: d.Identity, self: d.Self}
	find := finder{store: d.Store}
	(&statusResource{d.Self, d.Store, d.Mesh, d.Desk, d.Keys, d.Running, d.roomLeft, d.Backups, d.Scrub, d.CatchUp, d.Port.bound}).register(a)
	(&peerResource{n, d.Mesh, d.Settings, d.Audit}).register(a)
	(&topicResource{d.Mesh, d.Settings, d.Audit}).register(a)
	(&trustResource{n, d.Policy, d.Review, d.Intake, d.Mesh.Topics}).register(a)
	(&trustFileResource{n, d.Policy, d.Review, d.Audit}).register(a)
	(&rollbackResource{n, d.Store, d.Standing, d.Desk, d.Audit, d.Sweep}).register(a)
	(&inviteResource{names: n, desk: d.Invites, mesh: d.Mesh, settings: d.Settings, policy: d.Policy, intake: d.Intake, audit: d.Audit}).register(a)
	(&reviewResource{n, d.Review, d.Policy, d.Intake, d.Audit}).register(a)
	(&remarkResource{n, find, d.Store, d.Audit, d.Publish}).register(a)
	(&pledgeResource{names: n, find: find, store: d.Store, identity: d.Identity, audit: d.Audit, pledge: d.Pledge}).register(a)
	newPublishResource(d, n).register(a)
	(&checkResource{d.Desk}).register(a)
	(&scoreResource{n, d.Desk.Scores, d.Commitment}).register(a)
	(&simulateResource{d.Desk, d.Policy, make(chan struct{}, 1)}).register(a)
	(&objectResource{n, find, d.Store, d.Identity}).register(a)
	(&recordResource{n, find, d.Store, d.Identity}).register(a)
	(&searchResource{n, d.Store, searchFor}).register(a)
	(&insightResource{objectResource{n, find, d.Store, d.Identity}, d.Desk}).register(a)
	(&overviewResource{n, d.Mesh, d.Policy, d.Configured}).register(a)
	newEventResource(n, &d).register(a)
	(&quarantineResource{n, find, d.Store, d.Intake, d.Audit}).register(a)
	(&eraseResource{n, find, d.Store, d.Intake, d.Audit}).register(a)
	if d.Scrub != nil {
		(&scrubResource{d.Scrub, d.Audit}).register(a)
	}
	if d.Keys != nil {
		(&keyResource{d.Keys}).register(a)
	}
	if d.Bundles != nil {
		(&bundleResource{n, *d.Bundles, d.Audit, make(chan struct{}, maxCarriers)}).register(a)
	}
	if d.CatchUp != nil {
		(&syncResource{n, *d.CatchUp, d.Store, d.Mesh, d.Audit}).register(a)
	}
	if d.Backups != nil {
		(&backupResource{d.Backups, d.Audit}).register(a)
	}
	(&warningResource{d.Warnings, d.Audit}).register(a)
	written := &auditResource{book: d.Audit, slots: make(chan struct{}, maxFollowers), checking: make(chan struct{}, 1)}
	if d.Proofs != nil {
		written.held = d.Proofs.Checkpoints.List
		(&evidenceResource{n, find, d.Identity, d.Audit, *d.Proofs}).register(a)
	}
	written.register(a)
	if d.Access != nil {
		(&loginResource{d.Access}).register(a)
		(&tokenResource{d.Access, d.Port}).register(a)
	}
	registerReasons(a)
	if d.Checks != nil {
		(&doctorResource{d.Checks, make(chan struct{}, maxExaminations)}).register(a)
	}
	if d.Logs != nil {
		(&logResource{d.Logs, d.Audit, make(chan struct{}, 1)}).register(a)
	}
	if d.Metrics != nil {
		mux.Handle("GET /metrics", demands("metrics", bare("metrics", d.Metrics)))
		a.describeMetrics()
	}
	registerDescription(a)
	a.neverNull()
	mux.Handle("/", missing(mux.ServeMux))
	return a
}

// apiConfig describes the API. Documentation pages would load scripts from the
// internet and schema links echo the Host header; both are off.
func apiConfig() huma.Config {
	c := huma.DefaultConfig("tocsin admin API", "1")
	c.OpenAPIPath = "" // registerDescription has it: it needs a login
	c.DocsPath = ""
	c.SchemasPath = ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{toProblem, linkNext}
	return c
}

// Run serves until ctx ends or a listener fails. Requests under way then get
// shutdownTimeout; streams end at once, because their context is ctx.
func (s *Server) Run(ctx context.Context) error {
	done := make(chan error, len(s.doors))
	servers := make([]*http.Server, len(s.doors))
	for i, d := range s.doors {
		servers[i] = s.server(ctx, d)
		go func() { done <- fmt.Errorf("serve the admin port at %s: %w", d.name, servers[i].Serve(d)) }()
	}
	var failed error
	select {
	case failed = <-done:
		done <- nil // so that each is waited for below
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var leaving sync.WaitGroup
	for _, server := range servers {
		leaving.Go(func() {
			if err := server.Shutdown(bounded); err != nil {
				log.Infow("requests were cut off", "err", err)
				_ = server.Close() // the listener is closed already; connections have no error to give
			}
		})
	}
	leaving.Wait()
	for range servers {
		<-done
	}
	return failed
}

// server is what answers at one door.
func (s *Server) server(ctx context.Context, d *door) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true) // the limits count connections, and HTTP/2 has many requests in one
	return &http.Server{
		Handler:                      s.counted(s.gate(d)),
		ReadHeaderTimeout:            s.times.header,
		ReadTimeout:                  s.times.header + s.times.body, // for what the server answers by itself; see paced
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		Protocols:                    &protocols,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     stdlog.New(io.Discard, "", 0), // what strangers do wrong is no news
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext:                  withGuest,
		ConnState:                    watched,
	}
}

// Close releases the listeners. It may be called after Run returned, and more than once.
func (s *Server) Close() error {
	var errs []error
	s.closing.Do(func() {
		for _, d := range s.doors {
			if err := d.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	})
	return errors.Join(errs...)
}

// guard answers only the status while the node starts, what needs no store while it runs without one, and turns a
// panic of a handler into an answer: the node goes on, and the operator hears of it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer answerPanic(w, r)
		if !s.running() && r.URL.Path != api.Prefix+"/status" {
			writeProblem(w, api.NewProblem(reason.NodeStarting, "the node is still starting"))
			return
		}
		if p := degraded(r, s.space()); p != nil {
			writeProblem(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answerPanic turns a panic into an answer. An answer that has begun gets no second one behind it: it ends with its connection,
// and so does one that was cut, which the framework takes for a fault of its own (ADM-16).
func answerPanic(w http.ResponseWriter, r *http.Request) {
	fault := recover()
	a, awaited := w.(*awaitedWriter)
	if awaited && a.cut != nil || fault == http.ErrAbortHandler {
		panic(http.ErrAbortHandler)
	}
	if fault == nil {
		return
	}
	log.Errorw("handler panicked", "request", audit.RequestOf(r.Context()), "method", r.Method, "path", r.URL.Path, "fault", fault, "stack", string(debug.Stack()))
	if awaited && a.begun {
		panic(http.ErrAbortHandler)
	}
	// What a fault says may be data that the client must not see.
	writeProblem(w, api.NewProblem(reason.Internal, fmt.Sprintf("%s %s: it broke off; the log has why, under the request %s", r.Method, r.URL.Path, audit.RequestOf(r.Context()))))
}

// pathFix is what helps whoever asks for a path that nothing has.
const pathFix = "Paths begin with " + api.Prefix + " and have no slash at the end; GET " + api.Prefix + "/openapi.yaml lists all of them."

// methodsOf are the methods that a path has.
func methodsOf(mux *http.ServeMux, r *http.Request) (has []string) {
	for _, method := range methods() {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
			has = append(has, method)
		}
	}
	return has
}

// missing answers what no resource takes: which methods it has, if it has any.
func missing(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		has := methodsOf(mux, r)
		if len(has) == 0 {
			writeProblem(w, api.NewProblem(reason.NotFound, fmt.Sprintf("%s %.200q: no such resource", r.Method, r.URL.Path)).WithFix(pathFix))
			return
		}
		w.Header().Set("Allow", strings.Join(has, ", "))
		writeProblem(w, api.NewProblem(reason.MethodUnknown, fmt.Sprintf("%s %s: it has %s", r.Method, r.URL.Path, strings.Join(has, ", "))))
	}
}
