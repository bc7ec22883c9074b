package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/algebra"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/record"
)

// Collected is an item that is in a collection, and the stamp under which it was last put there.
type Collected struct {
	Item  string
	Since hlc.Timestamp
}

// Collection returns the items of a user's collection, the one put there last first and equal ones by id: at most limit
// of them, from behind the item named after. What is behind an item that was taken out since is what was put there
// before it; an item that was never there is refused. It looks at all of the user's relations.
func (e *Engine) Collection(user, name, after string, limit int) ([]Collected, error) {
	var from Collected
	if after != "" {
		pair, err := e.Relation(user, byte(record.CollectItem), record.CollectionTarget(name, after))
		if err != nil {
			return nil, fmt.Errorf("user %q: %w", user, err)
		}
		if pair.On == 0 {
			return nil, fault.Refuse("after", "%q was never in the collection", after)
		}
		from = Collected{after, pair.On}
	}
	var out []Collected
	err := e.walkCollected(user, func(in, item []byte, on hlc.Timestamp) {
		if string(in) != name {
			return
		}
		if c := (Collected{string(item), on}); after == "" || from.compare(&c) < 0 {
			out = append(out, c)
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Collected) int { return a.compare(&b) })
	return out[:min(limit, len(out))], nil
}

func (c *Collected) compare(o *Collected) int {
	return cmp.Or(cmp.Compare(o.Since, c.Since), strings.Compare(c.Item, o.Item))
}

// Collections returns how many items each of a user's collections has. Empty ones aren't any.
func (e *Engine) Collections(user string) (map[string]int, error) {
	out := map[string]int{}
	err := e.walkCollected(user, func(in, _ []byte, _ hlc.Timestamp) { out[string(in)]++ })
	return out, err
}

// walkCollected calls yield with each pair of collection and item that holds, lent, and its stamp, in no order.
func (e *Engine) walkCollected(user string, yield func(name, item []byte, on hlc.Timestamp)) (err error) {
	e.WalkUser(user, func(kind algebra.Kind, sub, value []byte) bool {
		if kind != algebra.KindRelation || record.RelationKind(sub[0]) != record.CollectItem {
			return true
		}
		var pair algebra.MaxPair
		if pair, err = algebra.DecodeMaxPair(value); err != nil || !pair.Holds() {
			return err == nil
		}
		name, item, splitErr := collectedIn(sub)
		if err = splitErr; err == nil {
			yield(name, item, pair.On)
		}
		return err == nil
	})
	if err != nil {
		err = fmt.Errorf("user %q: %w", user, err)
	}
	return err
}

// collectedIn reads the sub-key of a collect relation.
func collectedIn[T string | []byte](sub T) (name, item T, err error) {
	name, item, ok := record.SplitCollection(sub[1:])
	if !ok {
		err = fault.Damaged("", 0, "relation with %q, which is no collection and item", sub[1:])
	}
	return name, item, err
}
