package record

import (
	"encoding/binary"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// Signal is the body of [KindSignal]: one typed, weighted event.
type Signal struct {
	// Type is the index of the signal's type in the batch's schema.
	Type uint16
	// Weight is the weight as the client gave it: 1 to [fixed.MaxWeight].
	Weight fixed.Weight
	// Item is what the event is about, ItemGen its generation at stamping; 0 if it was never deleted.
	Item    string
	ItemGen hlc.Timestamp
	// User is whose event it is, empty for nobody's; UserGen is the user's generation at stamping.
	User    string
	UserGen hlc.Timestamp
	// Creator is the item's creator as resolved before stamping; empty means no effect on a creator, for ever.
	Creator string
	// Cohorts are the cohorts that the event counts for, as resolved at stamping: at most [MaxCohorts], sorted, each
	// once, 1 to [MaxCohort] bytes.
	Cohorts []string
	// Ref is the feed reference that the client echoes, at most [MaxRef] bytes; empty for none.
	Ref string
}

const (
	signalUser = 1 << iota
	signalCreator
	signalCohorts
	signalRef
	signalKnown = 1<<iota - 1
)

// Check refuses a signal that can't be written.
func (s *Signal) Check() error {
	if s.Weight < 1 || s.Weight > fixed.MaxWeight {
		return fault.Refuse("weight", "is %d/2^24; it lies above 0 and at most at %d",
			int64(s.Weight), fixed.MaxWeight/fixed.One)
	}
	if err := id.Check("item", s.Item); err != nil {
		return err
	}
	if err := checkOptional("user", s.User, s.UserGen); err != nil {
		return err
	}
	if err := checkOptional("creator", s.Creator, 0); err != nil {
		return err
	}
	if len(s.Ref) > MaxRef {
		return checkText("ref", s.Ref, MaxRef)
	}
	return checkCohorts(s.Cohorts)
}

func checkCohorts(cohorts []string) error {
	if len(cohorts) > MaxCohorts {
		return fault.Refuse("cohorts", "has %d names; a signal counts for at most %d cohorts", len(cohorts), MaxCohorts)
	}
	for i, name := range cohorts {
		if err := checkText("cohorts", name, MaxCohort); err != nil {
			return err
		}
		if i > 0 && cohorts[i-1] >= name {
			return fault.Refuse("cohorts", "has %q behind %q; names are sorted, each once", name, cohorts[i-1])
		}
	}
	return nil
}

// presence says which of the optional parts are there.
func (s *Signal) presence() byte {
	var flags byte
	if s.User != "" {
		flags |= signalUser
	}
	if s.Creator != "" {
		flags |= signalCreator
	}
	if len(s.Cohorts) > 0 {
		flags |= signalCohorts
	}
	if s.Ref != "" {
		flags |= signalRef
	}
	return flags
}

func (s *Signal) append(dst []byte) []byte {
	dst = append(dst, s.presence())
	dst = binary.AppendUvarint(dst, uint64(s.Type))
	dst = binary.AppendUvarint(dst, uint64(s.Weight))
	dst = appendRef(dst, s.Item, s.ItemGen)
	if s.User != "" {
		dst = appendRef(dst, s.User, s.UserGen)
	}
	if s.Creator != "" {
		dst = appendText(dst, s.Creator)
	}
	if len(s.Cohorts) > 0 {
		dst = append(dst, byte(len(s.Cohorts)))
		for _, name := range s.Cohorts {
			dst = appendText(dst, name)
		}
	}
	if s.Ref != "" {
		dst = appendText(dst, s.Ref)
	}
	return dst
}

// DecodeSignal reads the body of a [KindSignal] record into s. It reuses the array of s.Cohorts; the strings point
// into body.
func DecodeSignal(body []byte, s *Signal) error {
	c := cursor{b: body}
	*s = Signal{Cohorts: s.Cohorts[:0]}
	flags := c.u8()
	if flags&^signalKnown != 0 {
		c.fail("signal has unknown flags %#x", flags)
	}
	s.Type = uint16(c.atMost(1<<16-1, "type"))
	s.Weight = fixed.Weight(c.atMost(uint64(fixed.MaxWeight), "weight"))
	s.Item, s.ItemGen = c.ref("item")
	if flags&signalUser != 0 {
		s.User, s.UserGen = c.ref("user")
	}
	if flags&signalCreator != 0 {
		s.Creator = c.text("creator")
	}
	if flags&signalCohorts != 0 {
		n := c.u8()
		if n == 0 || n > MaxCohorts {
			c.fail("signal has %d cohorts", n)
			n = 0
		}
		for range n {
			s.Cohorts = append(s.Cohorts, c.text("cohort"))
		}
	}
	if flags&signalRef != 0 {
		s.Ref = c.text("ref")
	}
	if err := c.end(); err != nil {
		return err
	}
	if flags != s.presence() {
		return fault.Damaged("", 0, "signal has flags %#x for other parts", flags)
	}
	if err := s.Check(); err != nil {
		return asDamage(err, 0)
	}
	return nil
}
