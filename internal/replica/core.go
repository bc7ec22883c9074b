package replica

import (
	"encoding/binary"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/planted"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

// Now is the moment of an input, as the driver read its clocks.
type Now struct {
	// Wall is Unix time in nanoseconds; stamps and event times come from it. It may jump.
	Wall int64
	// Mono is nanoseconds of a clock that never goes back; lifecycle records carry it.
	Mono int64
}

func (n Now) millis() int64 { return n.Wall / 1e6 }

// Config describes a core. [New] takes a copy.
type Config struct {
	// Origin is the group that this replica stamps for when it leads.
	Origin id.Origin
	// Consensus describes its place in the group and what its log held at start.
	Consensus consensus.Config
	// SkewBound is how far in milliseconds a stamp may lie ahead of the wall clock.
	SkewBound int64
	// MaxWaiting bounds the requests that are not stamped yet.
	MaxWaiting int
	// MaxStamped is how many batches may be stamped and not applied; 0 is 64. What comes beyond it waits and shares a batch,
	// instead of making the quorum's work smaller and more.
	MaxStamped int
	// StallTicks is how many ticks a leader's write may go without an answer before it hands over, where there is another
	// voter; 0 is for ever.
	StallTicks int
	// Complete reports whether everything is here that any region has of an origin that isn't the own one any more: what an
	// earlier incarnation took back last may be at others alone. nil is always.
	Complete func(id.Origin) bool
	// ListenTicks is how long a leader whose region table has other regions stamps nothing, in ticks from when this core first
	// knew of a leader of its group, unless [Core.Heard] comes before; 0 is not at all. See listen.go.
	ListenTicks int
	// Tracer receives every transition; nil is off. Before is the core of the same process whose place this one takes, nil
	// for none: the tracer knows the log from that one, and instances go on being numbered.
	Tracer lifecycle.Tracer
	Before *Core
}

// Request is one client request: records that are written whole or not at all.
type Request struct {
	// Ticket is the driver's name for it; the reply carries it.
	Ticket uint64
	// Producer and Number are its lane; an empty producer is none.
	Producer string
	Number   uint64
	// Records have passed [Check] under the schema version Schema. A compensation has its original filled in. The
	// core fills in the other facts.
	Records []record.Proposed
	Schema  schema.Hash
	// Content is record.ContentHash of Records.
	Content uint64
	// Token is the highest stamp that the session has seen, 0 for none: registers are written above it.
	Token hlc.Timestamp

	bound int // at least the bytes that it takes in a batch; set by Check
}

// Receipt is the answer to a request that is durable and visible.
type Receipt struct {
	First     id.Position
	Count     int
	Duplicate bool
	Clamped   int
}

// Reply ends one request. After an error nothing of it was written, unless that is fault.ErrUnknown.
type Reply struct {
	Ticket  uint64
	Receipt Receipt
	Err     error
	// Durable and Visible are when the request's entry was on this replica's disk and when it was applied, as [Now.Mono].
	// Both are 0 for a request that wasn't written now.
	Durable, Visible int64
}

// Output is what the inputs since the last Take made necessary.
type Output struct {
	// Persist is for the disk, in order; each is given back to [Core.Persisted] in the same order.
	Persist []*consensus.Append
	// Apply is for the engine, in order; each is given back to [Core.Applied].
	Apply []*consensus.Apply
	// Send is for other replicas.
	Send []Packet
	// Replies end requests, Reads questions for the index, and Changes changes of members.
	Replies []Reply
	Reads   []ReadReply
	Changes []ChangeReply
	// Foreign ends what [Core.ProposeForeign] took.
	Foreign []ForeignReply
	// Originals are events of the own origin that are to be taken back: the driver looks them up in the log and answers by
	// [Core.Originals]. Each is asked for once.
	Originals []id.Position
	// Snaps are packets about snapshots that came in; Snapshots are wanted by followers; and NeedCheckpoint says that one
	// is wanted and no checkpoint is known that goes with the log.
	Snaps          []Packet
	Snapshots      []consensus.SnapshotWanted
	NeedCheckpoint bool
	// Fenced is set once the replica has fallen silent because its disk was overdue, and stays. What it wrote may be on the disk
	// or not: it is to be started anew from there once the disk answers.
	Fenced error
}

// maxPersisting is how many appends with entries may be under way: one is being flushed while the next is stamped.
const maxPersisting = 2

// maxStamped is described with [Config].
const maxStamped = 64

// Core is the replica. Create it with [New]; it is not safe for concurrent use.
type Core struct {
	cfg     Config
	engine  *engine.Engine
	node    *consensus.Node
	life    life
	now     Now
	clock   hlc.Clock
	next    id.Seq // of the own origin; valid while leading
	leading bool   // the own empty entry of the term is applied
	term    uint64
	// transferring says that leadership is being handed over: what waits is not stamped.
	transferring bool

	queue     []*waiting
	stamped   []*proposal // in order of index, not applied yet
	suffix    suffix
	builder   *record.Builder
	storing   [][]consensus.Entry // of the appends under way, without those that others took the place of
	created   entryName           // the last entry of the log, written or not
	reads     reads
	refusals  []*refusal        // in the order in which they were made
	changes   []reconfiguration // proposed and not made, in order
	strayed   uint64
	foreign   foreigns
	takebacks takebacks
	behind    error       // why nothing is stamped though this replica leads
	suspicion id.Position // that somebody has and this leader doesn't know; nothing is stamped until it's known what that means
	listening listening
	excess    ClockExcess
	counts    counts
	out       Output

	ticks      int
	heard      map[uint64]int // when each other replica spoke last, in ticks
	persisting []int          // when each append under way was given out, in ticks
	deposed    int            // ticks since leadership was lost while something stamped waits
	stalled    bool           // the disk was overdue while leading
	handover   int            // ticks since
	fenced     error
}

type entryName struct{ term, index uint64 }

// counts are how often something happened to a core and to those whose place it took.
type counts struct {
	stalls  uint64 // its disk was overdue while it led
	dropped uint64 // consensus took no proposal, of its own or of other origins
}

// waiting is a request that is not answered yet.
type waiting struct {
	*Request
	ref     lifecycle.Ref
	receipt Receipt
	// retries are requests that turned out to be the same; they get the same answer.
	retries []*waiting
	// takesBack is the event that a request of the core's own takes back; zero for clients' requests.
	takesBack id.Position
}

// proposal is one stamped batch.
type proposal struct {
	entryName
	ref      lifecycle.Ref
	data     []byte
	requests []*waiting
	durable  int64 // when it was on this replica's disk
}

// New returns a core on an engine that holds everything up to cfg.Consensus.Restored.Applied.
func New(cfg Config, e *engine.Engine, now Now) (*Core, error) {
	if cfg.MaxStamped == 0 {
		cfg.MaxStamped = maxStamped
	}
	binary.LittleEndian.PutUint64(cfg.Consensus.Life[:], uint64(now.Wall))
	binary.LittleEndian.PutUint64(cfg.Consensus.Life[8:], uint64(now.Mono))
	node, err := consensus.New(cfg.Consensus)
	if err != nil {
		return nil, err
	}
	c := &Core{
		cfg:       cfg,
		engine:    e,
		node:      node,
		life:      newLife(&cfg),
		now:       now,
		clock:     hlc.NewClock(e.HighestOwn(), cfg.SkewBound),
		builder:   record.NewBuilder(),
		suffix:    newSuffix(),
		heard:     map[uint64]int{},
		foreign:   foreigns{ends: map[id.Origin]id.Seq{}},
		takebacks: newTakebacks(),
	}
	c.clock.Observe(e.Highest(), now.millis())
	c.listening.over = cfg.ListenTicks == 0 || cfg.Before != nil && cfg.Before.listening.over
	if cfg.Before != nil {
		c.counts, c.excess = cfg.Before.counts, cfg.Before.excess
	}
	c.created.index = c.life.replayed(now, &cfg)
	c.cfg.Before = nil
	c.pump()
	return c, nil
}

// Leading reports whether the replica stamps.
func (c *Core) Leading() bool { return c.leading }

// Campaign stands for election now.
func (c *Core) Campaign(now Now) error {
	c.now = now
	if c.silent() {
		return nil
	}
	err := c.node.Campaign()
	c.pump()
	return err
}

// Tick advances consensus by one tick.
func (c *Core) Tick(now Now) {
	c.now = now
	if c.fenced != nil {
		return
	}
	// Who can't write isn't to lead: the others' votes would be enough to elect it.
	if c.node.Role().Leader || !c.isOverdue() {
		c.node.Tick()
		c.pump()
	}
	c.foreign.held = false
	c.watch()
	c.listen()
	c.patience()
	c.promote()
	c.takebacks.reconsider()
	c.askOriginals()
}

// Propose takes a request. Every request gets exactly one reply, now or later.
func (c *Core) Propose(now Now, r *Request) {
	c.now = now
	w := &waiting{Request: r, ref: c.life.received(now, r)}
	switch {
	case c.fenced != nil || c.stalled:
		c.drop(w, fmt.Errorf("%w: %w", fault.ErrNotLeader, fault.ErrStalled))
	case !c.leading:
		c.drop(w, c.notLeader())
	case c.behind != nil:
		c.drop(w, c.behind)
	case len(c.queue) >= c.cfg.MaxWaiting:
		c.drop(w, fault.ErrOverloaded)
	default:
		if err := c.allowed(w); err != nil {
			c.refused(w, err)
			return
		}
		c.life.request(now, w.ref, lifecycle.Queued)
		c.queue = append(c.queue, w)
	}
}

// Flush stamps what waits, as far as the disk takes more. The driver calls it when it has proposed all requests that
// it had at hand, so that they share a batch.
func (c *Core) Flush(now Now) error {
	c.now = now
	return c.flush()
}

// Persisted takes back an append that is durable.
func (c *Core) Persisted(now Now, a *consensus.Append) error {
	c.now = now
	if c.silent() {
		return nil
	}
	c.persisting = c.persisting[1:]
	if len(a.Entries) > 0 {
		c.life.stored(now, c.storing[0])
		c.stored(c.storing[0])
		c.storing = c.storing[1:]
	}
	if err := c.node.Persisted(a); err != nil {
		return err
	}
	c.pump()
	return c.flush()
}

// stored notes when what was proposed came to lie on the disk.
func (c *Core) stored(entries []consensus.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].Index
	for _, p := range c.stamped {
		if at := p.index - first; p.index >= first && at < uint64(len(entries)) && entries[at].Term == p.term {
			p.durable = c.now.Mono
		}
	}
}

