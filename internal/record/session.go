package record

import (
	"encoding/binary"
	"strconv"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Session is the body of [KindSession]: something happened in a session of a user, beside what the request's other
// records say. Which of the fields count depends on What; the others are zero.
type Session struct {
	What SessionWhat
	// User with its generation at stamping.
	User    string
	UserGen hlc.Timestamp
	// ID is the session's, 1 to [MaxSession] bytes.
	ID string
	// Place is where the session is kept, below [SessionPlaces], and Opened when it was opened, in Unix milliseconds.
	// Both are chosen at opening, and all of a session's records repeat them.
	Place  uint8
	Opened int64

	// Of [SessionOpens]: who acts and by which policy, either may be empty; when it ends at the latest, and after how
	// long without anything written, in milliseconds, 0 for never.
	Agent, Policy string
	Until, Idle   int64
	// Of [SessionOpens] and [SessionCloses]: what the user likes now, a vector's parts as signed bytes, or nothing.
	Taste []byte
	// Of [SessionWrites]: the signals of the request by type, ascending, none with 0; how many of its other records are
	// about items and creators.
	Signals []SessionCount
	Others  uint64
	// Of [SessionWrites] and [SessionCloses]: how many requests of the session the stamping group has refused so far.
	Refused uint64
	// Of [SessionNotes]: what the note is about, 1 to [MaxNoteName] bytes, and the note, at most [MaxNote] bytes. Of
	// [SessionSearches]: Text is the query, at most [MaxNote] bytes.
	Name, Text string
	// Results are the items that a search found, best first, at most [MaxResults].
	Results []string
	// Of [SessionCloses]: when, in Unix milliseconds, and whether for want of time.
	At   int64
	Auto bool
}

// SessionCount is how many signals of one type a request has.
type SessionCount struct {
	// Type is the index in the schema, as in [Signal].
	Type uint16
	N    uint32
}

// SessionWhat numbers what happens in sessions, for ever.
type SessionWhat uint8

// What happens in a session. SessionWrites stands at the end of each of its requests, so that what was written is counted
// together with what it counts.
const (
	SessionOpens    SessionWhat = 1
	SessionWrites   SessionWhat = 2
	SessionNotes    SessionWhat = 3
	SessionSearches SessionWhat = 4
	SessionCloses   SessionWhat = 5
)

func (w SessionWhat) String() string {
	switch w {
	case SessionOpens:
		return "opens"
	case SessionWrites:
		return "writes"
	case SessionNotes:
		return "notes"
	case SessionSearches:
		return "searches"
	case SessionCloses:
		return "closes"
	}
	return "session(" + strconv.Itoa(int(w)) + ")"
}

// Check refuses what can't be written.
func (s *Session) Check() error {
	if s.What < SessionOpens || s.What > SessionCloses {
		return fault.Refuse("session", "%d is none of opens, writes, notes, searches, closes", s.What)
	}
	if err := id.Check("user", s.User); err != nil {
		return err
	}
	if err := checkText("id", s.ID, MaxSession); err != nil {
		return err
	}
	switch {
	case s.Place >= SessionPlaces:
		return fault.Refuse("place", "is %d; a user has %d", s.Place, SessionPlaces)
	case s.Opened <= 0 || s.Opened > MaxTime:
		return fault.Refuse("opened", "%d ms is out of range", s.Opened)
	}
	switch s.What {
	case SessionOpens:
		return s.checkOpens()
	case SessionWrites:
		return s.checkWrites()
	case SessionNotes:
		if len(s.Text) > MaxNote {
			return fault.Refuse("text", "has %d bytes; at most %d are allowed", len(s.Text), MaxNote)
		}
		return checkText("name", s.Name, MaxNoteName)
	case SessionSearches:
		return s.checkSearches()
	}
	if s.At <= 0 || s.At > MaxTime {
		return fault.Refuse("at", "%d ms is out of range", s.At)
	}
	return s.checkTaste()
}

func (s *Session) checkOpens() error {
	switch {
	case len(s.Agent) > MaxAgent:
		return fault.Refuse("agent", "has %d bytes; at most %d are allowed", len(s.Agent), MaxAgent)
	case len(s.Policy) > MaxPolicy:
		return fault.Refuse("policy", "has %d bytes; at most %d are allowed", len(s.Policy), MaxPolicy)
	case s.Until < 0 || s.Until > MaxTime:
		return fault.Refuse("until", "%d ms is out of range", s.Until)
	case s.Idle < 0 || s.Idle > MaxTime:
		return fault.Refuse("idle", "%d ms is out of range", s.Idle)
	}
	return s.checkTaste()
}

func (s *Session) checkTaste() error {
	if len(s.Taste) > MaxTaste {
		return fault.Refuse("taste", "has %d parts; at most %d are allowed", len(s.Taste), MaxTaste)
	}
	return nil
}

func (s *Session) checkWrites() error {
	if len(s.Signals) > MaxRecords {
		return fault.Refuse("signals", "are of %d types", len(s.Signals))
	}
	for i, c := range s.Signals {
		switch {
		case c.N == 0 || c.N > MaxRecords:
			return fault.Refuse("signals", "has %d of type %d; a request has 1 to %d records", c.N, c.Type, MaxRecords)
		case i > 0 && s.Signals[i-1].Type >= c.Type:
			return fault.Refuse("signals", "has type %d behind %d; types rise", c.Type, s.Signals[i-1].Type)
		}
	}
	if s.Others > MaxRecords {
		return fault.Refuse("others", "is %d; a request has at most %d records", s.Others, MaxRecords)
	}
	return nil
}

func (s *Session) checkSearches() error {
	switch {
	case s.Text == "" || len(s.Text) > MaxNote:
		return checkText("query", s.Text, MaxNote)
	case len(s.Results) > MaxResults:
		return fault.Refuse("results", "has %d items; at most %d are allowed", len(s.Results), MaxResults)
	}
	for _, item := range s.Results {
		if err := id.Check("results", item); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) append(dst []byte) []byte {
	dst = append(dst, byte(s.What))
	dst = appendRef(dst, s.User, s.UserGen)
	dst = append(appendText(dst, s.ID), s.Place)
	dst = binary.AppendUvarint(dst, uint64(s.Opened))
	switch s.What {
	case SessionOpens:
		dst = appendText(appendText(dst, s.Agent), s.Policy)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(s.Until)), uint64(s.Idle))
		return append(dst, s.Taste...)
	case SessionWrites:
		dst = binary.AppendUvarint(dst, uint64(len(s.Signals)))
		for _, c := range s.Signals {
			dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(c.Type)), uint64(c.N))
		}
		return binary.AppendUvarint(binary.AppendUvarint(dst, s.Others), s.Refused)
	case SessionNotes:
		return append(appendText(dst, s.Name), s.Text...)
	case SessionSearches:
		dst = appendText(dst, s.Text)
		dst = binary.AppendUvarint(dst, uint64(len(s.Results)))
		for _, item := range s.Results {
			dst = appendText(dst, item)
		}
		return dst
	}
	dst = appendFlag(binary.AppendUvarint(dst, uint64(s.At)), s.Auto)
	return append(binary.AppendUvarint(dst, s.Refused), s.Taste...)
}

