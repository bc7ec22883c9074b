package workload

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// names are the ids that a run uses: a handful, so that everything meets, or more. Lists overflow by a binge.
type names struct {
	items, users, creators []string
}

func newNames(rng *rand.Rand) names {
	return names{
		items:    invent("i", []int{1, 3, 12}[rng.IntN(3)]),
		users:    invent("u", []int{1, 4, 120}[rng.IntN(3)]),
		creators: invent("c", 3),
	}
}

func invent(prefix string, n int) []string {
	// Ids may hold any bytes; and one name that is an item's, a user's and a creator's must not be taken for one.
	list := []string{"same", prefix + "\x00\xff", prefix + strings.Repeat("long", 100)}
	for i := range n {
		list = append(list, prefix+strconv.Itoa(i))
	}
	return list[max(0, 3-n):]
}

// pick prefers the ends of the list: one id is in most events.
func pick(rng *rand.Rand, list []string) string {
	if rng.IntN(3) == 0 {
		return list[len(list)-1]
	}
	return list[rng.IntN(len(list))]
}

func (n *names) item(rng *rand.Rand) string    { return pick(rng, n.items) }
func (n *names) user(rng *rand.Rand) string    { return pick(rng, n.users) }
func (n *names) creator(rng *rand.Rand) string { return pick(rng, n.creators) }
func (n *names) cohort(rng *rand.Rand) string  { return "cohort" + strconv.Itoa(rng.IntN(3)) }

// Producers and keys are the same in all origins.
func (n *names) producer(rng *rand.Rand) string { return "p" + strconv.Itoa(rng.IntN(3)) }
func (n *names) key(rng *rand.Rand) string      { return "k" + strconv.Itoa(rng.IntN(40)) }
