package tidal_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
	"github.com/tidaldb/tidal/schema"
)

// TestTheBestComesFirstAmongManyItems asks every built-in profile for one item that is best by far, of catalogues that the
// first phase has to cut, whatever place the item has among the others.
func TestTheBestComesFirstAmongManyItems(t *testing.T) {
	for _, c := range []struct {
		items int
		where query.Expr
	}{{800, nil}, {2600, nil}, {2600, query.Eq("category", "jazz")}} {
		for _, at := range []int{0, c.items / 2, c.items - 1} {
			if testing.Short() && c.items > 1000 && at > 0 {
				continue
			}
			clock := newClock()
			db := open(t, t.TempDir(), testSchema(), clock.options())
			best := many(t, db, clock, c.items, at)
			for _, name := range []string{
				"trending", "rising", "hot", "new", "top", "most", "hidden_gems", "for_you", "notification", "following",
			} {
				b := query.Rank(name).For("fan").Explore(0).Unmixed().Limit(3)
				if c.where != nil {
					b.Where(c.where)
				}
				a := rankIt(t, db, b.Query())
				if len(a.Items) == 0 || a.Items[0].Item != best {
					t.Errorf("%d items, the best at %d: %s gives %v", c.items, at, name, a.Items)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// many puts items, all of them old and viewed now and then, but one.
func many(t *testing.T, db *tidal.DB, c *clock, items, best int) string {
	t.Helper()
	id := func(i int) string { return fmt.Sprintf("%05d", (i*7919)%items) }
	var records []tidal.Record
	for i := range items {
		age, creator := time.Duration(100+i%900)*time.Hour, fmt.Sprint("creator ", i%50)
		if i == best {
			age, creator = time.Minute, "star"
		}
		records = append(records, tidal.Put{Kind: tidal.Item, ID: id(i), Fields: tidal.Fields{
			"published": schema.Time(c.ago(age).UnixMilli()), "creator": schema.String(creator),
			"category": schema.String([]string{"jazz", "rock"}[oneOf(i != best && i%2 == 0)]),
		}})
		if i%3 == 0 {
			records = append(records, tidal.Signal{Type: "view", User: fmt.Sprint("v", i%70), Item: id(i), Time: c.ago(30 * time.Hour)})
		}
	}
	for k := range 40 {
		for _, typ := range []string{"view", "like", "share", "complete", "start"} {
			records = append(records, tidal.Signal{Type: typ, User: fmt.Sprint("b", k), Item: id(best), Time: c.ago(time.Minute)})
		}
	}
	records = append(records, tidal.Relate{User: "fan", What: tidal.Follows, Target: "star"})
	for chunk := range slices.Chunk(records, 500) {
		write(t, db, chunk...)
	}
	return id(best)
}

func oneOf(b bool) int { return int(oneIf(b)) }
