package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/client"
	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// Verdict says whether servers kept their word. All counts but the first two are of requests, summed over the nodes.
type Verdict struct {
	Acked   int `json:"acked"`   // requests that clients know to be there
	Unknown int `json:"unknown"` // those of which they don't know
	// Lost were acknowledged and aren't there, Double are there more than once, Torn in part, Phantom though they were
	// refused, or never sent.
	Lost    int `json:"lost"`
	Double  int `json:"double"`
	Torn    int `json:"torn"`
	Phantom int `json:"phantom"`
	// Miscounted are items whose count isn't what the log makes.
	Miscounted int `json:"miscounted"`
	// Shortened are nodes whose log doesn't reach back to the beginning, because they began with a snapshot; of these the
	// counts alone were compared.
	Shortened int `json:"shortened"`
	// Digest is the nodes' common one, empty if they differ.
	Digest string `json:"digest"`
	// Problems says all that is wrong, in words; empty if nothing is.
	Problems []string `json:"problems"`
}

func (v *Verdict) sayf(format string, args ...any) {
	if len(v.Problems) < 30 {
		v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
	}
}

// Compare holds what clients know against what every node has. Nothing may be writing meanwhile.
func (f *Fleet) Compare(ctx context.Context, ledgers ...*Ledger) (*Verdict, error) {
	return compare(ctx, f.Nodes, ledgers...)
}

// compare is Compare for some nodes.
func compare(ctx context.Context, nodes []*Node, ledgers ...*Ledger) (*Verdict, error) {
	v := &Verdict{}
	e := &expected{lanes: map[string]*expectedLane{}, others: map[string]bool{}}
	for _, l := range ledgers {
		v.Acked, v.Unknown = v.Acked+l.Count(Acked), v.Unknown+l.Count(Unknown)
		e.add(l)
	}
	for _, n := range nodes {
		c, err := client.New(client.Options{Addr: n.URL, Timeout: -1, Attempt: time.Minute})
		if err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
		err = n.compare(ctx, c, e, v)
		c.Close()
		if err != nil {
			return nil, fmt.Errorf("compare node %s: %w", n.Name, err)
		}
	}
	var err error
	if v.Digest, err = same(ctx, nodes); err != nil {
		v.sayf("%v", err)
	}
	return v, nil
}

// expected is what all ledgers say.
type expected struct {
	lanes  map[string]*expectedLane
	others map[string]bool
	tokens []string
}

type expectedLane struct {
	known []Outcome
	batch int
}

func (e *expected) add(l *Ledger) {
	for lane, known := range l.Lanes {
		e.lanes[lane] = &expectedLane{known, l.Batch}
	}
	for _, lane := range l.Others {
		e.others[lane] = true
	}
	e.tokens = append(e.tokens, l.Tokens...)
}

// compare adds one node to the verdict.
func (n *Node) compare(ctx context.Context, c *client.Client, e *expected, v *Verdict) error {
	for _, token := range e.tokens {
		// A read that has to see what the token has seen waits until it is there.
		_, err := c.Cell(client.WithToken(ctx, token), client.CellQuery{Item: "nothing", Type: "view"})
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return fmt.Errorf("see all that was acknowledged: %w", err)
		}
	}
	if n.f.late {
		v.Shortened++
		return n.count(ctx, c, e, nil, v)
	}
	found, err := logged(ctx, c)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return err
	}
	if err == nil {
		n.judge(e, found, v)
	} else {
		found = nil
		v.Shortened++
	}
	return n.count(ctx, c, e, found, v)
}

// logged counts the signals of every request in a node's log.
func logged(ctx context.Context, c *client.Client) (map[string][]int, error) {
	found := map[string][]int{}
	for event, err := range c.Export(ctx, client.ExportQuery{From: time.UnixMilli(1)}) {
		if err != nil {
			return nil, fmt.Errorf("read its log: %w", err)
		}
		of := found[event.Lane]
		for int64(len(of)) < event.Number {
			of = append(of, 0)
		}
		if event.Number > 0 {
			of[event.Number-1]++
		}
		found[event.Lane] = of
	}
	return found, nil
}

