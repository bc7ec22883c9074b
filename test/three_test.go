package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/fleet"
	"github.com/tidaldb/tidal/internal/stall"
	"github.com/tidaldb/tidal/internal/testseed"
)

// trial is three servers under load: clients that try until they are answered, and some that give up soon and so don't
// know what became of what they sent.
type trial struct {
	*testing.T
	ctx     context.Context
	f       *fleet.Fleet
	patient *fleet.Load
	hasty   *fleet.Load
}

func newTrial(t *testing.T, length time.Duration, o fleet.Options) *trial {
	t.Helper()
	ctx := within(t, length)
	o.Nodes = 3
	f := started(ctx, t, o)
	return &trial{
		T: t, ctx: ctx, f: f,
		patient: loaded(ctx, t, f, fleet.LoadOptions{Writers: 6, Pause: time.Millisecond, Attempt: time.Second}),
		hasty: loaded(ctx, t, f, fleet.LoadOptions{
			Writers: 2, Pause: 5 * time.Millisecond, Attempt: 100 * time.Millisecond, GiveUp: 200 * time.Millisecond,
		}),
	}
}

// leader returns who leads, and the other two.
func (x *trial) leader() (leader *fleet.Node, others []*fleet.Node) {
	x.Helper()
	leader, err := x.f.Leader(x.ctx)
	good(x.T, err)
	return leader, x.f.Others(leader)
}

// served returns once every patient client was answered again, and says how long that took.
func (x *trial) served(what string) {
	x.Helper()
	good(x.T, x.patient.Progress(x.ctx, 3))
	gap := x.patient.Gap()
	x.Logf("%s: a client waited %v, nobody was answered for %v", what, gap.Client.Round(time.Millisecond), gap.Any.Round(time.Millisecond))
	x.patient.Measure()
}

// whole returns once all three are voters again.
func (x *trial) whole() {
	x.Helper()
	good(x.T, x.f.Whole(x.ctx))
}

// settle ends the load and compares, also with what other loads have left behind.
func (x *trial) settle(others ...*fleet.Ledger) {
	x.Helper()
	x.whole()
	compared(x.ctx, x.T, x.f, append(others, stopped(x.ctx, x.T, x.patient), stopped(x.ctx, x.T, x.hasty))...)
}

// times is how often something is done: few times with -short, many with -long.
func times(short, usual, many int) int {
	switch {
	case *long:
		return many
	case testing.Short():
		return short
	}
	return usual
}

// Whoever is killed, and all three at once, nothing that was acknowledged is lost and nothing counts twice.
func TestServersThatAreKilled(t *testing.T) {
	rng := rand.New(rand.NewPCG(testseed.Of(t), 1))
	n := times(1, 2, 30)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*10*time.Second, fleet.Options{})
	for range n {
		leader, _ := x.leader()
		good(t, leader.Kill())
		x.served("the leader is killed")
		good(t, leader.Start(x.ctx))
		x.whole()

		_, others := x.leader()
		follower := others[rng.IntN(2)]
		good(t, follower.Kill())
		x.served("a follower is killed")
		good(t, follower.Start(x.ctx))
		x.whole()

		good(t, x.f.KillAll())
		good(t, x.f.StartAll(x.ctx))
		x.served("all three are killed")
	}
	x.settle()
}

// A leader that stands still for longer than an election wakes up deposed.
func TestServersThatStandStill(t *testing.T) {
	n := times(1, 2, 30)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*10*time.Second, fleet.Options{})
	for range n {
		leader, _ := x.leader()
		good(t, leader.Pause())
		x.served("the leader stands still")
		good(t, leader.Continue())
		x.whole()

		_, others := x.leader()
		good(t, others[0].Pause())
		x.served("a follower stands still")
		good(t, others[0].Continue())
		x.whole()
	}
	x.settle()
}

// Servers are restarted one after the other, as for an upgrade, the leader last, and no client is refused.
func TestARollingRestart(t *testing.T) {
	n := times(1, 1, 20)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*15*time.Second, fleet.Options{})
	careful := loaded(x.ctx, t, x.f, fleet.LoadOptions{Writers: 4, GiveUp: 30 * time.Second})
	for range n {
		leader, others := x.leader()
		for _, node := range append(others, leader) {
			good(t, node.Stop(x.ctx))
			good(t, node.Start(x.ctx))
			x.whole()
		}
		x.served("all three were restarted in turn")
	}
	ledger, err := careful.Stop(x.ctx)
	good(t, err)
	if failed := ledger.Count(fleet.Unknown) + ledger.Count(fleet.Refused); failed > 0 {
		t.Errorf("%d of %d requests failed: %v", failed, failed+ledger.Count(fleet.Acked), ledger.Errors)
	}
	x.settle(ledger)
}

