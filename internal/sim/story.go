package sim

import (
	"fmt"
	"strings"
)

// happening is one line of a run's story, kept unformatted: most are never read.
type happening struct {
	at   int64  // simulated nanoseconds
	who  string // the machine; empty where there is one, or when it is nobody's
	what string
	a, b uint64
	note string
}

func (h happening) String() string {
	if h.who != "" {
		return fmt.Sprintf("%12.6fs %-4s %-10s %d %d %s", float64(h.at)/1e9, h.who, h.what, h.a, h.b, h.note)
	}
	return fmt.Sprintf("%12.6fs %-10s %d %d %s", float64(h.at)/1e9, h.what, h.a, h.b, h.note)
}

// story is what happened in a run: a hash over all of it, and the last lines.
type story struct {
	sum   uint64
	count uint64
	last  [96]happening
	whole *strings.Builder // everything, if asked for
}

// tell adds a line.
func (s *story) tell(h happening) {
	s.last[s.count%uint64(len(s.last))] = h
	s.count++
	s.mix(uint64(h.at))
	s.mix(h.a)
	s.mix(h.b)
	for _, text := range [...]string{h.who, h.what, h.note} {
		s.mix(uint64(len(text)))
		for i := range len(text) {
			s.mix(uint64(text[i]))
		}
	}
	if s.whole != nil {
		fmt.Fprintln(s.whole, h)
	}
}

// mix is one step of FNV-1a, over words.
func (s *story) mix(v uint64) { s.sum = (s.sum ^ v) * 0x100000001b3 }

// tail is the last lines, oldest first.
func (s *story) tail() []string {
	n := min(s.count, uint64(len(s.last)))
	out := make([]string, 0, n)
	for i := s.count - n; i < s.count; i++ {
		out = append(out, s.last[i%uint64(len(s.last))].String())
	}
	return out
}
