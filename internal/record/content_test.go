package record

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
)

func TestContentHashIgnoresWhatTheLeaderAdds(t *testing.T) {
	for _, p := range samples() {
		before := ContentHash([]Proposed{p})
		p.Trace[3] = 7
		p.Signal.ItemGen, p.Signal.UserGen = 5, 6
		p.Signal.Creator, p.Signal.Cohorts = "someone", []string{"x", "y"}
		p.Mark.UserGen, p.Mark.ItemGen, p.Relation.UserGen = 7, 8, 9
		p.Compensation = Compensation{Original: p.Compensation.Original}
		if after := ContentHash([]Proposed{p}); after != before {
			t.Errorf("%v: the hash went from %x to %x", p.Kind, before, after)
		}
	}
}

func TestContentHashSeesWhatTheClientAsks(t *testing.T) {
	seen := map[uint64]string{}
	add := func(what string, request ...Proposed) {
		h := ContentHash(request)
		if before, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", what, before)
		}
		seen[h] = what
	}
	add("nothing")
	for _, p := range samples() {
		add(p.Kind.String(), p)
	}
	signal := func(change func(*Proposed)) Proposed {
		p := Proposed{Kind: KindSignal, Signal: sampleSignal()}
		change(&p)
		return p
	}
	add("two signals", signal(func(*Proposed) {}), signal(func(*Proposed) {}))
	add("time 0", signal(func(p *Proposed) { p.HasTime = true }))
	add("time 1", signal(func(p *Proposed) { p.HasTime, p.Time = true, 1 }))
	add("key", signal(func(p *Proposed) { p.Key = "k" }))
	add("type", signal(func(p *Proposed) { p.Signal.Type++ }))
	add("weight", signal(func(p *Proposed) { p.Signal.Weight++ }))
	add("item", signal(func(p *Proposed) { p.Signal.Item = "other" }))
	add("user", signal(func(p *Proposed) { p.Signal.User = "other" }))
	add("nobody", signal(func(p *Proposed) { p.Signal.User = "" }))
	add("reference", signal(func(p *Proposed) { p.Signal.Ref = "other" }))
	add("mark off", Proposed{Kind: KindMark, Mark: Mark{Which: MarkSaved, User: "user-7", Item: "item-0042"}})
}

// Whether an undo is written as one or compensates at once depends on the region that is asked, and a retry may go to another one.
func TestContentHashOfAnUndoIsTheSameWhereverItIsAsked(t *testing.T) {
	at := id.Origin{Region: 2, Incarnation: 1}.At(7)
	here := ContentHash([]Proposed{{Kind: KindCompensate, Key: "k", Compensation: Compensation{Original: at}}})
	if there := ContentHash([]Proposed{{Kind: KindUndo, Key: "k", Undo: Undo{Original: at}}}); there != here {
		t.Errorf("%x where it was stamped, %x elsewhere", here, there)
	}
	if void := ContentHash([]Proposed{{Kind: KindUndo, Key: "k", Undo: Undo{Original: at, Void: true}}}); void == here {
		t.Error("that there is nothing to undo is no undo")
	}
}

// Hashes travel with the log and are compared for the length of the retry horizon, across versions of the program.
func TestContentHashGolden(t *testing.T) {
	got := ContentHash(samples())
	if want := uint64(0x7def13f5da79c1f5); got != want {
		t.Fatalf("the hash of the samples is %#x, was %#x: retries across an upgrade would be refused", got, want)
	}
}

func TestProposalsAreChecked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProposed(t)
		if err := p.Check(); err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
	})
	for name, p := range map[string]Proposed{
		"no kind":              {},
		"unknown kind":         {Kind: 200},
		"time without HasTime": {Kind: KindErase, Erase: Erase{User: "u"}, Time: 5},
		"time out of range":    {Kind: KindErase, Erase: Erase{User: "u"}, Time: MinTime - 1, HasTime: true},
		"long key":             {Kind: KindErase, Erase: Erase{User: "u"}, Key: string(make([]byte, MaxKey+1))},
		"compensated nothing":  {Kind: KindCompensate},
		"light signal":         {Kind: KindSignal, Signal: Signal{Item: "i"}},
	} {
		var in *fault.Input
		if err := p.Check(); !errors.As(err, &in) || in.Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := Proposed{Kind: KindCompensate, Compensation: Compensation{Original: id.Position{Seq: 4}}}
	if err := bare.Check(); err != nil {
		t.Errorf("a compensation is proposed by its position alone: %v", err)
	}
	m := sampleMeta(0)
	b := NewBuilder()
	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	if err := b.AddProposed(&m, &bare); !errors.Is(err, fault.ErrInput) {
		t.Errorf("a compensation is stamped with its effect: %v", err)
	}
	bare.Compensation.Signal = Signal{Item: "i", Weight: fixed.One}
	if err := b.AddProposed(&m, &bare); err != nil {
		t.Error(err)
	}
}
