package state

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// TestOwnersElsewhereCountInTheDigest splits random owners over two tables: with the others added, the digests are those
// of the table that holds all. And the bytes of a kind are those of its owners.
func TestOwnersElsewhereCountInTheDigest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole, here, there := New(), New(), New()
	for i := range 3000 {
		kind := id.Kind(rng.IntN(4))
		name := fmt.Sprintf("owner %d", rng.IntN(300))
		part := here
		if kind == id.KindUser && len(name)%2 == 0 {
			part = there
		}
		value := make([]byte, 1+rng.IntN(2000))
		for _, to := range []*Table{whole, part} {
			n := to.Owner(kind, name)
			switch {
			case i%40 == 0:
				to.Raise(kind, n, hlc.Timestamp(i))
			case i%40 == 1:
				to.Evict(kind, n)
			default:
				to.Put(Key{Kind: algebra.KindCreatorCell, Owner: kind, Ord: n, Sub: fmt.Sprint(i % 50)}, value)
			}
		}
	}
	rest := func(add func(*Table, id.Kind, Ord)) {
		for n := range there.Owners(id.KindUser) {
			if there.Live(id.KindUser, n) {
				add(there, id.KindUser, n)
			}
		}
	}
	before := here.Digest()
	if whole.Digest() != here.DigestWith(rest) || whole.DigestCells() != here.DigestCellsWith(rest) {
		t.Error("digests differ")
	}
	if here.Digest() != before || before == whole.Digest() {
		t.Error("what others hold stayed in the digest, or there was nothing")
	}
	for kind := KindGlobal; kind <= id.Kinds; kind++ {
		sum := 0
		for n := range whole.Owners(kind) {
			sum += whole.OwnerBytes(kind, n)
		}
		if got := whole.Bytes(kind); got != int64(sum) || sum == 0 {
			t.Errorf("kind %d takes %d bytes, its owners %d", kind, got, sum)
		}
	}
}
