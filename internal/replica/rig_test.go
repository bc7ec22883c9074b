package replica_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/lifecycle"
	"github.com/tidaldb/tidal/schema"
)

var (
	origin      = id.Origin{Region: 1, Shard: 2}
	otherOrigin = id.Origin{Region: 2, Shard: 2}
)

// testSchema has one signal type of each meaning.
func testSchema() *schema.Schema {
	s := &schema.Schema{
		Name: "test",
		Signals: []schema.SignalType{
			{Name: "view", Meaning: schema.Positive, Seen: true, Windows: []schema.Window{schema.WindowAll}},
			{Name: "like", Meaning: schema.Positive, Sets: []schema.Mark{schema.Liked}},
			{Name: "hide", Meaning: schema.HardNegative},
		},
		Items: schema.EntityType{
			Fields: []schema.Field{{Name: schema.CreatorField, Type: schema.TypeKeyword}, {
				Name: "title",
				Type: schema.TypeText,
			}},
			Embeddings: []schema.Embedding{{Name: "vec", Dimensions: 3}},
		},
	}
	if err := s.Validate(); err != nil {
		panic(err)
	}
	return s
}

// disk is what a crash leaves: entries and hard state as they were written.
type disk struct {
	hard    consensus.HardState
	entries []consensus.Entry
}

func (d *disk) write(a *consensus.Append, torn bool) {
	for _, e := range a.Entries {
		for len(d.entries) > 0 && d.entries[len(d.entries)-1].Index >= e.Index {
			d.entries = d.entries[:len(d.entries)-1]
		}
		d.entries = append(d.entries, e)
	}
	if a.HardState != nil && !torn {
		d.hard = *a.HardState
	}
}

// FirstIndex, Entries and Term make a disk what followers that lag are served from.

func (d *disk) FirstIndex() uint64 { return 1 }

func (d *disk) Entries(lo, hi uint64, _ int) ([]consensus.Entry, error) {
	for i, e := range d.entries {
		if e.Index == lo {
			return d.entries[i:min(len(d.entries), i+int(hi-lo), i+2)], nil
		}
	}
	return nil, fault.ErrNotFound
}

func (d *disk) Term(index uint64) (uint64, error) {
	for _, e := range d.entries {
		if e.Index == index {
			return e.Term, nil
		}
	}
	if index == 0 {
		return 0, nil
	}
	return 0, fault.ErrNotFound
}

// rig drives one core by hand: its disk and its state machine finish their work when they are told to.
type rig struct {
	tb     failer
	core   *replica.Core
	engine *engine.Engine
	cfg    replica.Config
	events lifecycle.Recorder
	disk   disk
	wall   int64 // milliseconds
	mono   int64

	appends []*consensus.Append
	applies []*consensus.Apply
	mail    []replica.Packet
	reads   map[uint64]replica.ReadReply
	changes map[uint64]replica.ChangeReply
	fenced  error
	tickets uint64
	open    map[uint64]bool
	replies map[uint64]replica.Reply
	// foreign are the batches of others that wait for an answer, by ticket, and what became of the others. wanted are events
	// that are to be read from the log.
	foreign map[uint64]bool
	became  map[uint64]replica.ForeignReply
	wanted  []id.Position
	// forgetful keeps no entries on the disk: nobody restarts or lags.
	forgetful bool
	quiet     bool // check the lifecycle at the end of each life alone, and say nothing
	// said is what the core put out, in order.
	said strings.Builder
}

func newRig(tb failer, change func(*replica.Config)) *rig {
	r := &rig{tb: tb, wall: 1000, open: map[uint64]bool{}, replies: map[uint64]replica.Reply{}}
	r.reads, r.changes = map[uint64]replica.ReadReply{}, map[uint64]replica.ChangeReply{}
	r.foreign, r.became = map[uint64]bool{}, map[uint64]replica.ForeignReply{}
	r.cfg = replica.Config{
		Origin:    origin,
		Consensus: consensus.Config{Replica: 1, ElectionTicks: 10, HeartbeatTicks: 2, MaxUncommitted: 1 << 20},
		SkewBound: 2000, MaxWaiting: 100, Tracer: &r.events,
	}
	r.cfg.Consensus.Older = &r.disk
	if change != nil {
		change(&r.cfg)
	}
	r.engine = engine.New(engine.Config{Origin: r.cfg.Origin})
	r.start()
	return r
}

