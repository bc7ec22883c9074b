package sim

// due is something on the agenda.
type due struct {
	at     int64
	number uint64 // ties are settled by the order of entry
	life   uint64
	do     func()
}

func (d *due) before(e *due) bool { return d.at < e.at || d.at == e.at && d.number < e.number }

// agenda is a heap of what is due, the next first. Package container/heap would allocate for each.
type agenda []due

// enter puts something on the agenda.
func (a *agenda) enter(d due) {
	h := append(*a, d)
	*a = h
	i := len(h) - 1
	for i > 0 && d.before(&h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = d
}

// next takes what is due next off the agenda, which isn't empty.
func (a *agenda) next() due {
	h := *a
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = due{}
	h = h[:len(h)-1]
	*a = h
	i := 0
	for len(h) > 0 {
		child := 2*i + 1
		if child+1 < len(h) && h[child+1].before(&h[child]) {
			child++
		}
		if child >= len(h) || !h[child].before(&last) {
			h[i] = last
			break
		}
		h[i] = h[child]
		i = child
	}
	return first
}
