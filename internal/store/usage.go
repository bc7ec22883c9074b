package store

// Usage is what a store takes of the machine, for whoever operates it.
type Usage struct {
	// DiskBytes is the size of its files, those included that are to be removed.
	DiskBytes uint64
	// MemtableBytes is the memory of commits that aren't in files yet, and CacheBytes that of blocks read from them.
	MemtableBytes, CacheBytes uint64
	// ReadAmplification is the number of places where one read may have to look.
	ReadAmplification int
	// CompactionDebt is how many bytes the background work has to rewrite until records lie as they should.
	CompactionDebt uint64
}

// Usage returns what the store takes now; zero after Close, and after a failure that the store on disk
// can't go on from.
func (s *Store) Usage() Usage {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Usage{}
	}
	h := s.held
	h.readers++
	s.mu.Unlock()
	u := h.usage()
	_ = s.release(h) // a form that was given up meanwhile says so to whoever gave it up
	return u
}

func (f *pebbleForm) usage() Usage {
	select {
	case <-f.watch.ended:
		return Usage{} // Pebble stopped where it stood, with whatever it had locked
	default:
	}
	m := f.db.Metrics()
	return Usage{
		DiskBytes: m.DiskSpaceUsage(), MemtableBytes: m.MemTable.Size, CacheBytes: uint64(max(0, m.BlockCache.Size)),
		ReadAmplification: m.ReadAmp(), CompactionDebt: m.Compact.EstimatedDebt,
	}
}
