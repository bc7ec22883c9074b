package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// TestRecordsOneByOneGiveTheDigestOfTheirTable fills a table at random and then hands its records to a sum, owner by owner
// in an order of chance.
func TestRecordsOneByOneGiveTheDigestOfTheirTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	table := New()
	var sum Summing
	if all, cells := sum.Digests(); all != table.Digest() || cells != table.DigestCells() {
		t.Error("without records the digests differ")
	}
	kinds := []algebra.Kind{algebra.KindCreatorCell, algebra.KindEntity, algebra.KindPairMarks, algebra.KindSession}
	for i := range 3000 {
		kind := id.Kind(rng.IntN(id.Kinds + 1))
		n := table.Owner(kind, fmt.Sprintf("owner %d", rng.IntN(300)))
		if i%40 == 0 {
			table.Raise(kind, n, hlc.Timestamp(i))
			continue
		}
		key := Key{Kind: kinds[rng.IntN(len(kinds))], Owner: kind, Ord: n}
		if key.Kind != algebra.KindEntity {
			key.Sub = fmt.Sprint(i % 50)
		}
		table.Put(key, make([]byte, 1+rng.IntN(2000)))
	}
	type owner struct {
		kind id.Kind
		n    Ord
	}
	var owners []owner
	for kind := KindGlobal; kind <= id.Kinds; kind++ {
		for n := range table.Owners(kind) {
			owners = append(owners, owner{kind, n})
		}
	}
	rng.Shuffle(len(owners), func(i, j int) { owners[i], owners[j] = owners[j], owners[i] })
	for _, o := range owners {
		name, gen := table.Name(o.kind, o.n), table.Generation(o.kind, o.n)
		if gen != 0 {
			sum.Add(o.kind, name, gen, algebra.KindGeneration, "", []byte("as it is stored"))
		}
		for key, value := range table.All(o.kind, o.n) {
			sum.Add(o.kind, name, gen, key.Kind, key.Sub, value)
		}
	}
	all, cells := sum.Digests()
	if all != table.Digest() || cells != table.DigestCells() {
		t.Error("the digests of the records differ from those of the table")
	}
}