// Applied takes back entries that the engine has applied.
func (c *Core) Applied(now Now, a *consensus.Apply) error {
	c.now = now
	if c.silent() {
		return nil
	}
	if err := c.node.Applied(a); err != nil {
		return err
	}
	c.observe()
	role := c.node.Role()
	for _, e := range a.Entries {
		c.life.applied(now, e)
		c.settle(e)
		c.settleForeign(entryName{e.Term, e.Index})
		c.reconfigured(e)
		if e.Kind == consensus.Empty && role.Leader && e.Term == role.Term && !c.leading && !c.stalled {
			c.lead(role.Term)
		}
	}
	c.tellRefusals()
	c.assure()
	c.pump()
	c.askOriginals()
	return c.flush()
}

// Take returns what is to be done and forgets it.
func (c *Core) Take() Output {
	out := c.out
	c.out = Output{}
	if c.silent() {
		out = Output{
			Persist: out.Persist, Replies: out.Replies, Reads: out.Reads, Changes: out.Changes,
			Foreign: out.Foreign, Fenced: c.fenced,
		}
	}
	return out
}

// lead begins to stamp: everything of earlier terms is applied by now, so the counters are where the log ends. What was
// stamped in an earlier term and isn't applied has lost its place to this term's entries.
func (c *Core) lead(term uint64) {
	for _, p := range c.stamped {
		c.supersede(p)
	}
	c.supersedeForeign()
	c.stamped, c.suffix, c.takebacks = nil, newSuffix(), newTakebacks()
	c.leading, c.term = true, term
	c.next = c.engine.Vector().Get(c.cfg.Origin) + 1
	if planted.ReuseSequence && c.next > 1 {
		c.next--
	}
	// The own stamps rise for ever, also if the wall clock went back since the last of them: what observing holds back
	// are the stamps of others.
	if own := c.engine.HighestOwn(); own > c.clock.Last() {
		c.clock = hlc.NewClock(own, c.cfg.SkewBound)
	}
}

