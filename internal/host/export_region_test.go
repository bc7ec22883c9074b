package host

import (
	"context"
	"time"

	"github.com/tidaldb/tidal/internal/id"
)

// AskRegion asks a member for a region's number, as a newcomer at an address does, whose clock is off.
func (r *Replica) AskRegion(ctx context.Context, name, address string, off time.Duration) (id.Region, error) {
	q := question{
		Kind: questionRegion, Name: name, Address: address, Wall: r.loop.now().Wall/1e6 + off.Milliseconds(),
	}
	a := r.answer(ctx, &q)
	return a.Region, a.err()
}

// SameName is what a region hears that asks under a number and a name.
func (r *Replica) SameName(number id.Region, name string) error { return r.sameName(number, name) }
