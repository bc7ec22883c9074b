package lane

// Prefix returns the number n such that the requests 1 to n of a producer were all accepted, as far as the window
// tells: requests that are too old to be accepted any more count as accepted. false means that the producer is
// unknown.
func (t *Table) Prefix(producer string) (n uint64, ok bool) {
	l, ok := t.lanes[producer]
	if !ok {
		return 0, false
	}
	n = l.high
	for request := l.high; request > 0 && l.high-request < t.opts.Window; request-- {
		if !l.accepted(request) {
			n = request - 1
		}
	}
	return n, true
}
