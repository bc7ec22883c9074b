package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tidaldb/tidal"
)

// A member that is cut off, be it the one that led, doesn't know what the others write. It doesn't say that there's nothing to undo.
func TestWhoIsCutOffMissesNothing(t *testing.T) {
	t.Run("a leader", func(t *testing.T) {
		t.Parallel()
		f := three(t)
		address, _ := f.leader()
		f.missesNothing(address)
	})
	t.Run("a follower", func(t *testing.T) {
		t.Parallel()
		f := three(t)
		f.missesNothing(f.others()[0])
	})
}

// missesNothing cuts a member off, and has it undo what the others write meanwhile.
func (f *fleet) missesNothing(address string) {
	t, m := f.t, f.members[address]
	f.net.Isolate(address)
	delete(f.members, address) // the others' leader is meant from here on
	f.write(tidal.Request{Records: []tidal.Record{tidal.Signal{Type: "view", Item: "x", User: "u", Key: "k"}}})
	written := f.write(view("p", 1, "x"))

	var asking sync.WaitGroup
	for _, undo := range []tidal.Undo{{Key: "k"}, {Lane: "p", Number: 1}, {Position: written.Position}} {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := m.DB().Write(ctx, tidal.Request{Records: []tidal.Record{undo}}); !errors.Is(err, tidal.ErrNotLeader) {
				t.Errorf("cut off, undoing %+v ends with %v", undo, err)
			}
		})
	}
	asking.Wait()
	f.members[address] = m
	f.net.Rejoin(address)
	for _, undo := range []tidal.Undo{{Key: "k"}, {Position: written.Position}} {
		f.write(tidal.Request{Records: []tidal.Record{undo}})
	}
	f.same()
	f.counts("x", 0)
}

// What nobody has isn't there, also for a group.
func TestWhatNobodyHasCannotBeUndone(t *testing.T) {
	f := three(t)
	at := f.write(view("p", 1, "x")).Position
	at.Seq += 50
	for _, undo := range []tidal.Undo{{Key: "k"}, {Lane: "p", Number: 2}, {Position: at}} {
		err := f.again("it's refused", func() error {
			_, m := f.leader()
			_, err := m.DB().Write(t.Context(), tidal.Request{Records: []tidal.Record{undo}})
			return err
		})
		if !errors.Is(err, tidal.ErrNotFound) {
			t.Errorf("undoing %+v ends with %v", undo, err)
		}
	}
}
