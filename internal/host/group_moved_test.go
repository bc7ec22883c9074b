package host_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
	"github.com/tidaldb/tidal/schema"
)

// lead waits until a member leads, to which the others hand over.
func (g *group) lead(m *host.Replica) {
	g.t.Helper()
	for n := 0; !m.Leading(); n++ {
		if n > 20 {
			g.t.Fatal(g.picture())
		}
		for _, x := range g.members {
			if x.Leading() {
				x.HandOver(g.t.Context())
			}
		}
		pass(time.Second)
	}
}

// A member comes back with a log of before the leader moved: it hears the leader, and finds out from others where that is, to answer.
func TestWhoIsBackAnswersALeaderThatHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := three(t)
		g.write("p", 1, "x")
		g.same()
		g.kill("c")
		g.write("p", 2, "x") // with the other two
		if g.members["b"].Leading() {
			g.lead(g.members["a"])
		}
		g.net.Isolate("b")
		pass(time.Second)
		g.kill("b")
		g.disks["moved"] = g.disks["b"]
		m := g.start("moved")
		pass(10 * time.Second)
		g.lead(m)
		c := g.start("c")
		g.write("p", 3, "x")
		pass(20 * time.Second)
		if !m.Leading() || total(t, c, "x") != 3 {
			t.Errorf("x counts %d\n%s", total(t, c, "x"), g.picture())
		}
		g.same()
	})
}

// So many members have moved that nobody leads: those who are where they were are told all the same.
func TestAMajorityThatMovedIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := three(t)
		g.write("p", 1, "x")
		g.same()
		for _, address := range []string{"c", "b"} {
			g.kill(address)
			g.disks["moved "+address] = g.disks[address]
		}
		g.start("moved b")
		g.start("moved c")
		g.write("p", 2, "x")
		g.same()
		s, err := g.leader().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g.await("all are where they are", func() bool {
			s, err = g.leader().Status(t.Context())
			return err == nil && len(s.Members) == 3 && s.Members[1].Address == "moved b" && s.Members[2].Address == "moved c"
		})
	})
}

// The only member of a group has moved, as one that was restored. Who joins reads a log in which that was elsewhere, and so long that it
// has to say in between what it has got.
func TestWhoJoinsALeaderThatHasMovedAnswersWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(t)
		g.tune = func(o *host.Options) { o.RangeBytes = -1 } // the log reaches back to where it was
		declared := testSchema()
		declared.Items.Fields = []schema.Field{{Name: "title", Type: schema.TypeKeyword}}
		if err := declared.Validate(); err != nil {
			t.Fatal(err)
		}
		g.foundBy("a", g.options("a"), declared)
		rng := rand.New(rand.NewPCG(seed(t), 1))
		for n := range 60 { // more than may be under way
			records := make([]record.Proposed, 4)
			for i := range records {
				text := make([]byte, 100_000) // that can't be compressed by much
				for k := range text {
					text[k] = ' ' + byte(rng.IntN(90))
				}
				long := schema.String(string(text)).Encode()
				records[i] = record.Proposed{Kind: record.KindPut, Entity: record.Entity{
					Kind: id.KindItem, ID: fmt.Sprint("item ", n, i), Fields: []record.Field{{Name: "title", Value: long}},
				}}
			}
			if _, err := g.members["a"].Write(t.Context(), &replica.Request{
				Schema: declared.Hash(), Records: records, Content: record.ContentHash(records),
			}); err != nil {
				t.Fatal(err)
			}
		}
		g.kill("a")
		g.disks["moved"] = g.disks["a"]
		g.start("moved")
		g.leader()
		g.start("b", "moved")
		g.voters(2)
		g.same()
	})
}
