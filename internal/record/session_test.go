package record

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/id"
)

func drawSession(t *rapid.T) *Session {
	s := &Session{
		What: SessionWhat(rapid.IntRange(1, 5).Draw(t, "what")), User: drawText(t, "user", 1, id.MaxLen), UserGen: drawGen(t),
		ID: drawText(t, "session", 1, MaxSession), Place: uint8(rapid.IntRange(0, SessionPlaces-1).Draw(t, "place")),
		Opened: rapid.Int64Range(1, MaxTime).Draw(t, "opened"),
	}
	taste := func() []byte {
		if text := drawText(t, "taste", 0, MaxTaste); text != "" {
			return []byte(text)
		}
		return nil
	}
	switch s.What {
	case SessionOpens:
		s.Agent, s.Policy = drawText(t, "agent", 0, MaxAgent), drawText(t, "policy", 0, MaxPolicy)
		s.Until, s.Idle = rapid.Int64Range(0, MaxTime).Draw(t, "until"), rapid.Int64Range(0, MaxTime).Draw(t, "idle")
		s.Taste = taste()
	case SessionWrites:
		next := uint16(0)
		for range rapid.IntRange(0, 4).Draw(t, "types") {
			next += uint16(rapid.IntRange(1, 300).Draw(t, "step"))
			s.Signals = append(s.Signals, SessionCount{next, uint32(rapid.IntRange(1, MaxRecords).Draw(t, "n"))})
		}
		s.Others, s.Refused = rapid.Uint64Range(0, MaxRecords).Draw(t, "others"), rapid.Uint64().Draw(t, "refused")
	case SessionNotes:
		s.Name, s.Text = drawText(t, "name", 1, MaxNoteName), drawText(t, "text", 0, MaxNote)
	case SessionSearches:
		s.Text = drawText(t, "query", 1, MaxNote)
		for range rapid.IntRange(0, 4).Draw(t, "results") {
			s.Results = append(s.Results, drawText(t, "result", 1, id.MaxLen))
		}
	case SessionCloses:
		s.At, s.Auto = rapid.Int64Range(1, MaxTime).Draw(t, "at"), rapid.Bool().Draw(t, "auto")
		s.Refused, s.Taste = rapid.Uint64().Draw(t, "refused"), taste()
	}
	return s
}

// A request that comes again was sent without knowing what the first one came to: its hash must be the same.
func TestContentHashOfASessionIgnoresPlaceTimesAndCounts(t *testing.T) {
	for _, p := range samplesOfLevel2()[:5] {
		before := ContentHash([]Proposed{p})
		s := *p.Session
		s.UserGen, s.Place, s.Opened, s.Until, s.Idle, s.At, s.Auto = 9, 7, 77, 777, 7777, 77777, !s.Auto
		s.Taste, s.Signals, s.Others, s.Refused = nil, nil, 8, 88
		if after := ContentHash([]Proposed{{Kind: KindSession, Session: &s}}); after != before {
			t.Errorf("%v: the hash went from %x to %x", s.What, before, after)
		}
		s.ID = "s-2"
		if after := ContentHash([]Proposed{{Kind: KindSession, Session: &s}}); after == before {
			t.Errorf("%v: another session has the same hash", s.What)
		}
	}
}

func TestSecretsArentPrinted(t *testing.T) {
	for _, p := range samplesOfLevel2() {
		data := build(t, headOfLevel2(), func(b *Builder) {
			m := sampleMeta(0)
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatal(err)
			}
		})
		var out strings.Builder
		if err := Dump(&out, data); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "secret that nothing") || strings.Contains(out.String(), "612073656372") {
			t.Errorf("the dump has the secret:\n%s", &out)
		}
	}
}

func TestLanesOfSessions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, session := drawText(t, "user", 1, id.MaxLen), drawText(t, "session", 1, MaxSession)
		lane := LaneOfSession(user, session, 5)
		if got, ok := SessionOfLane(lane); !ok || got != session || len(lane) > MaxProducer {
			t.Fatalf("%q (%d bytes) is the lane of %q, %v", lane, len(lane), got, ok)
		}
		if LaneOfSession(user+"x", session, 5) == lane || LaneOfSession(user, session, 6) == lane {
			t.Fatal("two sessions share a lane")
		}
	})
	for _, lane := range []string{
		"", "phone-17", "session/", "session/s", "session/0123456789abcdef", "session//0123456789abcdef",
		"session/s/0123456789abcdeF", "session/s-0123456789abcdef", "session/" + strings.Repeat("s", 65) + "/0123456789abcdef",
	} {
		if got, ok := SessionOfLane(lane); ok {
			t.Errorf("%q is the lane of session %q", lane, got)
		}
	}
}