// judge holds a node's log against what clients know.
func (n *Node) judge(e *expected, found map[string][]int, v *Verdict) {
	for lane, want := range e.lanes {
		got := found[lane]
		for i := range max(len(got), len(want.known)) {
			there, known := 0, Refused // what was never sent isn't there either
			if i < len(got) {
				there = got[i]
			}
			if i < len(want.known) {
				known = want.known[i]
			}
			var kind *int
			var word string
			switch {
			case there == 0 && known == Acked:
				kind, word = &v.Lost, "is lost"
			case there > want.batch:
				kind, word = &v.Double, "counts more than once"
			case there > 0 && known == Refused:
				kind, word = &v.Phantom, "is there and shouldn't be"
			case there > 0 && there < want.batch:
				kind, word = &v.Torn, "is there in part"
			default:
				continue
			}
			*kind++
			v.sayf("node %s: request %d of lane %s %s: %d of %d signals", n.Name, i+1, lane, word, there, want.batch)
		}
	}
	for lane := range found {
		if _, ok := e.lanes[lane]; !ok && !e.others[lane] {
			v.Phantom++
			v.sayf("node %s: nobody has sent requests of lane %q", n.Name, lane)
		}
	}
}

// count holds the counts of all items against the node's log, or, where that isn't whole, against what clients know.
func (n *Node) count(ctx context.Context, c *client.Client, e *expected, found map[string][]int, v *Verdict) error {
	for lane, want := range e.lanes {
		for first := 0; first < len(want.known); first += perItem {
			least, most := 0, 0
			for i := first; i < min(first+perItem, len(want.known)); i++ {
				switch {
				case found != nil && i < len(found[lane]):
					least, most = least+found[lane][i], most+found[lane][i]
				case found == nil && want.known[i] == Acked:
					least, most = least+want.batch, most+want.batch
				case found == nil && want.known[i] == Unknown:
					most += want.batch
				}
			}
			item := ItemOf(lane, uint64(first)+1)
			cell, err := c.Cell(ctx, client.CellQuery{Item: item, Type: "view"})
			if err != nil && (!errors.Is(err, client.ErrNotFound) || least > 0) {
				return fmt.Errorf("read the count of %s: %w", item, err)
			}
			if cell.Total < int64(least) || cell.Total > int64(most) {
				v.Miscounted++
				v.sayf("node %s: %s counts %d signals, it should be %d to %d", n.Name, item, cell.Total, least, most)
			}
		}
	}
	return nil
}

// Same returns the digest of all nodes once it's the same, which it comes to be when nobody writes.
func (f *Fleet) Same(ctx context.Context) (string, error) { return same(ctx, f.Nodes) }

// same is Same for some nodes.
func same(ctx context.Context, nodes []*Node) (first string, err error) {
	ctx, cancel := context.WithTimeout(ctx, sameWithin)
	defer cancel()
	err = until(ctx, "wait until all nodes are equal", func(ctx context.Context) error {
		for i, n := range nodes {
			digest, err := n.digest(ctx)
			switch {
			case err != nil:
				return fmt.Errorf("node %s: %w", n.Name, err)
			case i == 0:
				first = digest
			case digest != first:
				return fmt.Errorf("%w: the digest of node %s is %s, that of node %s %s", errNotYet, nodes[0].Name, first, n.Name, digest)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return first, nil
}

// sameWithin is how long nodes may take to become equal.
const sameWithin = time.Minute

// digest asks for the hash of everything that is replicated. What it can't say now it may later, as long as it runs.
func (n *Node) digest(ctx context.Context) (string, error) {
	if !n.Running() {
		return "", fmt.Errorf("it has ended: %s", n.Log())
	}
	admin := tidalpbconnect.NewAdminClient(n.f.http, n.URL)
	res, err := admin.Digest(ctx, &tidalpb.DigestRequest{})
	if err != nil {
		return "", fmt.Errorf("%w: ask for the digest: %w", errNotYet, err)
	}
	return res.GetDigest(), nil
}
