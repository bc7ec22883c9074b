package hidden

import (
	"fmt"
	"math"
	"slices"
)

// Violation is an item that was served though it was hidden.
type Violation struct {
	// List is the number of the list among the operations, Item what was in it.
	List int
	Item string
	// Hide is the number of an operation that hid it, and was answered before the list began.
	Hide int
}

func (v Violation) String() string {
	return fmt.Sprintf("list %d holds %q, which operation %d hid", v.List, v.Item, v.Hide)
}

// Check returns every item of every list that was hidden for certain: some operation that hid it was answered before the
// list began, and nothing that may have come behind that operation, and before the list's end, took it back.
func Check(ops []Op) []Violation {
	h := history{rules: map[rule][]int{}, owners: map[string][]int{}, erased: map[string][]int{}}
	h.ops = slices.Clone(ops)
	for i := range h.ops {
		o := &h.ops[i]
		if o.End == 0 {
			o.End = math.MaxInt64
		}
		switch o.Op {
		case Hide, Unhide:
			r := rule{o.User, o.Which, o.Target}
			h.rules[r] = append(h.rules[r], i)
		case Item:
			h.owners[o.Target] = append(h.owners[o.Target], i)
		case Erase:
			h.erased[o.User] = append(h.erased[o.User], i)
		}
	}
	var out []Violation
	for i := range h.ops {
		if h.ops[i].Op != List {
			continue
		}
		for _, item := range h.ops[i].Items {
			if hide, certain := h.hidden(&h.ops[i], item); certain {
				out = append(out, Violation{List: i, Item: item, Hide: hide})
			}
		}
	}
	return out
}

// history is the operations by what they are about.
type history struct {
	ops    []Op
	rules  map[rule][]int
	owners map[string][]int // what gave an item its creator
	erased map[string][]int
}

type rule struct{ user, which, target string }

// hidden reports whether an item was hidden from a list's user for certain while the list was made.
func (h *history) hidden(list *Op, item string) (hide int, certain bool) {
	if hide, certain = h.holds(list, rule{list.User, "hide", item}); certain {
		return hide, true
	}
	// Whichever creator it had, they must have been blocked or muted.
	creators := h.creators(list, item)
	for _, c := range creators {
		one, certain := h.holds(list, rule{list.User, "block", c})
		if !certain {
			one, certain = h.holds(list, rule{list.User, "mute", c})
		}
		if !certain {
			return 0, false
		}
		hide = one
	}
	return hide, len(creators) > 0
}

// holds reports whether a rule held for certain.
func (h *history) holds(list *Op, r rule) (hide int, certain bool) {
	ops := h.rules[r]
	for _, i := range ops {
		on := &h.ops[i]
		if on.Op == Hide && on.End <= list.Begin && !h.taken(list, on, ops, Unhide) && !h.taken(list, on, h.erased[r.user], Erase) {
			return i, true
		}
	}
	return 0, false
}

// taken reports whether an operation of a kind may have come behind another one and before a list's end.
func (h *history) taken(list, on *Op, ops []int, kind Kind) bool {
	return slices.ContainsFunc(ops, func(i int) bool {
		off := &h.ops[i]
		return off.Op == kind && off.Begin < list.End && off.End > on.Begin
	})
}

// creators returns those that an item may have had while a list was made; an empty one is none.
func (h *history) creators(list *Op, item string) (out []string) {
	ops := h.owners[item]
	for _, i := range ops {
		set := &h.ops[i]
		if set.Begin >= list.End {
			continue
		}
		// It's over for certain once another one began behind its end and was answered before the list began.
		over := slices.ContainsFunc(ops, func(k int) bool {
			next := &h.ops[k]
			return next.Begin >= set.End && next.End <= list.Begin
		})
		if !over {
			out = append(out, set.Creator)
		}
	}
	return out
}
