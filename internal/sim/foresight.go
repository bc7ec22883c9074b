package sim

import (
	crypto "crypto/rand"
	"io"
	"math/rand/v2"
)

// foresee makes what Raft draws a part of the seed until the function returned is called: it takes the jitter of its
// elections from crypto/rand, whose reader it can't be given.
func foresee(seed uint64) (undo func()) {
	before := crypto.Reader
	if _, nested := before.(*oracular); nested {
		panic("sim: two runs of a group at a time in one process; run them in processes of their own")
	}
	crypto.Reader = &oracular{rand.New(rand.NewPCG(seed, 0x72616674))}
	return func() { crypto.Reader = before }
}

// oracular reads what a seed says.
type oracular struct{ rng *rand.Rand }

var _ io.Reader = (*oracular)(nil)

func (o *oracular) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		v := o.rng.Uint64()
		for k := i; k < min(i+8, len(b)); k++ {
			b[k] = byte(v)
			v >>= 8
		}
	}
	return len(b), nil
}
