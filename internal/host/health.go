package host

import "github.com/tidaldb/tidal/internal/fault"

// Failure says why the replica takes no writes any more: the disk's failure, or fault.ErrClosed. It is nil as long as it
// does, and for one that is read only and open.
func (r *Replica) Failure() error {
	if r.loop == nil {
		return nil
	}
	select {
	case <-r.loop.quit:
		return fault.ErrClosed
	default:
	}
	select {
	case <-r.loop.ended:
		return r.loop.failure
	default:
		return nil
	}
}

// Behind is how much of the log, in bytes, is applied and not in the checkpoint yet.
func (r *Replica) Behind() int64 { return r.base.appliedBytes.Load() - r.base.storedBytes.Load() }
