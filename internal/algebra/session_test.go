package algebra

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func sealingKeyKind() joinKind[SealingKey] {
	return joinKind[SealingKey]{
		update: func(rng *rand.Rand) SealingKey {
			k := SealingKey{Created: 1 + rng.Int64N(4)}
			if rng.IntN(3) > 0 {
				k.Secret = bytes.Repeat([]byte{byte(rng.IntN(3))}, secretSize)
			}
			return k
		},
		merge: SealingKey.Merge, encode: SealingKey.AppendBinary, decode: DecodeSealingKey,
	}
}

func TestSealingKeysAreJoins(t *testing.T) { testJoin(t, sealingKeyKind()) }

// randomSession is the effect of one event on a place for sessions: few keys, so that they meet.
func randomSession(rng *rand.Rand) Session {
	s := Session{SessionKey: SessionKey{Opened: 1000 + rng.Int64N(3), ID: string("ab"[rng.IntN(2)])}}
	taste := randomBytes(rng, 5)
	switch rng.IntN(6) {
	case 0:
		s.Begin = SessionBegin{
			Stamp: randomStamp(rng), Agent: string("xy"[rng.IntN(2)]), Policy: "p", Until: 5000 * rng.Int64N(2),
			Idle: 700 * rng.Int64N(2), Taste: taste,
		}
	case 1:
		s.End = SessionEnd{Stamp: randomStamp(rng), At: 1000 + rng.Int64N(9), Auto: rng.IntN(2) == 0, Taste: taste}
	case 2:
		s.Notes = 1
	case 3:
		s.Searches = 1
	default:
		for _, name := range []string{"like", "skip", "view"} {
			if n := rng.Int64N(3); n > 0 {
				s.Signals = append(s.Signals, SessionCount{name, n})
			}
		}
		s.Others = rng.Int64N(2)
		s.Refused = PNCounter{}.Add(id.Origin{Region: id.Region(rng.IntN(3))}, rng.Uint64N(5))
	}
	s.Last = rng.Int64N(3) * 100
	return s
}

// TestAPlaceHoldsItsHighestSession folds random events in many orders and groups, and compares with a fold that knows all
// of them at once: the events of the highest key and no other.
func TestAPlaceHoldsItsHighestSession(t *testing.T) {
	rng := dice(t)
	for range 2000 {
		events := make([]Session, 1+rng.IntN(12))
		for i := range events {
			events[i] = randomSession(rng)
		}
		want := slowSession(events)
		for range 4 {
			rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			cut := rng.IntN(len(events) + 1)
			got := foldSessions(events[:cut]).Merge(foldSessions(events[cut:]))
			if g := got.AppendBinary(nil); !bytes.Equal(g, want) {
				t.Fatalf("%+v\nfold to %x, want %x", events, g, want)
			}
			// What is left without the first part, added to the first part, is the whole again.
			rest := got.Minus(foldSessions(events[:cut]))
			if g := foldSessions(events[:cut]).Merge(rest).AppendBinary(nil); !bytes.Equal(g, want) {
				t.Fatalf("%+v\nwithout the first %d and with them: %x, want %x", events, cut, g, want)
			}
		}
	}
}

func foldSessions(events []Session) (out Session) {
	for _, e := range events {
		out = out.Merge(e)
	}
	return out
}

// slowSession counts in maps and sorts at the end.
func slowSession(events []Session) []byte {
	highest := slices.MaxFunc(events, func(a, b Session) int { return a.Compare(b.SessionKey) }).SessionKey
	out := Session{SessionKey: highest}
	counts, refused := map[string]int64{}, map[id.Origin]int64{}
	for _, e := range events {
		if e.SessionKey != highest {
			continue
		}
		out.Last = max(out.Last, e.Last)
		out.Others, out.Notes, out.Searches = out.Others+e.Others, out.Notes+e.Notes, out.Searches+e.Searches
		for _, c := range e.Signals {
			counts[c.Type] += c.N
		}
		for region := range id.Region(3) {
			o := id.Origin{Region: region}
			refused[o] = max(refused[o], int64(e.Refused.Added(o)))
		}
		if b := e.Begin; b.Stamp.Compare(out.Begin.Stamp) > 0 ||
			b.Stamp == out.Begin.Stamp && string(b.append(nil)) > string(out.Begin.append(nil)) {
			out.Begin = b
		}
		if x := e.End; !x.Stamp.IsZero() && (out.End.Stamp.IsZero() || x.Stamp.Compare(out.End.Stamp) < 0 ||
			x.Stamp == out.End.Stamp && string(x.append(nil)) < string(out.End.append(nil))) {
			out.End = x
		}
	}
	for _, name := range []string{"like", "skip", "view"} {
		if counts[name] != 0 {
			out.Signals = append(out.Signals, SessionCount{name, counts[name]})
		}
	}
	for o, n := range refused {
		out.Refused = out.Refused.Add(o, uint64(n))
	}
	return out.AppendBinary(nil)
}

