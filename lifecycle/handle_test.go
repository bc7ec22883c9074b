package lifecycle

import "testing"

// nowhere is a Tracer that costs nothing, so that what is measured is the handle.
type nowhere struct{ n int }

func (s *nowhere) Mark(Transition) { s.n++ }
func (s *nowhere) Relate(Link)     { s.n++ }

// oneWrite is what a core does for one append, in the shape that the package comment recommends.
func oneWrite(h *Handle, now int64) {
	ref := h.Begin(Append)
	if h.On() {
		h.Mark(Transition{Machine: Append, Instance: ref.Instance, State: Start, Time: now, Term: 1, First: 2, Last: 3})
		h.Relate(Link{Kind: ServedBy, Time: now, From: ref, To: ref})
	}
}

func TestHandleAllocatesNothing(t *testing.T) {
	sink := &nowhere{}
	for name, h := range map[string]*Handle{"off": nil, "on": NewHandle(sink)} {
		if n := testing.AllocsPerRun(1000, func() { oneWrite(h, 5) }); n != 0 {
			t.Errorf("%s: %v allocations a write, want 0", name, n)
		}
	}
	if sink.n == 0 {
		t.Error("the handle that is on passed nothing on")
	}
}

func TestNilHandleIsOff(t *testing.T) {
	h := NewHandle(nil)
	if h != nil || h.On() {
		t.Fatal("a handle without a tracer is on")
	}
	if ref := h.Begin(Append); ref != (Ref{}) {
		t.Errorf("Begin returned %v", ref)
	}
	if ref := h.Begin(LogEntry); ref != (Ref{}) {
		t.Errorf("Begin returned %v", ref)
	}
	h.Mark(Transition{})
	h.Relate(Link{})
}

func TestInstancesAreCountedByMachine(t *testing.T) {
	h := NewHandle(&nowhere{})
	for _, want := range []Ref{{Append, 1}, {Append, 2}, {Fsync, 1}, {Append, 3}, {Fsync, 2}} {
		if got := h.Begin(want.Machine); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestBeginPanicsForWhatHasNoNumbers(t *testing.T) {
	for _, m := range []Machine{0, LogEntry, 200} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Begin(%v) gave a number", m)
				}
			}()
			NewHandle(&nowhere{}).Begin(m)
		}()
	}
}

func TestLinksOfTheZeroRefAreLeftOut(t *testing.T) {
	sink := &nowhere{}
	h := NewHandle(sink)
	ref := h.Begin(Append)
	h.Relate(Link{Kind: CausedBy, From: ref})
	h.Relate(Link{Kind: CausedBy, To: ref})
	if sink.n != 0 {
		t.Error("a link to nothing was recorded")
	}
	h.Relate(Link{Kind: CausedBy, From: ref, To: ref})
	if sink.n != 1 {
		t.Error("a whole link was not recorded")
	}
}

func BenchmarkOff(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		oneWrite(nil, int64(i))
	}
}

func BenchmarkOn(b *testing.B) {
	h := NewHandle(&nowhere{})
	for i := 0; b.Loop(); i++ {
		oneWrite(h, int64(i))
	}
}
