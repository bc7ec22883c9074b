package transporttest

import (
	"testing"

	"github.com/tidaldb/tidal/internal/transport"
)

// regions has replicas of one number in three regions talk to each other, and to one that lets no other region in.
func regions(t *testing.T, w World) {
	var home, east, west, alone inbox
	home.ask, east.ask = echo, echo
	a := w.Join("a", Member{Identity: Who(1), Handler: &home, Regions: true})
	b := w.Join("b", Member{Identity: Away(2, 1), Handler: &east, Regions: true})
	c := w.Join("c", Member{Identity: Away(3, 1), Handler: &west, Regions: true})
	a.SetPeer(transport.Far(2, 1), w.Route("a", "b"))
	b.SetPeer(transport.Far(1, 1), w.Route("b", "a"))
	c.SetPeer(transport.Far(1, 1), w.Route("c", "a"))
	for _, send := range []func(uint64, []byte) error{a.Send, a.SendBulk} {
		mustSend(t, w, send, transport.Far(2, 1), []byte("x"))
	}
	mustSend(t, w, b.Send, transport.Far(1, 1), []byte("y"))
	mustSend(t, w, c.Send, transport.Far(1, 1), []byte("z"))
	w.Until("frames of all", func() bool {
		return east.count(transport.Far(1, 1)) == 2 && home.count(transport.Far(2, 1)) == 1 && home.count(transport.Far(3, 1)) == 1
	})
	// Where one came from is where frames go to.
	mustSend(t, w, a.Send, transport.Far(3, 1), []byte("back"))
	w.Until("the way back", func() bool { return west.count(transport.Far(1, 1)) == 1 })
	if answer, err := c.Ask(t.Context(), w.Route("c", "a"), []byte("q")); err != nil || string(answer[1:]) != "q" {
		t.Errorf("a question from another region: %q, %v", answer, err)
	}

	// A number of the own region isn't that of another one's replica, nor the other way round.
	var why refusals
	lost := w.Join("lost", Member{Identity: Away(4, 9), Handler: &inbox{}, Regions: true, Refused: why.add})
	lost.SetPeer(1, w.Route("lost", "a"))
	refusedFor(t, w, lost, 1, &why, transport.ReasonReplica, &home, transport.Far(4, 9))
	near := w.Join("near", Member{Identity: Who(7), Handler: &inbox{}, Regions: true, Refused: why.add})
	near.SetPeer(1, w.Route("near", "a"))
	mustSend(t, w, near.Send, 1, []byte("of the group"))
	w.Until("a frame of the own group", func() bool { return home.count(7) == 1 })

	// Who lets no other region in refuses them.
	var closed refusals
	w.Join("alone", Member{Identity: Who(5), Handler: &alone})
	d := w.Join("d", Member{Identity: Away(5, 1), Handler: &inbox{}, Regions: true, Refused: closed.add})
	d.SetPeer(transport.Far(1, 5), w.Route("d", "alone"))
	refusedFor(t, w, d, transport.Far(1, 5), &closed, transport.ReasonGroup, &alone, transport.Far(5, 1))
}