func TestASessionIsDueWhenItsTimeIsUp(t *testing.T) {
	begun := SessionBegin{Stamp: Stamp{HLC: 1}}
	for _, c := range []struct {
		until, idle, last int64
		ended             bool
		want              int64 // 0: never
	}{
		{0, 0, 0, false, 0},
		{5000, 0, 9000, false, 5000},
		{0, 300, 0, false, 1300},
		{0, 300, 1200, false, 1500},
		{1400, 300, 1200, false, 1400},
		{5000, 300, 1200, false, 1500},
		{5000, 300, 1200, true, 0},
	} {
		s := Session{SessionKey: SessionKey{Opened: 1000, ID: "a"}, Begin: begun, Last: c.last}
		s.Begin.Until, s.Begin.Idle = c.until, c.idle
		if c.ended {
			s.End.Stamp = Stamp{HLC: 2}
		}
		if got, ok := s.Due(); got != c.want || ok != (c.want != 0) {
			t.Errorf("%+v: due at %d, %v", c, got, ok)
		}
	}
	if _, ok := (&Session{SessionKey: SessionKey{Opened: 1000, ID: "a"}}).Due(); ok {
		t.Error("a session of which the beginning isn't known is due")
	}
}

// FuzzSession holds the decoder to one encoding per value.
func FuzzSession(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 20 {
		f.Add(foldSessions([]Session{randomSession(rng), randomSession(rng), randomSession(rng)}).AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkDecoder(t, b, joinKind[Session]{
			// Merging with itself adds counts up; what is left without one of the two is one.
			merge:  func(a, b Session) Session { return a.Merge(b).Minus(b) },
			encode: Session.AppendBinary, decode: DecodeSession,
		})
	})
}

func goldenSessions(t *testing.T) (lines []string) {
	now := hlc.Make(1_700_000_000_123, 4)
	here := id.Origin{Region: 1, Shard: 300}
	whole := Session{
		SessionKey: SessionKey{Opened: 1_700_000_000_000, ID: "s-1"},
		Begin: SessionBegin{
			Stamp: Stamp{now, here}, Agent: "helper", Policy: "careful", Until: 1_700_000_060_000, Idle: 30_000,
			Taste: []byte{0x7f, 0x81, 0},
		},
		End:  SessionEnd{Stamp: Stamp{now + 9, here}, At: 1_700_000_030_000, Auto: true, Taste: []byte{1}},
		Last: 1_700_000_020_000, Signals: []SessionCount{{"like", 2}, {"view", 300}}, Others: 1, Notes: 2, Searches: 3,
		Refused: PNCounter{}.Add(here, 7),
	}
	for _, s := range []Session{
		{SessionKey: SessionKey{Opened: 1_700_000_000_000, ID: "s-1"}, Signals: []SessionCount{{"like", -1}}}, whole,
	} {
		b := s.AppendBinary(nil)
		if _, err := DecodeSession(b); err != nil {
			t.Error(err)
		}
		lines = append(lines, fmt.Sprintf("session: %x", b))
	}
	for _, k := range []SealingKey{{Created: 5, Secret: bytes.Repeat([]byte{0xab}, secretSize)}, {Created: 300}} {
		b := k.AppendBinary(nil)
		if _, err := DecodeSealingKey(b); err != nil {
			t.Error(err)
		}
		lines = append(lines, fmt.Sprintf("sealing key: %x", b))
	}
	return lines
}
