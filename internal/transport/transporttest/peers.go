package transporttest

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidaldb/tidal/internal/transport"
)

func peers(t *testing.T, w World) {
	var b inbox
	a := pair(w, &b)
	if err := a.Send(3, []byte("x")); !errors.Is(err, transport.ErrNoPeer) {
		t.Errorf("to a number without address: %v", err)
	}
	mustSend(t, w, a.Send, 2, []byte("1"))
	w.Until("the first frame", func() bool { return b.count(1) == 1 })
	a.RemovePeer(2)
	if err := a.Send(2, []byte("2")); !errors.Is(err, transport.ErrNoPeer) {
		t.Errorf("to a peer that was removed: %v", err)
	}
	if s := a.Stats(); len(s) != 0 {
		t.Errorf("stats of nobody: %+v", s)
	}
	a.RemovePeer(2) // twice does nothing
	// It has moved.
	var c inbox
	w.Join("c", Member{Identity: Who(3), Handler: &c})
	a.SetPeer(3, w.Route("a", "b"))
	a.SetPeer(3, w.Route("a", "c"))
	mustSend(t, w, a.Send, 3, []byte("3"))
	w.Until("a frame at the new address", func() bool { return c.count(1) > 0 || errors.Is(a.Send(3, []byte("3")), nil) && c.count(1) > 0 })
	a.SetPeer(2, w.Route("a", "b"))
	// Whoever was connected to before its address was set is dialled again, and what was on the way is lost.
	w.Until("a frame after it is known again", func() bool { return errors.Is(a.Send(2, []byte("4")), nil) && b.count(1) > 1 })
}

// connections are told as long as they stand: not before anybody is there, not to a stranger, and not once the other end is gone.
func connections(t *testing.T, w World) {
	stands := func(of transport.Transport, number uint64) bool {
		for _, s := range of.Stats() {
			if s.Number == number {
				return !s.Urgent.Connected.IsZero()
			}
		}
		return false
	}
	var b inbox
	first := w.Join("b", Member{Identity: Who(2), Handler: &b})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	if stands(a, 2) {
		t.Error("a connection to nobody stands")
	}
	route := w.Route("a", "b")
	for _, end := range []transport.Transport{first, nil} {
		if end == nil { // it's started again
			end = w.Join("b", Member{Identity: Who(2), Handler: &b})
		}
		a.SetPeer(2, route)
		had := b.count(1)
		mustSend(t, w, a.Send, 2, []byte("x"))
		w.Until("a frame", func() bool { return b.count(1) > had })
		w.Until("the connection is told", func() bool { return stands(a, 2) })
		if err := end.Close(); err != nil {
			t.Error(err)
		}
		w.Until("the connection isn't told any more", func() bool { return !stands(a, 2) })
	}
	var c inbox
	w.Join("c", Member{Identity: Who(7), Handler: &c})
	var why refusals
	d := w.Join("d", Member{Identity: Who(4), Handler: &inbox{}, Refused: why.add})
	d.SetPeer(3, w.Route("d", "c"))
	refusedFor(t, w, d, 3, &why, transport.ReasonReplica, &c, 4)
	if stands(d, 3) {
		t.Error("a connection to somebody else than was meant stands")
	}
}

// refusedFor sends until the other end has refused, and makes sure that nothing was delivered.
func refusedFor(t *testing.T, w World, from transport.Transport, to uint64, why *refusals, reason transport.Reason, b *inbox, as uint64) {
	t.Helper()
	before := b.count(as)
	w.Until("a refusal for "+reason.String(), func() bool {
		err := from.Send(to, []byte("x"))
		if err != nil && !errors.Is(err, transport.ErrDown) && !errors.Is(err, transport.ErrBusy) {
			t.Fatalf("send: %v", err)
		}
		return why.has(reason) != nil
	})
	refusal := why.has(reason)
	if !refusal.Remote || refusal.Text == "" || !strings.Contains(refusal.Error(), "by the other side ("+reason.String()+")") {
		t.Errorf("refusal %+v: %v", refusal, refusal)
	}
	if b.count(as) != before {
		t.Error("a frame was delivered all the same")
	}
	if s := from.Stats(); len(s) == 0 || s[0].Refused == 0 || !strings.Contains(s[0].LastError, refusal.Text) {
		t.Errorf("stats after a refusal: %+v", s)
	}
}

func strangers(t *testing.T, w World) {
	var b inbox
	w.Join("b", Member{Identity: Who(2), Handler: &b})
	for name, c := range map[string]struct {
		who    transport.Identity
		reason transport.Reason
	}{
		"cluster": {transport.Identity{Cluster: [16]byte{9}, Region: 1, Shard: 2, Replica: 1}, transport.ReasonCluster},
		"region":  {transport.Identity{Cluster: cluster, Region: 7, Shard: 2, Replica: 1}, transport.ReasonGroup},
		"shard":   {transport.Identity{Cluster: cluster, Region: 1, Shard: 7, Replica: 1}, transport.ReasonGroup},
	} {
		var why refusals
		s := w.Join(name, Member{Identity: func() transport.Identity { return c.who }, Handler: &inbox{}, Refused: why.add})
		s.SetPeer(2, w.Route(name, "b"))
		refusedFor(t, w, s, 2, &why, c.reason, &b, 1)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func wrongNumber(t *testing.T, w World) {
	var b inbox
	var why refusals
	w.Join("b", Member{Identity: Who(2), Handler: &b})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}, Refused: why.add})
	a.SetPeer(3, w.Route("a", "b"))
	refusedFor(t, w, a, 3, &why, transport.ReasonReplica, &b, 1)
	if text := why.has(transport.ReasonReplica).Text; !strings.Contains(text, "this is replica 2, and replica 3 was looked for") {
		t.Errorf("the reason is %q", text)
	}
}

