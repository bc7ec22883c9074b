package lifecycle

import (
	"encoding/hex"
	"strconv"
)

// Transition says that one instance entered a state.
type Transition struct {
	Machine Machine
	State   State
	// Cause is set on the last transition of an instance only; 0 means none.
	Cause Cause
	// Instance is the number from [Handle.Begin]; 0 for a machine that is [Machine.ByIndex].
	Instance uint64
	// Time is in nanoseconds of the node's monotonic clock, as the driver passed it in.
	Time int64
	// Term is the Raft term of the entries meant, 0 when there is none.
	Term uint64
	// First and Last are the log indexes meant, both included; 0 and 0 when there are none.
	First, Last uint64
	// Peer is the replica that the transition names, such as the one that completed a quorum; 0 means none.
	Peer uint64
	// Trace is the caller's trace id, zero when there is none.
	Trace [16]byte
}

// Ref names an instance within one replica. The zero Ref names none.
type Ref struct {
	Machine  Machine
	Instance uint64
}

// Link relates two instances of one replica. It is recorded by the side that learns of it.
type Link struct {
	Kind     LinkKind
	Time     int64 // as in [Transition]
	From, To Ref
}

// Tracer receives what happens, in order, from one goroutine at a time.
//
// It must not keep the caller waiting, and it can't fail: what can't be kept is counted by the tracer.
type Tracer interface {
	Mark(Transition)
	Relate(Link)
}

// Handle is what a component holds to take part. A nil *Handle is off and every method of it is a no-op.
//
// One handle belongs to one replica and has one owner at a time: it isn't safe for concurrent use.
type Handle struct {
	to   Tracer
	last [len(tables)]uint64 // the number of the newest instance, by machine
}

// NewHandle returns a handle that passes everything on to t. It returns nil, the handle that is off, when t is nil.
func NewHandle(t Tracer) *Handle {
	if t == nil {
		return nil
	}
	return &Handle{to: t}
}

// On reports whether anybody listens. Ask it before a Transition or a Link is built.
func (h *Handle) On() bool { return h != nil }

// Begin gives a new instance its number, counted from 1 in each machine. It records nothing: the instance begins
// with its first [Handle.Mark]. When h is off, the result is the zero Ref.
//
// Begin panics for a machine that isn't declared or has no numbered instances.
func (h *Handle) Begin(m Machine) Ref {
	if h == nil {
		return Ref{}
	}
	if m.rules() == nil || m.ByIndex() {
		panic("lifecycle: " + m.String() + " has no numbered instances")
	}
	h.last[m]++
	return Ref{Machine: m, Instance: h.last[m]}
}

// Mark records that an instance entered a state.
func (h *Handle) Mark(t Transition) {
	if h != nil {
		h.to.Mark(t)
	}
}

// Relate records a link. Links from or to the zero Ref are left out, so that callers need no case of their own.
func (h *Handle) Relate(l Link) {
	if h != nil && l.From != (Ref{}) && l.To != (Ref{}) {
		h.to.Relate(l)
	}
}

// String prints "machine#instance".
func (r Ref) String() string { return r.Machine.String() + "#" + strconv.FormatUint(r.Instance, 10) }

// String prints "time machine#instance state key=value…" with the attributes that are set, in a fixed order. A
// transition of log indexes prints "entry" without a number.
func (t Transition) String() string { return string(t.append(nil)) }

// String prints "time from kind to".
func (l Link) String() string { return string(l.append(nil)) }

func (t Transition) append(b []byte) []byte {
	b = strconv.AppendInt(b, t.Time, 10)
	b = append(b, ' ')
	b = append(b, t.Machine.String()...)
	if t.Instance != 0 {
		b = append(b, '#')
		b = strconv.AppendUint(b, t.Instance, 10)
	}
	b = append(b, ' ')
	b = append(b, t.State.String()...)
	if t.Term != 0 {
		b = strconv.AppendUint(append(b, " term="...), t.Term, 10)
	}
	if t.First != 0 || t.Last != 0 {
		b = strconv.AppendUint(append(b, " index="...), t.First, 10)
		if t.Last != t.First {
			b = strconv.AppendUint(append(b, ".."...), t.Last, 10)
		}
	}
	if t.Peer != 0 {
		b = strconv.AppendUint(append(b, " peer="...), t.Peer, 10)
	}
	if t.Cause != 0 {
		b = append(append(b, " cause="...), t.Cause.String()...)
	}
	if t.Trace != ([16]byte{}) {
		b = hex.AppendEncode(append(b, " trace="...), t.Trace[:])
	}
	return b
}

func (l Link) append(b []byte) []byte {
	b = strconv.AppendInt(b, l.Time, 10)
	b = append(b, ' ')
	b = append(b, l.From.String()...)
	b = append(b, ' ')
	b = append(b, l.Kind.String()...)
	b = append(b, ' ')
	return append(b, l.To.String()...)
}
