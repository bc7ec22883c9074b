package client_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/testseed"
	"github.com/tidaldb/tidal/schema"
)

// An export whose connection breaks again and again has each event once, in order.
func TestAnExportGoesOnWhereItsConnectionBroke(t *testing.T) {
	seed := testseed.Of(t)
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	began := time.Now().Add(-time.Hour)
	const events = 3000
	st, err := c.Stream(t.Context(), client.StreamOptions{Batch: 500})
	if err != nil {
		t.Fatal(err)
	}
	for n := range events {
		if _, err := st.Send(t.Context(), client.Signal{Type: "like", User: "ada", Item: fmt.Sprint("i", n), Weight: 2.5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, s.addr, rand.New(rand.NewPCG(seed, 2)).Uint64(), faults{cut: 1, refuse: 0.2, farther: 30})
	for round := 0; p.cuts.Load() < 3; round++ {
		through := connect(t, client.Options{Addr: p.addr()}) // with a connection of its own, which may be a bad one
		n := 0
		for e, err := range through.Export(t.Context(), client.ExportQuery{From: began}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Item != fmt.Sprint("i", n) || e.User != "ada" || e.Type != "like" || e.Weight != 2.5 || e.Position.IsZero() || e.Lane == "" {
				t.Fatalf("event %d is %+v", n, e)
			}
			n++
		}
		if n != events || round == 30 {
			t.Fatalf("%d events, with %d connections cut", n, p.cuts.Load())
		}
	}
	// A limit holds over all connections, and who has enough stops.
	n := 0
	for _, err := range connect(t, client.Options{Addr: p.addr()}).Export(t.Context(), client.ExportQuery{From: began, Limit: 1234}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1234 {
		t.Errorf("%d events, limited to 1234", n)
	}
	for _, err := range c.Export(t.Context(), client.ExportQuery{From: began}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	for _, err := range c.Export(t.Context(), client.ExportQuery{}) {
		if !errors.Is(err, client.ErrInput) {
			t.Errorf("an export of everything: %v", err)
		}
	}
}

// A read sends what the client has written, and a token of another database is refused.
func TestReadsSeeWrites(t *testing.T) {
	s := serve(t, schema.Events())
	c := connect(t, client.Options{Addr: s.addr})
	if got := c.Token(); got != "" {
		t.Errorf("before the first write the token is %q", got)
	}
	r, err := c.Signal(t.Context(), client.Signal{Type: "like", User: "ada", Item: "i"})
	if err != nil || r.Token == "" || c.Token() != r.Token {
		t.Fatalf("%+v, %v, %q", r, err, c.Token())
	}
	other := connect(t, client.Options{Addr: s.addr})
	if cell, err := other.Cell(client.WithToken(t.Context(), r.Token), client.CellQuery{Item: "i", Type: "like"}); err != nil || cell.Total != 1 {
		t.Errorf("%+v, %v", cell, err)
	}
	if _, err := other.Stats(client.WithToken(t.Context(), "nonsense")); err != nil {
		t.Errorf("what has no token: %v", err)
	}
	if _, err := other.Get(client.WithToken(t.Context(), "nonsense"), client.Item, "i"); !errors.Is(err, client.ErrInput) {
		t.Errorf("a token that isn't one: %v", err)
	}
	elsewhere := connect(t, client.Options{Addr: serve(t, schema.Events()).addr})
	if _, err := elsewhere.Rank(client.WithToken(t.Context(), r.Token), client.Query{}); !errors.Is(err, client.ErrInput) {
		t.Errorf("another database's token: %v", err)
	}
}
