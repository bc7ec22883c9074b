package replica_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/replica"
)

// TestCourierScripts runs stories of one courier, replica 1: each line is what comes in (who, entry, chunk), and below it
// stands what the courier wants done. -rewrite writes the pictures anew.
//
//	leads N…, follows, commit N, has N, match N ENTRY, removed N, tick [n]      what its replica knows of itself
//	wanted N ENTRY                                                             a member needs a snapshot
//	opened, read, begun, added, prepared N ENTRY [CHUNK] [last|damaged|foreign|gone]  work that is done
//	offer, pull, chunk, held, refused, gone N ENTRY [CHUNK]                     packets
//	installed                                                                  by the driver
func TestCourierScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/courier", func(t *testing.T, path string) {
		c := &courierTale{x: replica.NewCourier(1, 4), match: map[uint64]uint64{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				line = strings.TrimSpace(line)
				fmt.Fprintln(&out, line)
				if err := c.do(strings.Fields(line)); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				c.show(&out)
			}
			return out.String()
		})
	})
}

// courierTale is a courier, and what its replica says of itself.
type courierTale struct {
	x      *replica.Courier
	leads  bool
	commit uint64
	has    uint64 // an entry of term 1 that the log has
	match  map[uint64]uint64
	state  string
}

func (c *courierTale) known() replica.Known {
	return replica.Known{Commit: c.commit, Has: func(index, term uint64) bool { return index == c.has && term == 1 }}
}

// do takes one line: what comes in, from whom, and numbers.
func (c *courierTale) do(words []string) error {
	n := make([]uint64, 4)
	for i, w := range words[1:] {
		v, err := strconv.ParseUint(w, 10, 64)
		if err != nil {
			continue
		}
		n[i] = v
	}
	at := func(index uint64) replica.Instant { return replica.Instant{Index: index, Term: 1} }
	packet := func(kind replica.PacketKind, s replica.Snap) {
		c.x.Receive(replica.Packet{To: 1, From: n[0], Kind: kind, Snap: &s}, c.known())
	}
	work := func(kind replica.SnapTask, w replica.SnapWork) {
		w.Kind, w.Peer = kind, n[0]
		r := replica.SnapResult{SnapWork: w}
		switch words[len(words)-1] {
		case "last":
			r.Last = true
		case "damaged":
			r.Err = fault.Damaged("", 0, "it is")
		case "foreign":
			r.Err = fault.ErrForeign
		case "gone":
			r.Err = fault.ErrNotFound
		}
		c.x.Done(r)
	}
	switch words[0] {
	case "leads":
		c.leads, c.state = true, "snapshot"
		for _, m := range n {
			if m > 0 {
				c.match[m] = 0
			}
		}
	case "follows":
		c.leads = false
	case "commit":
		c.commit = n[0]
	case "has":
		c.has = n[0]
	case "match":
		c.match[n[0]], c.state = n[1], "replicate"
	case "removed":
		delete(c.match, n[0])
	case "tick":
		for range max(n[0], 1) {
			c.tick()
		}
	case "wanted":
		c.x.Wanted(n[0], n[1])
	case "opened":
		work(replica.SnapOpen, replica.SnapWork{Instant: at(n[1])})
	case "read":
		work(replica.SnapRead, replica.SnapWork{Instant: at(n[1]), Progress: replica.SnapProgress{Chunks: n[2]}, Chunk: []byte("x")})
	case "begun":
		work(replica.SnapBegin, replica.SnapWork{Instant: at(n[1])})
	case "added":
		work(replica.SnapAdd, replica.SnapWork{Instant: at(n[1]), Progress: replica.SnapProgress{Chunks: n[2]}})
	case "prepared":
		work(replica.SnapPrepare, replica.SnapWork{Instant: at(n[1])})
	case "installed":
		c.x.Installed()
	case "offer":
		packet(replica.PacketSnapOffer, replica.Snap{Instant: at(n[1])})
	case "pull":
		packet(replica.PacketSnapPull, replica.Snap{Instant: at(n[1]), Progress: replica.SnapProgress{Chunks: n[2]}})
	case "chunk":
		packet(replica.PacketSnapChunk, replica.Snap{Instant: at(n[1]), Progress: replica.SnapProgress{Chunks: n[2]}, Chunk: []byte("x")})
	case "held":
		packet(replica.PacketSnapDone, replica.Snap{Instant: at(n[1]), Outcome: replica.SnapHeld})
	case "refused":
		packet(replica.PacketSnapDone, replica.Snap{Instant: at(n[1]), Outcome: replica.SnapRefused, Reason: "why"})
	case "gone":
		packet(replica.PacketSnapDone, replica.Snap{Instant: at(n[1]), Outcome: replica.SnapGone})
	default:
		return fmt.Errorf("unknown word %q", words[0])
	}
	return nil
}

func (c *courierTale) tick() {
	s := &consensus.Status{Commit: c.commit}
	s.Leader = c.leads
	for number := uint64(1); number < 10; number++ {
		if m, ok := c.match[number]; ok {
			s.Peers = append(s.Peers, consensus.PeerStatus{Number: number, Match: m, State: c.state})
		}
	}
	c.x.Tick(s, c.known())
}

// show prints what the courier wants done, and how it stands.
func (c *courierTale) show(out *strings.Builder) {
	e := c.x.Take()
	names := []string{"", "open", "read", "close", "begin", "add", "prepare", "abort"}
	for _, w := range e.Work {
		fmt.Fprintf(out, "  do %s for %d", names[w.Kind], w.Peer)
		if w.Instant.Index > 0 {
			fmt.Fprintf(out, ", entry %d", w.Instant.Index)
		}
		if w.Kind == replica.SnapRead {
			fmt.Fprintf(out, ", behind chunk %d", w.Progress.Chunks)
		}
		fmt.Fprintln(out)
	}
	for _, p := range e.Send {
		fmt.Fprintf(out, "  send %v to %d, entry %d", p.Kind, p.To, p.Snap.Instant.Index)
		switch p.Kind {
		case replica.PacketSnapPull, replica.PacketSnapChunk:
			fmt.Fprintf(out, ", behind chunk %d", p.Snap.Progress.Chunks)
		case replica.PacketSnapDone:
			fmt.Fprintf(out, ", outcome %d %s", p.Snap.Outcome, p.Snap.Reason)
		case replica.PacketRaft, replica.PacketSnapOffer:
		}
		fmt.Fprintln(out)
	}
	for _, r := range e.Reports {
		fmt.Fprintf(out, "  report %d: %v\n", r.To, r.OK)
	}
	if keep := c.x.Keep(); keep > 0 {
		fmt.Fprintf(out, "  (keeps the log from entry %d)\n", keep)
	}
	if from, at, ok := c.x.Ready(); ok {
		fmt.Fprintf(out, "  (ready: entry %d from %d)\n", at.Index, from)
	}
}
