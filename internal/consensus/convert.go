package consensus

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	"go.etcd.io/raft/v3/confchange"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// The first byte of a configuration entry's data tells Raft's two encodings of a change apart; the rest is Raft's.
const (
	changeV1 = 1
	changeV2 = 2
)

func fromRaft(entries []*pb.Entry) []Entry {
	out := make([]Entry, len(entries))
	for i, e := range entries {
		out[i] = Entry{Kind: Batch, Term: e.GetTerm(), Index: e.GetIndex(), Data: e.GetData()}
		switch {
		case e.GetType() == pb.EntryConfChange:
			out[i].Kind, out[i].Data = Configuration, append([]byte{changeV1}, e.GetData()...)
		case e.GetType() == pb.EntryConfChangeV2:
			out[i].Kind, out[i].Data = Configuration, append([]byte{changeV2}, e.GetData()...)
		case len(e.GetData()) == 0:
			out[i].Kind = Empty
		}
	}
	return out
}

func toRaft(e Entry) (*pb.Entry, error) {
	out := &pb.Entry{Type: pb.EntryNormal.Enum(), Term: new(e.Term), Index: new(e.Index), Data: e.Data}
	if e.Kind == Configuration {
		if len(e.Data) == 0 || e.Data[0] != changeV1 && e.Data[0] != changeV2 {
			return nil, fault.Damaged("", 0, "entry %d: unknown form of configuration change", e.Index)
		}
		out.Type = pb.EntryConfChange.Enum()
		if e.Data[0] == changeV2 {
			out.Type = pb.EntryConfChangeV2.Enum()
		}
		out.Data = e.Data[1:]
	}
	return out, nil
}

func decodeChange(e *pb.Entry) (pb.ConfChangeI, error) {
	var v1 pb.ConfChange
	var v2 pb.ConfChangeV2
	if e.GetType() == pb.EntryConfChange {
		if err := proto.Unmarshal(e.GetData(), &v1); err != nil {
			return nil, fault.Damaged("", 0, "entry %d: configuration change: %v", e.GetIndex(), err)
		}
		return &v1, nil
	}
	if err := proto.Unmarshal(e.GetData(), &v2); err != nil {
		return nil, fault.Damaged("", 0, "entry %d: configuration change: %v", e.GetIndex(), err)
	}
	if _, known := pb.ConfChangeTransition_name[int32(v2.GetTransition())]; !known {
		return nil, fault.Damaged("", 0, "entry %d: configuration change: unknown transition %d",
			e.GetIndex(), v2.GetTransition())
	}
	return &v2, nil
}

// Members is the configuration of a group. The zero value is an empty one.
type Members struct{ conf *pb.ConfState }

func (m Members) state() *pb.ConfState {
	if m.conf == nil {
		return &pb.ConfState{}
	}
	return m.conf
}

// Voters returns the replicas that vote, in order.
func (m Members) Voters() []uint64 { return m.state().GetVoters() }

// AppendBinary appends Raft's encoding of the configuration, the same for equal ones.
func (m Members) AppendBinary(dst []byte) []byte {
	dst, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m.state())
	if err != nil {
		panic(fmt.Sprintf("consensus: encode configuration: %v", err)) // it holds numbers
	}
	return dst
}

// DecodeMembers reads what [Members.AppendBinary] wrote.
func DecodeMembers(b []byte) (Members, error) {
	conf := &pb.ConfState{}
	if err := proto.Unmarshal(b, conf); err != nil {
		return Members{}, fault.Damaged("", 0, "configuration: %v", err)
	}
	return Members{conf}, nil
}

// After returns the configuration that a configuration entry leads to. It is how a replica that replays its log
// learns its group without asking Raft. Entries of other kinds leave the configuration as it is.
func (m Members) After(e Entry) (Members, error) {
	if e.Kind != Configuration {
		return m, nil
	}
	raw, err := toRaft(e)
	if err != nil {
		return m, err
	}
	decoded, err := decodeChange(raw)
	if err != nil {
		return m, err
	}
	trk := tracker.MakeProgressTracker(1, 0)
	changer := confchange.Changer{Tracker: trk, LastIndex: e.Index}
	if trk.Config, trk.Progress, err = confchange.Restore(changer, m.state()); err != nil {
		return m, fmt.Errorf("entry %d: restore configuration: %w", e.Index, err)
	}
	changer.Tracker = trk
	change := decoded.AsV2()
	cfg, progress, err := func() (tracker.Config, tracker.ProgressMap, error) {
		if change.LeaveJoint() {
			return changer.LeaveJoint()
		}
		if auto, ok := change.EnterJoint(); ok {
			return changer.EnterJoint(auto, change.Changes...)
		}
		return changer.Simple(change.Changes...)
	}()
	if err != nil {
		return m, fmt.Errorf("entry %d: apply configuration change: %w", e.Index, err)
	}
	trk.Config, trk.Progress = cfg, progress
	return Members{trk.ConfState()}, nil
}

// silent swallows Raft's own log lines: what it does is seen in lifecycle records. Its panics stay panics.
type silent struct{}

func (silent) Debug(...any)            {}
func (silent) Debugf(string, ...any)   {}
func (silent) Info(...any)             {}
func (silent) Infof(string, ...any)    {}
func (silent) Warning(...any)          {}
func (silent) Warningf(string, ...any) {}
func (silent) Error(...any)            {}
func (silent) Errorf(string, ...any)   {}
func (silent) Fatal(v ...any)          { panic(fmt.Sprint(v...)) }
func (silent) Fatalf(f string, v ...any) {
	panic(fmt.Sprintf(f, v...))
}
func (silent) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
