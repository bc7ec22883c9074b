package bench

import (
	"sync"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/hidden"
)

// history is what was hidden and what was shown, written down apart from the database.
type history struct {
	began time.Time
	w     *world

	mu    sync.Mutex
	ops   []hidden.Op
	hides int // of ops, made during the run
}

// now is a time in the history.
func (h *history) now() int64 { return int64(time.Since(h.began)) + 1000 }

// decided notes what the users had decided before the run.
func (h *history) decided() {
	for u := range h.w.users {
		for _, r := range h.w.decisions(u) {
			relate, ok := r.(tidal.Relate)
			if !ok || relate.What == tidal.Follows {
				continue
			}
			which := "block"
			if relate.What == tidal.Hides {
				which = "hide"
			}
			h.ops = append(h.ops, hidden.Op{
				Op: hidden.Hide, User: relate.User, Which: which, Target: relate.Target, Begin: 1, End: 2,
			})
		}
	}
}

// hide notes hides that were acknowledged together.
func (h *history) hide(wishes []wish, begin, end int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range wishes {
		h.ops = append(h.ops, hidden.Op{
			Op: hidden.Hide, User: userName(x.user), Which: "hide", Target: itemName(x.item), Begin: begin, End: end,
		})
		h.hides++
	}
}

func (h *history) hidden() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hides
}

// add takes what a client was shown.
func (h *history) add(lists []hidden.Op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, lists...)
}

// check returns, in words, every item that was shown though it was hidden.
func (h *history) check() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	shown := map[string]bool{}
	for i := range h.ops {
		for _, item := range h.ops[i].Items {
			shown[item] = true
		}
	}
	ops := h.ops
	for i := range h.w.items {
		if name := itemName(i); shown[name] {
			ops = append(ops, hidden.Op{
				Op: hidden.Item, Target: name, Creator: creatorName(h.w.creatorOf(i)), Begin: 1, End: 2,
			})
		}
	}
	for _, v := range hidden.Check(ops) {
		out = append(out, v.String())
	}
	return out
}

// wish is an item that a user is about to hide.
type wish struct{ user, item int }

// hides hands hides from those who see lists to those who write, and the users who hid something back to those who ask.
type hides struct {
	mu     sync.Mutex
	wishes []wish
	users  [256]int
	n      int // of users, ever
}

// mostWishes bounds what waits while nobody writes.
const mostWishes = 1024

func (h *hides) want(x wish) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.wishes) < mostWishes {
		h.wishes = append(h.wishes, x)
	}
}

// take returns up to n wishes.
func (h *hides) take(n int) []wish {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = min(n, len(h.wishes))
	out := append([]wish(nil), h.wishes[:n]...)
	h.wishes = append(h.wishes[:0], h.wishes[n:]...)
	return out
}

// hid takes the users of acknowledged wishes.
func (h *hides) hid(wishes []wish) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, x := range wishes {
		h.users[h.n%len(h.users)] = x.user
		h.n++
	}
}

// someone returns a user who hid something lately; at chooses among them.
func (h *hides) someone(at int) (user int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == 0 {
		return 0, false
	}
	return h.users[at%min(h.n, len(h.users))], true
}
