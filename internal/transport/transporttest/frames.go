package transporttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/transport"
)

// pair starts replicas 1 and 2, "a" and "b"; a knows b.
func pair(w World, b *inbox) transport.Transport {
	w.Join("b", Member{Identity: Who(2), Handler: b})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	a.SetPeer(2, w.Route("a", "b"))
	return a
}

// mustSend sends a frame, and again while the queue is full or the peer isn't reached yet.
func mustSend(t *testing.T, w World, send func(uint64, []byte) error, to uint64, frame []byte) {
	t.Helper()
	err := send(to, frame)
	if errors.Is(err, transport.ErrBusy) || errors.Is(err, transport.ErrDown) {
		w.Until("a place in the queue", func() bool { err = send(to, frame); return err == nil })
	}
	if err != nil {
		t.Fatalf("send: %v", err)
	}
}

func order(t *testing.T, w World) {
	var b inbox
	a := pair(w, &b)
	const n = 3000
	for i := range n {
		send, mark := a.Send, byte(0)
		if i%3 == 0 {
			send, mark = a.SendBulk, 1
		}
		mustSend(t, w, send, 2, append(binary.LittleEndian.AppendUint32(nil, uint32(i)), mark))
	}
	w.Until("all frames", func() bool { return b.count(1) == n })
	last := [2]int{-1, -1}
	for _, frame := range b.from(1) {
		i, class := int(binary.LittleEndian.Uint32(frame)), frame[4]
		if i <= last[class] {
			t.Fatalf("frame %d of class %d came after %d", i, class, last[class])
		}
		last[class] = i
	}
}

func bigFrames(t *testing.T, w World) {
	var b inbox
	a := pair(w, &b)
	sizes := []int{0, 1, 4095, 16 << 10, 16<<10 + 1, 1 << 20, 3 << 20}
	for i, size := range sizes {
		mustSend(t, w, a.Send, 2, bytes.Repeat([]byte{byte(i)}, size))
	}
	if err := a.Send(2, make([]byte, 3<<20+1)); !errors.Is(err, transport.ErrFrame) {
		t.Errorf("a frame beyond the limit: %v", err)
	}
	w.Until("all frames", func() bool { return b.count(1) == len(sizes) })
	for i, frame := range b.from(1) {
		if !bytes.Equal(frame, bytes.Repeat([]byte{byte(i)}, sizes[i])) {
			t.Errorf("frame %d came with %d bytes or other ones", i, len(frame))
		}
	}
	if s := a.Stats(); len(s) != 1 || s[0].Number != 2 || s[0].Urgent.SentFrames != uint64(len(sizes)) || s[0].Urgent.TooLong != 1 {
		t.Errorf("stats %+v", s)
	}
}

// held is an inbox whose handler waits, in forms where it may.
func held(w World, b *inbox) (open func()) {
	if w.Stepped() {
		return func() {}
	}
	gate := make(chan struct{})
	b.hold = func(uint64, []byte) { <-gate }
	return func() { close(gate) }
}

func boundedFrames(t *testing.T, w World) { bounded(t, w, 100, 16, 1<<40) }

func boundedBytes(t *testing.T, w World) { bounded(t, w, 1<<16, 1<<40, 1<<18) }

// bounded sends to a handler that doesn't return, until the queue is full; then everything that was taken arrives.
func bounded(t *testing.T, w World, size int, maxFrames int, maxBytes int64) {
	var b inbox
	open := held(w, &b)
	a := pair(w, &b)
	sent := 0
	refused := false
	fill := func() bool {
		for range 64 {
			err := a.Send(2, make([]byte, size))
			s := a.Stats()[0].Urgent
			if s.QueuedFrames > maxFrames || s.QueuedBytes > maxBytes+int64(size) {
				t.Fatalf("the queue has %d frames and %d bytes", s.QueuedFrames, s.QueuedBytes)
			}
			switch {
			case err == nil:
				sent++
			case errors.Is(err, transport.ErrBusy):
				refused = true
				return true
			default:
				t.Fatalf("send: %v", err)
			}
		}
		return false
	}
	if w.Stepped() {
		for !fill() {
		}
	} else {
		w.Until("a full queue", fill)
	}
	if s := a.Stats()[0].Urgent; !refused || s.DroppedFull == 0 || s.QueuedFrames == 0 {
		t.Errorf("stats of a full queue: %+v", s)
	}
	open()
	w.Until("what was taken", func() bool { return b.count(1) == sent })
	w.Until("an empty queue", func() bool { s := a.Stats()[0].Urgent; return s.QueuedFrames == 0 && s.QueuedBytes == 0 })
}

// classes holds up the handler of bulk frames; urgent ones arrive all the same.
func classes(t *testing.T, w World) {
	if w.Stepped() {
		return // nothing waits there
	}
	gate := make(chan struct{})
	b := &inbox{hold: func(_ uint64, frame []byte) {
		if frame[0] == 'b' {
			<-gate
		}
	}}
	a := pair(w, b)
	w.Until("a full bulk queue", func() bool {
		return errors.Is(a.SendBulk(2, append([]byte("b"), make([]byte, 1<<16)...)), transport.ErrBusy)
	})
	for range 10 {
		mustSend(t, w, a.Send, 2, []byte("u"))
	}
	w.Until("urgent frames", func() bool { return b.count(1) == 10 })
	close(gate)
}

func many(t *testing.T, w World) {
	const n, each = 7, 50
	names := []string{"a", "b", "c", "d", "e", "f", "g"}
	boxes := make([]inbox, n)
	ends := make([]transport.Transport, n)
	for i := range n {
		ends[i] = w.Join(names[i], Member{Identity: Who(uint64(i + 1)), Handler: &boxes[i]})
	}
	for i := range n {
		for j := range n {
			if i != j {
				ends[i].SetPeer(uint64(j+1), w.Route(names[i], names[j]))
			}
		}
	}
	// Whoever was connected to before its address was set is dialled again, and what was on the way is lost. What comes through
	// from here on comes by the address that was set.
	hello := []byte("hello")
	for i := range n {
		for j := range n {
			if i != j {
				w.Until("a connection", func() bool { _ = ends[i].Send(uint64(j+1), hello); return boxes[j].count(uint64(i+1)) > 0 })
			}
		}
	}
	for k := range each {
		for i := range n {
			for j := range n {
				if i != j {
					mustSend(t, w, ends[i].Send, uint64(j+1), []byte{byte(i), byte(j), byte(k)})
				}
			}
		}
	}
	numbered := func(j, i int) [][]byte {
		return slices.DeleteFunc(slices.Clone(boxes[j].from(uint64(i+1))), func(frame []byte) bool { return bytes.Equal(frame, hello) })
	}
	for j := range n {
		for i := range n {
			if i == j {
				continue
			}
			w.Until("all of everybody", func() bool { return len(numbered(j, i)) == each })
			for k, frame := range numbered(j, i) {
				if !bytes.Equal(frame, []byte{byte(i), byte(j), byte(k)}) {
					t.Fatalf("%d got %v from %d as its frame %d", j+1, frame, i+1, k)
				}
			}
		}
	}
	if s := ends[0].Stats(); len(s) != n-1 || s[0].Number != 2 || s[5].Number != 7 {
		t.Errorf("stats %+v", s)
	}
}