// leading is a rig whose core stamps and has the test schema.
func leading(tb failer, change func(*replica.Config)) *rig {
	r := newRig(tb, change)
	r.lead()
	r.must(r.controls())
	return r
}

// controls is a request that brings the format level and the test schema.
func (r *rig) controls() *replica.Request {
	return r.request(record.Proposed{
		Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: record.Level},
	}, record.Proposed{
		Kind: record.KindSchemaVersion, Schema: record.SchemaVersion{Encoded: testSchema().Encode()},
	})
}

func (r *rig) now() replica.Now {
	r.mono++
	return replica.Now{Wall: r.wall * 1e6, Mono: r.mono}
}

func (r *rig) start() {
	r.tb.Helper()
	core, err := replica.New(r.cfg, r.engine, r.now())
	if err != nil {
		r.tb.Fatal(err)
	}
	r.core = core
	r.take()
}

// lead runs the core until it stamps.
func (r *rig) lead() {
	r.tb.Helper()
	r.run()
	r.check(r.core.Campaign(r.now()))
	r.take()
	r.run()
	if !r.core.Leading() {
		r.tb.Fatal("the only replica of its group doesn't lead")
	}
}

func (r *rig) check(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Fatal(err)
	}
}

// take files what the core wants done.
func (r *rig) take() {
	r.tb.Helper()
	out := r.core.Take()
	for _, a := range out.Persist {
		if r.forgetful {
			break
		}
		fmt.Fprintf(&r.said, "persist%s\n", describeAppend(a))
	}
	for _, a := range out.Apply {
		fmt.Fprintf(&r.said, "apply %s\n", names(a.Entries))
	}
	for _, reply := range out.Replies {
		fmt.Fprintf(&r.said, "reply %s\n", describeReply(reply))
		if !r.open[reply.Ticket] {
			r.tb.Fatalf("request %d was answered twice, or never asked", reply.Ticket)
		}
		delete(r.open, reply.Ticket)
		r.replies[reply.Ticket] = reply
	}
	for _, x := range out.Foreign {
		fmt.Fprintf(&r.said, "foreign %s\n", describeForeign(x))
		if !r.foreign[x.Ticket] {
			r.tb.Fatalf("entry %d was answered twice, or never given", x.Ticket)
		}
		delete(r.foreign, x.Ticket)
		r.became[x.Ticket] = x
	}
	for _, p := range out.Originals {
		fmt.Fprintf(&r.said, "wants %v\n", p)
	}
	r.wanted = append(r.wanted, out.Originals...)
	r.appends, r.applies = append(r.appends, out.Persist...), append(r.applies, out.Apply...)
	r.mail = append(r.mail, out.Send...)
	for _, x := range out.Reads {
		r.reads[x.Ticket] = x
	}
	for _, x := range out.Changes {
		r.changes[x.Ticket] = x
	}
	r.fenced = out.Fenced
	if r.quiet {
		r.said.Reset()
	} else {
		r.legal()
	}
}

func (r *rig) legal() {
	r.tb.Helper()
	if err := r.events.Check(); err != nil {
		r.tb.Fatalf("illegal history: %v\n%s", err, r.events.String())
	}
}

// receive brings a message of another replica.
func (r *rig) receive(m consensus.Message) {
	r.tb.Helper()
	r.check(r.core.Receive(r.now(), replica.Packet{
		To: m.GetTo(), From: m.GetFrom(), Kind: replica.PacketRaft, Raft: m,
	}))
	r.take()
}

// failer is what a rig needs of a test, be it a property's or an ordinary one.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var errIdle = errors.New("nothing is under way")

