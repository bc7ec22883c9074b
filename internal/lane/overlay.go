package lane

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Overlay answers for a leader between stamping and applying: it holds what was stamped behind the applied index, and
// its checks answer as the table will once all of that is applied. (Of two copies of one request they may name the
// other.) It is the leader's alone and never stored.
//
// Entries go in with the Raft index of the log entry that carries them, and leave in one of two ways: [Overlay.Prune]
// when they are applied, to the table at the same time, or [Overlay.Drop] when they are lost.
type Overlay struct {
	entries []stamped // in the order of stamping
	base    int       // number of the first entry; entries are numbered for ever
	at      map[name]int
	last    map[string]int // per producer, its last entry
}

// stamped is one request or key. Of entries with the same name only the first is in the index: what stands in front
// of the log is what the table will keep.
type stamped struct {
	Accepted
	name
	index uint64 // Raft's
	prev  int    // the producer's entry before
	high  uint64 // the producer's highest request, up to here
	first bool
}

// name is a lane's request, or a key as request 0.
type name struct {
	text    string
	request uint64
}

const none = -1

// NewOverlay returns an empty overlay.
func NewOverlay() *Overlay { return &Overlay{at: make(map[name]int), last: make(map[string]int)} }

// Stamp enters a request that was proposed as part of the log entry at index, or lies in a foreign batch that was.
// Indexes never fall.
func (o *Overlay) Stamp(index uint64, producer string, request uint64, a Accepted) {
	if request == 0 {
		panic("lane: stamped request 0")
	}
	e := stamped{Accepted: a, name: name{strings.Clone(producer), request}, index: index, prev: none, high: request}
	if last, ok := o.last[producer]; ok {
		e.prev, e.high = last, max(request, o.entries[last-o.base].high)
	}
	o.last[e.text] = o.push(e)
}

// StampKey enters an idempotency key as Stamp enters a request.
func (o *Overlay) StampKey(index uint64, key string, a Accepted) {
	o.push(stamped{Accepted: a, name: name{text: strings.Clone(key)}, index: index, prev: none})
}

func (o *Overlay) push(e stamped) int {
	e.check()
	if n := len(o.entries); n > 0 && o.entries[n-1].index > e.index {
		panic(fmt.Sprintf("lane: stamped at index %d behind index %d", e.index, o.entries[n-1].index))
	}
	number := o.base + len(o.entries)
	if _, ok := o.at[e.name]; !ok {
		e.first = true
		o.at[e.name] = number
	}
	o.entries = append(o.entries, e)
	return number
}

// Check is [Table.Check] as if everything in the overlay were applied to t.
func (o *Overlay) Check(t *Table, producer string, request, content uint64) (Verdict, error) {
	if i, ok := o.at[name{producer, request}]; ok && request != 0 {
		if v, err := t.check(producer, request, content, 0); v.Duplicate || errors.Is(err, fault.ErrKeyReused) {
			return v, err
		}
		return o.verdict(i, content)
	}
	high := uint64(0)
	if i, ok := o.last[producer]; ok {
		high = o.entries[i-o.base].high
	}
	return t.check(producer, request, content, high)
}

// CheckKey is [Table.CheckKey] as if everything in the overlay were applied to t.
func (o *Overlay) CheckKey(t *Table, key string, content uint64) (Verdict, error) {
	i, ok := o.at[name{text: key}]
	if _, applied := t.keys[key]; ok && !applied {
		return o.verdict(i, content)
	}
	return t.CheckKey(key, content)
}

func (o *Overlay) verdict(number int, content uint64) (Verdict, error) {
	e := &o.entries[number-o.base]
	if e.Content != content {
		return Verdict{}, fmt.Errorf("check %s, stamped at %v: %w", e.name, e.Position, fault.ErrKeyReused)
	}
	return Verdict{Duplicate: true, Position: e.Position, Count: e.Count}, nil
}

func (n name) String() string {
	if n.request == 0 {
		return fmt.Sprintf("key %q", n.text)
	}
	return fmt.Sprintf("request %d of lane %q", n.request, n.text)
}

// Prune forgets what was applied: all entries up to and including this index.
func (o *Overlay) Prune(applied uint64) {
	n := 0
	for n < len(o.entries) && o.entries[n].index <= applied {
		e := &o.entries[n]
		if e.first {
			delete(o.at, e.name)
		}
		if last, ok := o.last[e.text]; ok && e.request != 0 && last == o.base+n {
			delete(o.last, e.text)
		}
		n++
	}
	clear(o.entries[:n]) // the array lives on
	o.entries = o.entries[n:]
	o.base += n
}

// Drop forgets what was lost: all entries from this index on.
func (o *Overlay) Drop(from uint64) {
	n := len(o.entries)
	for n > 0 && o.entries[n-1].index >= from {
		n--
		e := &o.entries[n]
		if e.first {
			delete(o.at, e.name)
		}
		switch {
		case e.request == 0:
		case e.prev >= o.base:
			o.last[e.text] = e.prev
		default:
			delete(o.last, e.text)
		}
	}
	clear(o.entries[n:])
	o.entries = o.entries[:n]
}

// Len is the number of entries.
func (o *Overlay) Len() int { return len(o.entries) }