// A server whose disk is lost comes back under a new number, with everything.
func TestAServerIsReplaced(t *testing.T) {
	n := times(1, 1, 10)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*20*time.Second, fleet.Options{})
	for range n {
		leader, others := x.leader()
		for _, node := range []*fleet.Node{others[0], leader} {
			number, err := node.Number(x.ctx)
			good(t, err)
			good(t, node.Kill())
			x.served("a server is gone for good")
			good(t, x.remove(number))
			good(t, node.Wipe())
			good(t, node.Start(x.ctx))
			x.whole()
			again, err := node.Number(x.ctx)
			good(t, err)
			if again <= number {
				t.Errorf("number %d was replaced by number %d", number, again)
			}
			x.served("it's replaced")
		}
	}
	x.settle()
}

// A disk that stands still stops its server, and nobody else for long.
func TestServersWhoseDiskStalls(t *testing.T) {
	if err := stall.Supported(); err != nil {
		t.Skip(err)
	}
	n := times(1, 1, 15)
	x := newTrial(t, 3*time.Minute+time.Duration(n)*30*time.Second, fleet.Options{Stalls: true})
	for range n {
		leader, _ := x.leader()
		x.stalls("the leader's disk stalls", leader)
		_, others := x.leader()
		x.stalls("a follower's disk stalls", others[0])
	}
	x.settle()
}

// remove has whoever leads take a member out, also where leadership moves meanwhile.
func (x *trial) remove(number int64) error {
	return fleet.Until(x.ctx, fmt.Sprintf("member %d is removed", number), func(ctx context.Context) error {
		leader, err := x.f.Leader(ctx)
		if err == nil {
			err = leader.Remove(ctx, number)
		}
		return err
	})
}

// follows makes sure that another one leads.
func (x *trial) follows(node *fleet.Node) {
	x.Helper()
	good(x.T, fleet.Until(x.ctx, "another one leads than node "+node.Name, func(ctx context.Context) error {
		leader, err := x.f.Leader(ctx)
		if err != nil || leader != node {
			return err
		}
		return errors.Join(node.Transfer(ctx, 0), errors.New("it leads still"))
	}))
}

// stalls has a disk stand still until clients are served in spite of it.
func (x *trial) stalls(what string, node *fleet.Node) {
	x.Helper()
	disk := node.Disk()
	disk.Stall()
	select {
	case <-disk.Bitten():
	case <-x.ctx.Done():
		x.Fatalf("node %s syncs nothing", node.Name)
	}
	x.served(what)
	disk.Resume()
	good(x.T, node.Ready(x.ctx)) // without being started again
	x.whole()
}

// A server whose disk is full ends: its clients go to the others at once. Started again, when there's room, it catches up.
func TestServersWhoseDiskIsFull(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	dir := t.TempDir()
	smallDisk(t, fleet.DirOf(dir, "a"), "160m")
	f := startedIn(ctx, t, dir, fleet.Options{Nodes: 3, Settings: []string{"--ready-free", "0"}})
	x := &trial{
		T: t, ctx: ctx, f: f,
		patient: loaded(ctx, t, f, fleet.LoadOptions{Batch: 64, UserBytes: 500, Pause: 10 * time.Millisecond}),
	}
	node := f.Nodes[0]
	for _, what := range []string{"the leader's disk is full", "a follower's disk is full"} {
		file := fill(t, node.Dir)
		err := node.Ended(ctx) // once it needs more than the room that it has allocated ahead
		if text := node.Log(); err == nil || ctx.Err() != nil || !strings.Contains(text[strings.LastIndexByte(text, '\n')+1:], "no space left") {
			t.Fatalf("node %s doesn't end because its disk is full: %v", node.Name, err)
		}
		x.served(what)
		good(t, os.Remove(file))
		good(t, node.Start(ctx))
		x.whole()
		x.served("there's room again")
		x.follows(node)
	}
	compared(ctx, t, f, stopped(ctx, t, x.patient))
}
