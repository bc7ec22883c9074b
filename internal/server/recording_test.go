package server

import (
	"slices"
	"sync"
)

// recording is a Recorder that keeps what it is told.
type recording struct {
	mu       sync.Mutex
	finished []Finished
	written  []Written
	ranked   []Ranked
}

func (r *recording) Finished(f *Finished) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished = append(r.finished, *f)
}

func (r *recording) Written(w *Written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written = append(r.written, *w)
}

func (r *recording) Ranked(x *Ranked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ranked = append(r.ranked, *x)
}

// requests returns what was finished so far.
func (r *recording) requests() []Finished {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.finished)
}

// forget forgets all.
func (r *recording) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished, r.written, r.ranked = nil, nil, nil
}
