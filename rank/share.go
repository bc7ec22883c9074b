package rank

// sharing finds equal parts of several expressions, so that each is computed once: for_you asks for an item's velocity
// and freshness more than once. It changes no value, since equal operations on equal operands give equal results.
type sharing map[shape]*node

// shape is what a node is, its operands by identity.
type shape struct {
	op   opcode
	num  float64
	feat Feature
	args [3]*node
}

// share returns the node that stands for all that are equal to n, and counts its uses.
func (s sharing) share(n *node) *node {
	key := shape{op: n.op, num: n.num, feat: n.feat}
	args := make([]*node, len(n.args))
	for i, a := range n.args {
		args[i] = s.share(a)
		key.args[i] = args[i]
	}
	if same, ok := s[key]; ok {
		same.uses++
		for _, a := range args {
			a.uses-- // counted once with the node that stays
		}
		return same
	}
	c := *n
	c.args, c.uses = args, 1
	s[key] = &c
	return &c
}
