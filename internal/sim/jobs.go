package sim

import (
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/replica"
)

// work is what a job does. The frequent kinds have fields of their own, so that none of them is a closure.
type work struct {
	kind workKind
	// of is the process that it is meant for, nil for none: it isn't done when that is gone.
	of     *resident
	do     func()
	packet replica.Packet
	wire   *wire
	group  []host.Written
	client actor
}

// workKind says which fields of a work count.
type workKind uint8

const (
	toCall workKind = iota
	toTick
	toDeliver
	toReceive
	toWrite
	toSync
	toAnswerDisk
	toAct
)

// actor is somebody who does something now and then.
type actor interface{ act() }

// jobs are what is to be done, the next first: a heap of small keys, with the works apart.
type jobs struct {
	heap    []job
	works   []work
	free    []int32
	entered uint64
}

type job struct {
	at     int64
	number uint64 // ties are settled by the order of entry
	work   int32  // its place
}

func (a *job) before(b *job) bool { return a.at < b.at || a.at == b.at && a.number < b.number }

// enter puts a work on the list.
func (q *jobs) enter(at int64, w work) {
	place := int32(len(q.works))
	if n := len(q.free); n > 0 {
		place, q.free = q.free[n-1], q.free[:n-1]
		q.works[place] = w
	} else {
		q.works = append(q.works, w)
	}
	q.entered++
	j := job{at, q.entered, place}
	h := append(q.heap, j)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !j.before(&h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i], q.heap = j, h
}

// next takes what is to be done next off the list, which isn't empty.
func (q *jobs) next() (at int64, w work) {
	h := q.heap
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	q.heap = h
	i := 0
	for len(h) > 0 {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&last) {
			break
		}
		h[i] = h[least]
		i = least
	}
	if len(h) > 0 {
		h[i] = last
	}
	w = q.works[first.work]
	q.works[first.work] = work{}
	q.free = append(q.free, first.work)
	return first.at, w
}

// reset empties the list and keeps its memory.
func (q *jobs) reset() {
	clear(q.works)
	*q = jobs{heap: q.heap[:0], works: q.works[:0], free: q.free[:0]}
}

// perform does a work.
func (f *fleet) perform(w *work) {
	switch w.kind {
	case toCall:
		w.do()
	case toTick:
		w.of.tick()
	case toDeliver:
		f.arrive(w)
	case toReceive:
		w.of.receive(w.packet)
	case toWrite:
		w.of.write()
	case toSync:
		w.of.sync(w.group)
	case toAnswerDisk:
		w.of.answered(w.group)
	case toAct:
		if !f.frozen {
			w.client.act()
		}
	}
}

// persisting is what a process has given to its disk and not had back.
type persisting struct {
	queue []*consensus.Append // not begun
	busy  bool                // the disk works on a group
	since int64               // since when
}
