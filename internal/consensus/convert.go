package consensus

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/fault"
	pb "go.etcd.io/raft/v3/raftpb"
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
