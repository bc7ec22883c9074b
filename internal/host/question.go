package host

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// What members ask each other beside Raft's messages, and newcomers ask members. The bytes are described in
// docs/format/question.md.

// questionVersion is the first byte of questions and answers.
const questionVersion = 1

type questionKind uint8

const (
	// questionJoin asks to be taken in, at Address.
	questionJoin questionKind = iota + 1
	// questionWhere asks who leads, who is a member, and whether Number is one.
	questionWhere
	// questionRemove asks to take Number out, with Force whatever comes of it.
	questionRemove
	// questionTransfer asks that Number lead, or with 0 whoever is best.
	questionTransfer
	// questionReaddress says where Number is from now on.
	questionReaddress
	questionKinds
)

func (k questionKind) String() string {
	if k == 0 || k >= regionQuestions {
		return fmt.Sprintf("question %d", uint8(k))
	}
	return [...]string{
		"", "join", "where", "remove", "transfer", "readdress", "region", "promote", "forget", "regions",
	}[k]
}

// question is one of them.
type question struct {
	Kind questionKind
	// Hops is how often it was passed on.
	Hops  uint8
	Force bool
	// Incarnation is that of who asks; a newcomer has none.
	Incarnation id.Incarnation
	Number      uint64
	// Wall is the asker's clock, in Unix milliseconds.
	Wall         int64
	Address, URL string
	// Name and Successor are names of regions, and Follower says what a new one is to be, in questions about regions.
	Name, Successor string
	Follower        bool
}

// maxHops is how often a question is passed on: to the leader, and to the next one where leadership moved meanwhile.
// maxRegionHops is how often one about regions is: to another region, too.
const (
	maxHops       = 3
	maxRegionHops = 2*maxHops + 1
)

func (q *question) encode() []byte {
	flags := byte(0)
	if q.Force {
		flags |= flagForce
	}
	if q.Follower {
		flags |= flagFollower
	}
	b := []byte{questionVersion, byte(q.Kind), q.Hops, flags}
	b = binary.AppendUvarint(b, uint64(q.Incarnation))
	b = binary.AppendUvarint(b, q.Number)
	b = binary.AppendVarint(b, q.Wall)
	b = appendText(b, q.Address)
	b = appendText(b, q.URL)
	if q.Kind.ofRegions() {
		b = appendText(appendText(b, q.Name), q.Successor)
	}
	return b
}

// The flags of a question.
const (
	flagForce byte = 1 << iota
	flagFollower
)

func decodeQuestion(b []byte) (question, error) {
	r := reader{rest: b, what: "question"}
	r.version()
	q := question{Kind: questionKind(r.byte("kind")), Hops: r.byte("hops")}
	flags := r.byte("flags")
	q.Force, q.Follower = flags&flagForce != 0, flags&flagFollower != 0
	q.Incarnation = id.Incarnation(r.uvarint("incarnation", 1<<32-1))
	q.Number = r.uvarint("number", 1<<64-1)
	q.Wall = r.varint("wall")
	q.Address, q.URL = r.text("address"), r.text("url")
	r.check(q.Kind > 0 && q.Kind < regionQuestions, "kind", "%d is none", uint8(q.Kind))
	allowed := flagForce
	if q.Kind.ofRegions() {
		allowed |= flagFollower
		q.Name, q.Successor = r.text("name"), r.text("successor")
	}
	r.check(flags&^allowed == 0, "flags", "%#x are unknown", flags)
	return q, r.end()
}

type answerCode uint8

const (
	// answerDone: what was asked for is done.
	answerDone answerCode = iota + 1
	// answerChanging: another change of members is under way; ask again.
	answerChanging
	// answerNoLeader: nobody leads; ask again.
	answerNoLeader
	// answerRefused: the question is wrong.
	answerRefused
	// answerForeign: who asks belongs elsewhere.
	answerForeign
	// answerClock: the asker's clock is wrong.
	answerClock
	// answerRemoved: the number was given up.
	answerRemoved
	// answerUnknown: whether it is done couldn't be learned.
	answerUnknown
	// answerNoSuccessor: nobody took over leadership.
	answerNoSuccessor
	answerCodes
)

// answer goes back. Joined says of the answerer whose it is, and to a newcomer who it is from now on; its Members are those
// of the group, as far as the answerer knows.
type answer struct {
	Code answerCode
	// Text says what is wrong, "" if nothing is.
	Text string
	// Wall is the answerer's clock, in Unix milliseconds.
	Wall int64
	// Leader is the number of the leader, 0 if none is known. Highest is the highest number that a member ever had.
	Leader, Highest uint64
	Joined
	// Regions are all that there are, in answers to questions about them.
	Regions []RegionStatus
}