// settle answers the requests whose entry was applied, or whose index went to another term's entry.
func (c *Core) settle(e consensus.Entry) {
	for len(c.stamped) > 0 && c.stamped[0].index <= e.Index {
		p := c.stamped[0]
		c.stamped = c.stamped[1:]
		if p.index == e.Index && p.term == e.Term {
			c.life.committed(c.now, p)
			for _, w := range p.requests {
				c.answer(w, p)
			}
			continue
		}
		c.supersede(p)
	}
	c.suffix.prune(e.Index)
}

// supersede ends a proposal whose index went to another term's entry: nothing of it was written.
func (c *Core) supersede(p *proposal) {
	c.life.superseded(c.now, p)
	for _, w := range p.requests {
		c.lost(w, fmt.Errorf("another leader's entry took its place: %w", fault.ErrNotLeader))
	}
}

// pump takes all that consensus has ready.
func (c *Core) pump() {
	for {
		rd, ok := c.node.Ready()
		if !ok {
			break
		}
		if a := rd.Append; a != nil {
			if n := len(a.Entries); n > 0 {
				if first := a.Entries[0].Index; first <= c.created.index {
					c.void(first)
				}
				last := a.Entries[n-1]
				c.storing = append(c.storing, a.Entries)
				c.created = entryName{last.Term, last.Index}
				c.life.created(c.now, a.Entries)
			}
			c.persisting = append(c.persisting, c.ticks)
			c.out.Persist = append(c.out.Persist, a)
		}
		if rd.Apply != nil {
			c.life.ready(c.now, rd.Apply.Entries)
			c.out.Apply = append(c.out.Apply, rd.Apply)
		}
		for _, m := range rd.Messages {
			c.out.Send = append(c.out.Send, Packet{
				To: m.GetTo(), From: c.cfg.Consensus.Replica, Kind: PacketRaft, Raft: m,
			})
		}
		for _, r := range rd.Reads {
			c.read(r)
		}
		c.out.Snapshots = append(c.out.Snapshots, rd.Snapshots...)
		c.out.NeedCheckpoint = c.out.NeedCheckpoint || rd.NeedCheckpoint
	}
	role := c.node.Role()
	c.transferring = role.Transferring
	if c.leading && (!role.Leader || role.Term != c.term) {
		c.stepDown()
	}
	if planted.StampEarly && role.Leader && !c.leading && !c.stalled && c.fenced == nil {
		c.lead(role.Term)
	}
	if len(c.reads.waiting) > 0 {
		c.ask()
	}
}

// void marks the entries from an index on as truncated: another leader's take their place, also if they are still on
// their way to the disk.
func (c *Core) void(first uint64) {
	for i, entries := range c.storing {
		for len(entries) > 0 && entries[len(entries)-1].Index >= first {
			entries = entries[:len(entries)-1]
		}
		c.storing[i] = entries
	}
	c.life.truncated(c.now, first, c.created.index)
}

// stepDown stops stamping. What waits was not written; what was stamped is settled by the entries that come.
func (c *Core) stepDown() {
	c.leading, c.suspicion = false, id.Position{}
	for _, w := range c.queue {
		c.drop(w, c.notLeader())
	}
	c.queue = nil
	c.dropRefusals(c.notLeader())
	c.dropForeign(c.notLeader())
}

// Stop ends every request that is open: the stamped ones with an outcome that nobody knows here.
func (c *Core) Stop(now Now, cause error) {
	c.now = now
	c.end(cause, cause)
	c.unread(cause)
}