func (r *rig) persist() error {
	if len(r.appends) == 0 {
		return errIdle
	}
	a := r.appends[0]
	r.appends = r.appends[1:]
	if !r.forgetful {
		r.disk.write(a, false)
	}
	err := r.core.Persisted(r.now(), a)
	r.take()
	return err
}

func (r *rig) apply() error {
	if len(r.applies) == 0 {
		return errIdle
	}
	a := r.applies[0]
	r.applies = r.applies[1:]
	for _, e := range a.Entries {
		if err := r.applyEntry(e); err != nil {
			return err
		}
	}
	err := r.core.Applied(r.now(), a)
	r.take()
	return err
}

func (r *rig) applyEntry(e consensus.Entry) error {
	if e.Kind != consensus.Batch {
		return nil
	}
	if b, ok := r.core.Opened(&e); ok { // as a driver does
		r.sameAsOpened(b, e.Data)
		_, err := r.engine.ApplyBatch(b)
		return err
	}
	_, err := r.engine.ApplyEntry(e.Data)
	return err
}

// sameAsOpened fails unless a batch is what opening its bytes gives.
func (r *rig) sameAsOpened(b *record.Batch, data []byte) {
	want, err := record.Open(data)
	if err != nil || !reflect.DeepEqual(*b, want) {
		r.tb.Fatalf("an entry is said to be %+v; it is %+v, %v", b.Header, want.Header, err)
	}
}

// run finishes everything that is under way.
func (r *rig) run() {
	r.tb.Helper()
	for len(r.appends)+len(r.applies) > 0 {
		if len(r.appends) > 0 {
			r.check(r.persist())
		}
		if len(r.applies) > 0 {
			r.check(r.apply())
		}
	}
}

// request builds a request as the drivers do, under the engine's current schema.
func (r *rig) request(records ...record.Proposed) *replica.Request {
	_, hash := r.engine.Schema()
	return &replica.Request{Records: records, Content: record.ContentHash(records), Schema: hash}
}

// propose hands requests in and returns the first one's ticket.
func (r *rig) propose(requests ...*replica.Request) uint64 {
	r.tb.Helper()
	first := r.tickets + 1
	for _, req := range requests {
		if s, _ := r.engine.Schema(); s != nil {
			if err := replica.Check(req, s); err != nil {
				r.tb.Fatalf("request is refused: %v", err)
			}
		}
		r.tickets++
		req.Ticket = r.tickets
		r.open[req.Ticket] = true
		r.core.Propose(r.now(), req)
	}
	r.take()
	return first
}

func (r *rig) flush() {
	r.tb.Helper()
	r.check(r.core.Flush(r.now()))
	r.take()
}

// write hands a request in and runs it to its end.
func (r *rig) write(req *replica.Request) (replica.Receipt, error) {
	r.tb.Helper()
	ticket := r.propose(req)
	r.flush()
	r.run()
	reply, ok := r.replies[ticket]
	if !ok {
		r.tb.Fatal("request isn't answered")
	}
	return reply.Receipt, reply.Err
}

func (r *rig) must(req *replica.Request) replica.Receipt {
	r.tb.Helper()
	receipt, err := r.write(req)
	r.check(err)
	return receipt
}

// restart crashes the process: of the appends under way the first kept reach the disk, the next one without its hard
// state if torn is set. The log is replayed into a new engine, as far as it says that it is committed.
func (r *rig) restart(kept int, torn bool) {
	r.tb.Helper()
	for i, a := range r.appends {
		if i < kept || i == kept && torn {
			r.disk.write(a, i == kept)
		}
	}
	r.appends, r.applies, r.open = nil, nil, map[uint64]bool{}
	r.foreign, r.wanted = map[uint64]bool{}, nil
	r.legal()
	r.events.Reset()
	r.engine = engine.New(engine.Config{Origin: r.cfg.Origin})
	restored := consensus.Restored{HardState: r.disk.hard}
	for _, e := range r.disk.entries {
		if e.Index > r.disk.hard.Commit {
			restored.Tail = append(restored.Tail, e)
			continue
		}
		r.check(r.applyEntry(e))
		var err error
		restored.Members, err = restored.Members.After(e)
		r.check(err)
		restored.Applied, restored.AppliedTerm = e.Index, e.Term
	}
	r.cfg.Consensus.Restored = restored
	r.start()
}

