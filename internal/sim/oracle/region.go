package oracle

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/sim/workload"
)

// takenBack are the ways in which one position was taken back, or was asked to be.
type takenBack struct{ all []algebra.Undone }

func newTakenBack() *takenBack { return &takenBack{} }

// fold returns the byte of the strongest: what was subtracted, then that there was nothing, then that somebody asked.
func (w *takenBack) fold(Rules) (any, error) {
	return []byte{byte(slices.Min(w.all))}, nil
}

// takeBack files what became of a position.
func (s *State) takeBack(p id.Position, how algebra.Undone) {
	owner := binary.BigEndian.AppendUint64(nil, p.Origin().Packed())
	owner = binary.BigEndian.AppendUint64(owner, uint64(p.Seq>>10))
	sub := binary.BigEndian.AppendUint16(nil, uint16(p.Seq&1023))
	w := at(s, s.owner(0, string(owner)), algebra.KindUndone, newTakenBack, string(sub))
	w.all = append(w.all, how)
}

func (s *State) undo(u *record.Undo) {
	if u.Void {
		s.takeBack(u.Original, 3)
	} else {
		s.takeBack(u.Original, 4)
	}
}

// register is what a register of the region table should hold: who wrote it last, and what.
type register struct {
	stamp algebra.Stamp
	body  record.Proposed
}

// registerWrites are all writes of one register.
type registerWrites struct{ all []register }

func newRegisterWrites() *registerWrites { return &registerWrites{} }

// fold returns the last write, by stamp and then by origin.
func (w *registerWrites) fold(Rules) (any, error) {
	return slices.MaxFunc(w.all, func(a, b register) int {
		if a.stamp.HLC != b.stamp.HLC {
			return int(min(1, max(-1, int64(a.stamp.HLC-b.stamp.HLC))))
		}
		return a.stamp.Origin.Compare(b.stamp.Origin)
	}), nil
}

// region files a write of the region table.
func (s *State) region(e *workload.Event) {
	b := &e.Body
	sub := "h"
	switch b.Kind {
	case record.KindRegion:
		sub = "r" + string(binary.BigEndian.AppendUint16(nil, uint16(b.Region.Number)))
	case record.KindEndpoints:
		sub = "e" + string(binary.BigEndian.AppendUint16(nil, uint16(b.Endpoints.Number)))
	}
	w := at(s, s.owner(0, "regions"), algebra.KindRegister, newRegisterWrites, sub)
	w.all = append(w.all, register{algebra.Stamp{HLC: e.Stamp(), Origin: e.Position.Origin()}, *b})
}

// compareRegister decodes what a register holds, and compares that.
func compareRegister(want register, value []byte) error {
	got, err := algebra.DecodeLWWRegister(value)
	if err != nil {
		return err
	}
	var body record.Proposed
	if err := body.DecodeBody(want.body.Kind, got.Value); err != nil {
		return err
	}
	if !got.Set || got.Stamp != want.stamp {
		return fmt.Errorf("was written at %+v, want %+v", got.Stamp, want.stamp)
	}
	text := func(p *record.Proposed) string { return fmt.Sprintf("%+v %+v %+v", p.Region, p.Endpoints, p.Home) }
	if g, w := text(&body), text(&want.body); g != w {
		return fmt.Errorf("holds %s, want %s", g, w)
	}
	return nil
}
