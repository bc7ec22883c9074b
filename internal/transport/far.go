package transport

import (
	"fmt"
	"log/slog"
)

// Peers of another region have numbers, too, so that everything that goes by a peer's number goes for them: a high bit, the
// region, and the replica's number there. Replicas of the own region are meant by their own numbers.
const (
	farBit    = 1 << 63
	farRegion = 47
	farMask   = 1<<farRegion - 1
)

// Far is the number by which a replica of another region is meant: bit 63 set, the region in bits 47 to 62, the replica's
// number, which is below 2⁴⁷, in those below.
func Far(region uint16, replica uint64) uint64 {
	return farBit | uint64(region)<<farRegion | replica&farMask
}

// Near takes apart what [Far] has put together. Of a number of the own region it returns that number and far false.
func Near(n uint64) (region uint16, replica uint64, far bool) {
	if n&farBit == 0 {
		return 0, n, false
	}
	return uint16(n >> farRegion), n & farMask, true
}

// SeenFrom is the number by which a replica is meant at one of the given region: its own, or [Far]'s in another region. It
// is 0 for somebody who has no number yet.
func (id *Identity) SeenFrom(region uint16) uint64 {
	if id.Region == region || id.Replica == 0 {
		return id.Replica
	}
	return Far(id.Region, id.Replica)
}

// called is a number in words, calledOf that of a replica as one of a region would call it, and logged for a log.
func called(number uint64) string {
	if region, replica, far := Near(number); far {
		return fmt.Sprintf("replica %d of region %d", replica, region)
	}
	return fmt.Sprintf("replica %d", number)
}

func calledOf(id *Identity, region uint16) string { return called(id.SeenFrom(region)) }

func logged(number uint64) slog.Attr {
	if region, replica, far := Near(number); far {
		return slog.Group("replica", slog.Uint64("region", uint64(region)), slog.Uint64("number", replica))
	}
	return slog.Uint64("replica", number)
}
