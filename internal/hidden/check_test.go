package hidden

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/testseed"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  string
		want []Violation
	}{
		{"hidden before", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"list","user":"u","items":["b","a"],"begin":2,"end":3}`, []Violation{{1, "a", 0}}},
		{"hidden meanwhile", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":3}
{"op":"list","user":"u","items":["a"],"begin":2,"end":4}`, nil},
		{"somebody else", `{"op":"hide","user":"v","which":"hide","target":"a","begin":1,"end":2}
{"op":"list","user":"u","items":["a"],"begin":5,"end":6}`, nil},
		{"unhidden before", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"unhide","user":"u","which":"hide","target":"a","begin":3,"end":4}
{"op":"list","user":"u","items":["a"],"begin":5,"end":6}`, nil},
		{"unhidden, hidden again", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"unhide","user":"u","which":"hide","target":"a","begin":3,"end":4}
{"op":"hide","user":"u","which":"hide","target":"a","begin":5,"end":6}
{"op":"list","user":"u","items":["a"],"begin":6,"end":7}`, []Violation{{3, "a", 2}}},
		{"unhidden only behind the list", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"list","user":"u","items":["a"],"begin":3,"end":4}
{"op":"unhide","user":"u","which":"hide","target":"a","begin":4,"end":5}`, []Violation{{1, "a", 0}}},
		{"an un-hide whose outcome nobody knows", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"unhide","user":"u","which":"hide","target":"a","begin":3}
{"op":"list","user":"u","items":["a"],"begin":100,"end":101}`, nil},
		{"a hide whose outcome nobody knows", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1}
{"op":"list","user":"u","items":["a"],"begin":100,"end":101}`, nil},
		{"blocked creator", `{"op":"item","target":"a","creator":"c","begin":1,"end":2}
{"op":"hide","user":"u","which":"block","target":"c","begin":3,"end":4}
{"op":"list","user":"u","items":["a"],"begin":5,"end":6}`, []Violation{{2, "a", 1}}},
		{"moved to another creator", `{"op":"item","target":"a","creator":"c","begin":1,"end":2}
{"op":"hide","user":"u","which":"mute","target":"c","begin":3,"end":4}
{"op":"item","target":"a","creator":"d","begin":5,"end":6}
{"op":"list","user":"u","items":["a"],"begin":7,"end":8}`, nil},
		{"moved to a blocked creator", `{"op":"item","target":"a","creator":"d","begin":1,"end":2}
{"op":"hide","user":"u","which":"mute","target":"c","begin":3,"end":4}
{"op":"item","target":"a","creator":"c","begin":5,"end":6}
{"op":"list","user":"u","items":["a"],"begin":7,"end":8}`, []Violation{{3, "a", 1}}},
		{"moves while the list is made", `{"op":"item","target":"a","creator":"d","begin":1,"end":2}
{"op":"hide","user":"u","which":"mute","target":"c","begin":3,"end":4}
{"op":"item","target":"a","creator":"c","begin":5,"end":8}
{"op":"list","user":"u","items":["a"],"begin":7,"end":9}`, nil},
		{"erased since", `{"op":"hide","user":"u","which":"hide","target":"a","begin":1,"end":2}
{"op":"erase","user":"u","begin":3,"end":4}
{"op":"list","user":"u","items":["a"],"begin":5,"end":6}`, nil},
	} {
		ops, err := Read(strings.NewReader(c.ops))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := Check(ops); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestReadRefusesWhatIsNoHistory(t *testing.T) {
	for _, c := range [][2]string{
		{"{", "line 1: is no operation"},
		{"\n" + `{"op":"hide","which":"x","begin":1}`, "line 2"},
		{`{"op":"list","begin":3,"end":2}`, "before the beginning"},
		{`{"op":"dance","begin":3}`, "none of hide"},
		{`{"op":"list","begin":3,"more":1}`, "unknown field"},
	} {
		if _, err := Read(strings.NewReader(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", c[0], err)
		}
	}
}

// A history whose operations don't overlap has one order, and so one truth, which a plain run through it finds.
func TestSerialHistoriesAgainstARunThroughThem(t *testing.T) {
	seed := seedOf(t)
	for round := range 300 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		var ops []Op
		held, owner := map[rule]bool{}, map[string]string{}
		var want int
		for i := range 200 {
			user, item, creator := fmt.Sprint("u", r.IntN(3)), fmt.Sprint("i", r.IntN(6)), fmt.Sprint("c", r.IntN(3))
			o := Op{User: user, Begin: int64(2*i + 1), End: int64(2*i + 2)}
			switch k := r.IntN(10); {
			case k < 4:
				o.Op, o.Which, o.Target = Hide, []string{"hide", "mute", "block"}[r.IntN(3)], creator
				if o.Which == "hide" {
					o.Target = item
				}
				if k < 2 {
					o.Op = Unhide
				}
				held[rule{user, o.Which, o.Target}] = o.Op == Hide
			case k < 6:
				o.Op, o.Target, o.Creator = Item, item, creator
				owner[item] = creator
			case k == 6 && r.IntN(5) == 0:
				o.Op = Erase
				for x := range held {
					held[x] = held[x] && x.user != user
				}
			default:
				o.Op, o.Items = List, []string{item}
				c, known := owner[item]
				if held[rule{user, "hide", item}] || known && (held[rule{user, "mute", c}] || held[rule{user, "block", c}]) {
					want++
				}
			}
			ops = append(ops, o)
		}
		if got := len(Check(ops)); got != want {
			t.Fatalf("seed %d, round %d: %d violations found, there are %d", seed, round, got, want)
		}
	}
}

func seedOf(t *testing.T) uint64 {
	return testseed.Of(t)
}
