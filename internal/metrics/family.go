package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// mostChildren bounds the values of a label; the next one counts as "other".
const mostChildren = 128

// family finds the handles of a metric by its label. Finding one that is there takes no lock and no memory.
type family[K comparable, H any] struct {
	make  func(K) H
	other K

	known atomic.Pointer[map[K]H]
	mu    sync.Mutex // held while known is replaced
}

func newFamily[K comparable, H any](other K, make func(K) H) *family[K, H] {
	f := &family[K, H]{make: make, other: other}
	f.known.Store(&map[K]H{})
	return f
}

// of returns the handle for a label.
func (f *family[K, H]) of(label K) H {
	if h, ok := (*f.known.Load())[label]; ok {
		return h
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known := *f.known.Load()
	if h, ok := known[label]; ok {
		return h
	}
	if len(known) >= mostChildren && label != f.other {
		label = f.other
		if h, ok := known[label]; ok {
			return h
		}
	}
	h, next := f.make(label), maps.Clone(known)
	next[label] = h
	f.known.Store(&next)
	return h
}
