package ship

// Cause says why something that came was refused. What is refused has no effect, not even in part.
type Cause uint8

// The causes.
const (
	// CauseGap: a batch skips events.
	CauseGap Cause = iota
	// CauseDamaged: a batch can't be read, or has another checksum than it says.
	CauseDamaged
	// CauseForked: a position is here with other contents, or within another batch.
	CauseForked
	// CauseForeign: the sender belongs to another database, or to a region that was removed.
	CauseForeign
	// CauseOrigin: a batch is of an origin that wasn't asked for, or that nobody knows.
	CauseOrigin
	// CauseFuture: somebody claims to have more of an origin than its region says there is.
	CauseFuture
	// CauseProtocol: more than the window takes, or what makes no sense.
	CauseProtocol
	// CauseTooNew: a newer program wrote it.
	CauseTooNew
	// CauseGone: what is wanted isn't held any more.
	CauseGone
	// CauseTwice: the sender's number belongs to a region of another name.
	CauseTwice
	causes
)

// String returns the cause as a word for logs and metrics.
func (c Cause) String() string {
	names := [causes]string{"gap", "damaged", "forked", "foreign", "origin", "future", "protocol", "too_new", "gone", "twice"}
	if c < causes {
		return names[c]
	}
	return "unknown"
}

// Event is something for the log that people read. There is one for each cause and peer until its text changes, and then no
// more than one in a while.
type Event struct {
	Peer  Peer
	Cause Cause
	Text  string
	// Count is how often the cause was met with that region.
	Count uint64
}

// told is what was last said of a cause.
type told struct {
	text string
	tick int
}

// refuse counts a cause, and says so once.
func (c *Core) refuse(r *region, p Peer, cause Cause, text string) {
	r.refused[cause]++
	t := &r.told[cause]
	if t.text == text || t.text != "" && c.tick-t.tick < c.cfg.Ticks.Silence {
		return
	}
	*t = told{text, c.tick}
	c.out.Events = append(c.out.Events, Event{p, cause, text, r.refused[cause]})
}

// event is refuse for whoever may have left the table.
func (c *Core) event(p Peer, cause Cause, text string) {
	if r := c.region(p.Region); r != nil {
		c.refuse(r, p, cause, text)
	}
}
