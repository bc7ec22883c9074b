package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/transport/pair"
)

// Members are killed, cut off, started again, and hand over, in any order, while writers go on. In the end every request that
// was acknowledged counts once at every member, and so do those that were sent again afterwards.
func TestWhateverHappensToMembersEachRequestCountsOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed(t), 3))
	synctest.Test(t, func(t *testing.T) {
		g := three(t)
		g.net.SetAll(pair.Way{Delay: time.Millisecond, Jitter: 3 * time.Millisecond, Loss: 0.01, Duplicate: 0.01, Reorder: 0.05})
		var claims []claim
		for number := uint64(1); number <= 40; number++ {
			g.trouble(rng)
			c := claim{producer: "p", number: number, item: fmt.Sprint("item ", number), n: 1 + rng.IntN(3)}
			for range 1 + rng.IntN(3) {
				ok := g.try(rng, &c)
				c.acked = c.acked || ok
			}
			claims = append(claims, c)
		}
		g.net.SetAll(pair.Way{})
		for _, address := range []string{"a", "b", "c"} {
			if g.members[address] == nil {
				g.start(address)
			}
		}
		for i := range claims {
			g.await("everything is written", func() bool { return g.try(rng, &claims[i]) })
			claims[i].acked = true
		}
		g.same()
		for _, m := range g.members {
			verify(t, m, claims)
		}
	})
}

// trouble does something to the members, at times.
func (g *group) trouble(rng *rand.Rand) {
	address := []string{"a", "b", "c"}[rng.IntN(3)]
	m := g.members[address]
	switch rng.IntN(12) {
	case 0:
		if m != nil && len(g.members) == 3 {
			g.kill(address)
		}
	case 1:
		if m != nil && len(g.members) == 3 {
			g.close(address)
		}
	case 2, 3:
		if m == nil {
			g.start(address)
		}
	case 4:
		g.net.Isolate(address)
	case 5, 6:
		g.net.Rejoin(address)
	case 7:
		if m != nil {
			ctx, cancel := context.WithTimeout(g.t.Context(), 2*time.Second)
			_ = m.Transfer(ctx, 0) // there may be nobody to take over
			cancel()
		}
	case 8:
		pass(time.Duration(rng.IntN(2000)) * time.Millisecond)
	}
}

// try writes a request through some member, and reports whether it was acknowledged.
func (g *group) try(rng *rand.Rand, c *claim) bool {
	address := []string{"a", "b", "c"}[rng.IntN(3)]
	m := g.members[address]
	if m == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), 3*time.Second)
	defer cancel()
	receipt, err := write(ctx, m, c.producer, c.number, c.item, c.n)
	switch {
	case err == nil && receipt.Count != c.n:
		g.t.Errorf("%v: %+v", c, receipt)
	case err != nil && !errors.Is(err, fault.ErrNotLeader) && !errors.Is(err, fault.ErrUnknown) && !errors.Is(err, context.DeadlineExceeded):
		g.t.Fatalf("%v at %s: %v\n%s", c, address, err, g.picture())
	}
	return err == nil
}
