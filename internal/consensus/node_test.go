package consensus_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/consensus"
)

func TestX(t *testing.T) {
	n, err := consensus.New(consensus.Config{Replica: 1, ElectionTicks: 10, HeartbeatTicks: 1, MaxUncommitted: 1 << 20})
	if err != nil { t.Fatal(err) }
	var b strings.Builder
	drain := func() {
		for {
			rd, ok := n.Ready()
			if !ok { return }
			if rd.Append != nil {
				fmt.Fprintln(&b, "append", len(rd.Append.Entries), rd.Append.HardState, rd.Append.Sync)
				for _, e := range rd.Append.Entries { fmt.Fprintln(&b, "  ", e.Kind, e.Term, e.Index, len(e.Data)) }
				if err := n.Persisted(rd.Append); err != nil { t.Fatal(err) }
			}
			if rd.Apply != nil {
				for _, e := range rd.Apply.Entries { fmt.Fprintln(&b, "apply", e.Kind, e.Term, e.Index) }
				if err := n.Applied(rd.Apply); err != nil { t.Fatal(err) }
			}
		}
	}
	drain()
	n.Campaign()
	drain()
	n.Propose([]byte("hello"))
	drain()
	t.Log(b.String(), n.Role())
}