// content is what of s a client asks for. Place, times and counts aren't: they may be others when it asks again.
func (s *Session) content() Session {
	c := Session{What: s.What, User: s.User, ID: s.ID, Name: s.Name, Text: s.Text, Results: s.Results}
	if s.What == SessionOpens {
		c.Agent, c.Policy = s.Agent, s.Policy
	}
	return c
}

// DecodeSession reads the body of a [KindSession] record into s. Texts point into body.
func DecodeSession(body []byte, s *Session) error {
	c := cursor{b: body}
	*s = Session{What: SessionWhat(c.u8())}
	s.User, s.UserGen = c.ref("user")
	s.ID, s.Place = c.text("id"), c.u8()
	s.Opened = c.time("time of opening")
	switch s.What {
	case SessionOpens:
		s.Agent, s.Policy = c.text("agent"), c.text("policy")
		s.Until, s.Idle = c.time("time of the end"), c.time("idle time")
		s.Taste = c.some()
	case SessionWrites:
		for range c.atMost(MaxRecords, "number of types") {
			if c.err != nil {
				break
			}
			s.Signals = append(s.Signals, SessionCount{uint16(c.atMost(1<<16-1, "type")), uint32(c.atMost(MaxRecords, "number"))})
		}
		s.Others, s.Refused = c.atMost(MaxRecords, "number of others"), c.uvarint()
	case SessionNotes:
		s.Name, s.Text = c.text("name"), alias(c.rest())
	case SessionSearches:
		s.Text = c.text("query")
		for range c.atMost(MaxResults, "number of results") {
			if c.err != nil {
				break
			}
			s.Results = append(s.Results, c.text("result"))
		}
	case SessionCloses:
		s.At, s.Auto, s.Refused = c.time("time of the end"), c.flag("flag"), c.uvarint()
		s.Taste = c.some()
	}
	if err := c.end(); err != nil {
		return err
	}
	return asDamage(s.Check(), 0)
}

func (c *cursor) time(what string) int64 { return int64(c.atMost(MaxTime, what)) }

// some returns all that is left, nil for nothing.
func (c *cursor) some() []byte {
	if b := c.rest(); len(b) > 0 {
		return b
	}
	return nil
}