// batches are the batches on the disk, in order.
func (r *rig) batches() [][]byte {
	var out [][]byte
	for _, e := range r.disk.entries {
		if e.Kind == consensus.Batch {
			out = append(out, e.Data)
		}
	}
	return out
}

// logged is one record in the log.
type logged struct {
	record.Record
	origin id.Origin
}

// log reads every own record on the disk and checks what must hold of them: own sequence numbers without a gap, stamps
// that rise.
func (r *rig) log() []logged {
	r.tb.Helper()
	var out []logged
	next, last := id.Seq(1), hlc.Timestamp(0)
	for _, data := range r.batches() {
		if engine.IsRange(data) {
			continue
		}
		b, err := record.Open(data)
		r.check(err)
		r.check(b.Verify())
		if b.Origin() != r.cfg.Origin {
			continue
		}
		if b.Header.First != next {
			r.tb.Fatalf("batch begins at %v, want %v", b.Origin().At(b.Header.First), r.cfg.Origin.At(next))
		}
		for rec, err := range b.Records() {
			r.check(err)
			if rec.Meta.HLC <= last {
				r.tb.Fatalf("record %d has stamp %v, the one before %v", rec.Seq, rec.Meta.HLC, last)
			}
			last = rec.Meta.HLC
			out = append(out, logged{rec, b.Origin()})
		}
		next = b.Header.Last + 1
	}
	return out
}

func signal(kind uint16, user, item string) record.Proposed {
	return record.Proposed{
		Kind: record.KindSignal, Signal: record.Signal{Type: kind, Weight: 1 << 24, Item: item, User: user},
	}
}

func undo(p id.Position, original record.Signal, time int64, hash schema.Hash) record.Proposed {
	return record.Proposed{Kind: record.KindCompensate, Compensation: record.Compensation{
		Original: p, Signal: original, Time: time, Schema: hash,
	}}
}

func inLane(r *replica.Request, producer string, number uint64) *replica.Request {
	r.Producer, r.Number = producer, number
	return r
}

func describeReply(r replica.Reply) string {
	if r.Err != nil {
		return fmt.Sprintf("#%d: %v", r.Ticket, r.Err)
	}
	text := fmt.Sprintf("#%d: %v+%d", r.Ticket, r.Receipt.First, r.Receipt.Count)
	if r.Receipt.Duplicate {
		text += " duplicate"
	}
	if r.Receipt.Clamped > 0 {
		text += fmt.Sprintf(" clamped=%d", r.Receipt.Clamped)
	}
	return text
}

func names(entries []consensus.Entry) string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%d/%d", e.Index, e.Term))
	}
	return strings.Join(out, " ")
}

// describeAppend prints an append's entries, and the records in them one a line.
func describeAppend(a *consensus.Append) string {
	var b strings.Builder
	for _, e := range a.Entries {
		fmt.Fprintf(&b, " %d/%d", e.Index, e.Term)
	}
	if h := a.HardState; h != nil {
		fmt.Fprintf(&b, " term=%d vote=%d commit=%d", h.Term, h.Vote, h.Commit)
	}
	for _, e := range a.Entries {
		if e.Kind != consensus.Batch {
			continue
		}
		if engine.IsRange(e.Data) {
			b.WriteString("\n  range")
			continue
		}
		batch, err := record.Open(e.Data)
		if err != nil {
			return err.Error()
		}
		for rec, err := range batch.Records() {
			if err != nil {
				return err.Error()
			}
			fmt.Fprintf(&b, "\n  %s", record.Describe(rec))
		}
	}
	return b.String()
}
