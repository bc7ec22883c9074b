package algebra

import "encoding/binary"

// The bits of an encoded session: which parts follow its key.
const (
	sessionBegin = 1 << iota
	sessionEnd
	sessionLast
	sessionSignals
	sessionOthers
	sessionNotes
	sessionSearches
	sessionRefused
)

// maxSessionTime bounds times in sessions, in milliseconds: far beyond any calendar, and sums of two stay within an int64.
const maxSessionTime = 1 << 53

// AppendBinary appends the canonical encoding: nothing for the zero value; else the id, the time of opening, a byte that
// says which parts there are, and these.
func (s Session) AppendBinary(dst []byte) []byte {
	if s.IsZero() {
		return dst
	}
	dst = appendText(dst, s.ID)
	dst = binary.AppendUvarint(dst, uint64(s.Opened))
	dst = append(dst, s.parts())
	if !s.Begin.Stamp.IsZero() {
		dst = s.Begin.append(dst)
	}
	if !s.End.Stamp.IsZero() {
		dst = s.End.append(dst)
	}
	if s.Last != 0 {
		dst = binary.AppendUvarint(dst, uint64(s.Last))
	}
	if len(s.Signals) > 0 {
		dst = binary.AppendUvarint(dst, uint64(len(s.Signals)))
		for _, c := range s.Signals {
			dst = binary.AppendUvarint(appendText(dst, c.Type), zigzag(c.N))
		}
	}
	for _, n := range []int64{s.Others, s.Notes, s.Searches} {
		if n != 0 {
			dst = binary.AppendUvarint(dst, zigzag(n))
		}
	}
	return s.Refused.AppendBinary(dst) // to the end
}

func (s *Session) parts() byte {
	var parts byte
	for i, there := range []bool{
		!s.Begin.Stamp.IsZero(), !s.End.Stamp.IsZero(), s.Last != 0, len(s.Signals) > 0, s.Others != 0, s.Notes != 0,
		s.Searches != 0, !s.Refused.IsZero(),
	} {
		if there {
			parts |= 1 << i
		}
	}
	return parts
}

func (b *SessionBegin) append(dst []byte) []byte {
	dst = b.Stamp.AppendBinary(dst)
	dst = appendText(appendText(dst, b.Agent), b.Policy)
	dst = binary.AppendUvarint(dst, uint64(b.Until))
	dst = binary.AppendUvarint(dst, uint64(b.Idle))
	return appendText(dst, string(b.Taste))
}

func (e *SessionEnd) append(dst []byte) []byte {
	dst = e.Stamp.AppendBinary(dst)
	auto := byte(0)
	if e.Auto {
		auto = 1
	}
	dst = append(binary.AppendUvarint(dst, uint64(e.At)), auto)
	return appendText(dst, string(e.Taste))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// DecodeSession reads what AppendBinary wrote, all of b. Vectors alias b; texts don't.
func DecodeSession(b []byte) (Session, error) {
	if len(b) == 0 {
		return Session{}, nil
	}
	c := cursor{b: b}
	var s Session
	s.ID = string(c.text("id", 1, MaxSessionID))
	s.Opened = c.sessionTime("time of opening")
	parts := c.byte("parts", 255)
	if parts&sessionBegin != 0 {
		s.Begin = c.sessionBegin()
	}
	if parts&sessionEnd != 0 {
		s.End = c.sessionEnd()
	}
	if parts&sessionLast != 0 {
		s.Last = c.sessionTime("latest time")
	}
	if parts&sessionSignals != 0 {
		s.Signals = c.sessionCounts()
	}
	if parts&sessionOthers != 0 {
		s.Others = c.varint("number of others")
	}
	if parts&sessionNotes != 0 {
		s.Notes = c.varint("number of notes")
	}
	if parts&sessionSearches != 0 {
		s.Searches = c.varint("number of searches")
	}
	if parts&sessionRefused != 0 && c.err == nil {
		var err error
		if s.Refused, err = DecodePNCounter(c.rest()); err != nil {
			return Session{}, err
		}
		c.off = len(c.b)
	}
	if c.err == nil && s.parts() != parts {
		c.fail("parts %08b are there and %08b announced", s.parts(), parts)
	}
	if err := c.end(); err != nil {
		return Session{}, err
	}
	return s, nil
}

// sessionTime reads a time above 0.
func (c *cursor) sessionTime(what string) int64 {
	t := int64(c.uvarint(what, maxSessionTime))
	if c.err == nil && t == 0 {
		c.fail("%s is 0", what)
	}
	return t
}

func (c *cursor) sessionBegin() SessionBegin {
	return SessionBegin{
		Stamp:  c.stamp(),
		Agent:  string(c.text("agent", 0, MaxSessionAgent)),
		Policy: string(c.text("policy", 0, MaxSessionPolicy)),
		Until:  int64(c.uvarint("time of the end", maxSessionTime)),
		Idle:   int64(c.uvarint("idle time", maxSessionTime)),
		Taste:  c.text("taste", 0, MaxSessionTaste),
	}
}

func (c *cursor) sessionEnd() SessionEnd {
	return SessionEnd{
		Stamp: c.stamp(),
		At:    int64(c.uvarint("time of the end", maxSessionTime)),
		Auto:  c.byte("flag", 1) == 1,
		Taste: c.text("taste", 0, MaxSessionTaste),
	}
}

func (c *cursor) sessionCounts() []SessionCount {
	n := c.uvarint("number of types", uint64(len(c.b)))
	if c.err != nil {
		return nil
	}
	out := make([]SessionCount, 0, n)
	for range n {
		x := SessionCount{Type: string(c.text("type", 1, maxType)), N: c.varint("number")}
		switch {
		case c.err != nil:
			return nil
		case x.N == 0:
			c.fail("nothing of type %q is counted", x.Type)
		case len(out) > 0 && out[len(out)-1].Type >= x.Type:
			c.fail("type %q doesn't rise", x.Type)
		}
		out = append(out, x)
	}
	return out
}