func (a *answer) encode() []byte {
	b := []byte{questionVersion, byte(a.Code)}
	b = appendText(b, a.Text)
	b = binary.AppendVarint(b, a.Wall)
	b = binary.AppendUvarint(b, a.Leader)
	b = binary.AppendUvarint(b, a.Highest)
	b = append(b, a.Cluster[:]...)
	b = appendText(b, a.Tenant)
	b = binary.AppendUvarint(b, uint64(a.Region))
	b = binary.AppendUvarint(b, uint64(a.Shard))
	b = binary.AppendUvarint(b, uint64(a.Incarnation))
	b = binary.AppendUvarint(b, a.Replica)
	b = binary.AppendUvarint(b, uint64(len(a.Members)))
	for _, m := range a.Members {
		learner := byte(0)
		if m.Learner {
			learner = 1
		}
		b = binary.AppendUvarint(b, m.Number)
		b = append(b, learner)
		b = appendText(b, m.Address)
		b = appendText(b, m.URL)
	}
	return appendRegions(b, a.Regions)
}

// maxMembers bounds the members of an answer: no group is that large.
const maxMembers = 1024

func decodeAnswer(b []byte) (answer, error) {
	r := reader{rest: b, what: "answer"}
	r.version()
	a := answer{Code: answerCode(r.byte("code"))}
	r.check(a.Code > 0 && a.Code < answerCodes, "code", "%d is none", uint8(a.Code))
	a.Text, a.Wall = r.text("text"), r.varint("wall")
	a.Leader, a.Highest = r.uvarint("leader", 1<<64-1), r.uvarint("highest", 1<<64-1)
	copy(a.Cluster[:], r.bytes("cluster", len(a.Cluster)))
	a.Tenant = r.text("tenant")
	a.Region = id.Region(r.uvarint("region", 1<<16-1))
	a.Shard = id.Shard(r.uvarint("shard", 1<<16-1))
	a.Incarnation = id.Incarnation(r.uvarint("incarnation", 1<<32-1))
	a.Replica = r.uvarint("replica", 1<<64-1)
	count := r.uvarint("members", maxMembers)
	for range count {
		m := consensus.Member{Number: r.uvarint("member", 1<<64-1)}
		learner := r.byte("learner")
		r.check(learner <= 1, "learner", "%d is neither 0 nor 1", learner)
		m.Learner = learner == 1
		m.Address, m.URL = r.text("address"), r.text("url")
		if r.err != nil {
			break
		}
		a.Members = append(a.Members, m)
	}
	a.Regions = r.regions()
	return a, r.end()
}

// err is what the answer amounts to for who asked.
func (a *answer) err() error {
	switch a.Code {
	case answerDone:
		return nil
	case answerChanging:
		return a.as(fault.ErrChanging)
	case answerNoLeader:
		return a.as(fault.ErrNotLeader)
	case answerForeign:
		return a.as(fault.ErrForeign)
	case answerClock:
		return a.as(fault.ErrClock)
	case answerRemoved:
		return a.as(fault.ErrRemoved)
	case answerUnknown:
		return a.as(fault.ErrUnknown)
	case answerNoSuccessor:
		return a.as(fault.ErrNoSuccessor)
	}
	return &fault.Input{Record: -1, Reason: a.Text}
}

// as is an error of a kind with the answer's text. That is mostly the text of such an error, which has said what it is by itself, and
// needn't do so twice.
func (a *answer) as(kind error) error {
	if strings.Contains(a.Text, kind.Error()) {
		return &answered{text: a.Text, kind: kind}
	}
	return fmt.Errorf("%s: %w", a.Text, kind)
}

// answered is an error that somebody else has had.
type answered struct {
	text string
	kind error
}

func (e *answered) Error() string { return e.text }
func (e *answered) Unwrap() error { return e.kind }

// maxText bounds the texts of questions and answers.
const maxText = 1 << 10

func appendText(b []byte, s string) []byte {
	s = s[:min(len(s), maxText)]
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// reader takes fields off the front of bytes, until one is wrong.
type reader struct {
	rest []byte
	what string
	err  error
}

func (r *reader) fail(field, format string, args ...any) {
	if r.err == nil {
		r.err = fault.Refuse(r.what+"."+field, format, args...)
	}
	r.rest = nil
}

func (r *reader) check(ok bool, field, format string, args ...any) {
	if !ok {
		r.fail(field, format, args...)
	}
}

func (r *reader) version() { r.ofVersion(questionVersion) }

func (r *reader) ofVersion(want byte) {
	v := r.byte("version")
	r.check(v == want, "version", "%d isn't %d, which this program speaks; both sides must run versions of tidal that go "+
		"together", v, want)
}

func (r *reader) byte(field string) byte {
	b := r.bytes(field, 1)
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (r *reader) bytes(field string, n int) []byte {
	if len(r.rest) < n {
		r.fail(field, "is cut short")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uvarint(field string, highest uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > highest || n > 1 && r.rest[n-1] == 0 {
		r.fail(field, "is no number up to %d", highest)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint(field string) int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.fail(field, "is no number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) text(field string) string {
	return string(r.bytes(field, int(r.uvarint(field, maxText))))
}

func (r *reader) end() error {
	r.check(len(r.rest) == 0, "end", "has %d bytes too many", len(r.rest))
	return r.err
}