func notAdmitted(t *testing.T, w World) {
	var b inbox
	var why refusals
	var removed atomic.Bool
	end := w.Join("b", Member{Identity: Who(2), Handler: &b, Admit: func(id transport.Identity) error {
		if removed.Load() && id.Replica == 1 {
			return errors.New("replica 1 was removed")
		}
		return nil
	}})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}, Refused: why.add})
	a.SetPeer(2, w.Route("a", "b"))
	mustSend(t, w, a.Send, 2, []byte("before"))
	w.Until("a frame before", func() bool { return b.count(1) == 1 })
	removed.Store(true)
	end.RemovePeer(1)
	w.Until("the refusal", func() bool {
		_ = a.Send(2, []byte("x"))
		return why.has(transport.ReasonNotAdmitted) != nil
	})
	refusedFor(t, w, a, 2, &why, transport.ReasonNotAdmitted, &b, 1)
	if text := why.has(transport.ReasonNotAdmitted).Text; text != "replica 1 was removed" {
		t.Errorf("the reason is %q", text)
	}
}

func overlap(t *testing.T, w World) {
	var b inbox
	var why refusals
	a := pair(w, &b)
	mustSend(t, w, a.Send, 2, []byte("first"))
	w.Until("the first one's frame", func() bool { return b.count(1) == 1 })
	second := w.Join("second", Member{Identity: Who(1), Handler: &inbox{}, Refused: why.add})
	second.SetPeer(2, w.Route("second", "b"))
	refusedFor(t, w, second, 2, &why, transport.ReasonOverlap, &b, 9)
	mustSend(t, w, a.Send, 2, []byte("first again"))
	w.Until("the first one goes on", func() bool { return b.count(1) == 2 })
	// Once the first has gone, the number is free.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	w.Until("the second one's frame", func() bool { _ = second.Send(2, []byte("second")); return b.count(1) > 2 })
}

func learned(t *testing.T, w World) {
	var a, b inbox
	end := w.Join("b", Member{Identity: Who(2), Handler: &b})
	first := w.Join("a", Member{Identity: Who(1), Handler: &a})
	if err := end.Send(1, []byte("x")); !errors.Is(err, transport.ErrNoPeer) {
		t.Errorf("to somebody who isn't known: %v", err)
	}
	first.SetPeer(2, w.Route("a", "b")) // it may connect at once, and is known then
	mustSend(t, w, first.Send, 2, []byte("question"))
	w.Until("the question", func() bool { return b.count(1) == 1 })
	mustSend(t, w, end.Send, 1, []byte("answer"))
	w.Until("the answer", func() bool { return a.count(2) == 1 })
	if s := end.Stats(); len(s) != 1 || !s[0].Learned {
		t.Errorf("stats %+v", s)
	}
}

func cut(t *testing.T, w World) {
	var a, b inbox
	second := w.Join("b", Member{Identity: Who(2), Handler: &b})
	first := w.Join("a", Member{Identity: Who(1), Handler: &a})
	first.SetPeer(2, w.Route("a", "b"))
	second.SetPeer(1, w.Route("b", "a"))
	mustSend(t, w, first.Send, 2, []byte("before"))
	w.Until("a frame before", func() bool { return b.count(1) == 1 })
	w.Cut("a", "b")
	_ = first.Send(2, []byte("into the cut"))
	mustSend(t, w, second.Send, 1, []byte("the other way"))
	w.Until("the other way", func() bool { return a.count(2) == 1 })
	if b.count(1) != 1 {
		t.Error("a frame came through a cut")
	}
	w.Mend("a", "b")
	w.Until("a frame after", func() bool {
		_ = first.Send(2, []byte("after"))
		got := b.from(1)
		return string(got[len(got)-1]) == "after"
	})
}

func restart(t *testing.T, w World) {
	var before, after inbox
	b := w.Join("b", Member{Identity: Who(2), Handler: &before})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	a.SetPeer(2, w.Route("a", "b"))
	mustSend(t, w, a.Send, 2, []byte("1"))
	w.Until("a frame before", func() bool { return before.count(1) == 1 })
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	w.Until("that it is down", func() bool { return errors.Is(a.Send(2, []byte("2")), transport.ErrDown) })
	w.Join("b", Member{Identity: Who(2), Handler: &after})
	w.Until("a frame after", func() bool { _ = a.Send(2, []byte("3")); return after.count(1) > 0 })
	if s := a.Stats()[0].Urgent; s.DroppedDown == 0 {
		t.Errorf("stats %+v", s)
	}
}

func closeWhileSending(t *testing.T, w World) {
	if w.Stepped() {
		return // there is one goroutine
	}
	var over atomic.Bool
	b := &inbox{hold: func(uint64, []byte) {
		if over.Load() {
			t.Error("a frame was delivered after Close")
		}
	}}
	end := w.Join("b", Member{Identity: Who(2), Handler: b})
	a := w.Join("a", Member{Identity: Who(1), Handler: &inbox{}})
	a.SetPeer(2, w.Route("a", "b"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = a.Send(2, make([]byte, 1000))
					_ = a.SendBulk(2, make([]byte, 10_000))
					_ = a.Stats()
				}
			}
		})
	}
	w.Until("much", func() bool { return b.count(1) > 1000 })
	if err := end.Close(); err != nil {
		t.Error(err)
	}
	over.Store(true)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
}

func closed(t *testing.T, w World) {
	a := pair(w, &inbox{})
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := a.Send(2, []byte("x")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("send: %v", err)
	}
	if _, err := a.Ask(t.Context(), w.Route("a", "b"), []byte("x")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("ask: %v", err)
	}
	a.SetPeer(3, w.Route("a", "b")) // does nothing
	a.RemovePeer(3)
}
