package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// look describes what the engine holds about the few names that the effects are tested on, in words.
func look(t *testing.T, e *engine.Engine) string {
	t.Helper()
	var out []string
	for _, kind := range []string{"view", "like", "unlike", "hide", "skip", "buy"} {
		if n := cell(t, e, "i", kind).Total(); n != 0 {
			out = append(out, fmt.Sprintf("%s:%d", kind, n))
		}
	}
	m, err := e.Marks("u", "i")
	if err != nil {
		t.Fatal(err)
	}
	for name, on := range map[string]bool{
		"seen": !m.Seen.IsZero(), "liked": m.Liked.On, "saved": m.Saved.On, "in_progress": m.InProgress.On,
	} {
		if on {
			out = append(out, name)
		}
	}
	for which, target := range map[record.RelationKind]string{
		record.HideItem: "i", record.MuteCreator: "c", record.BlockCreator: "c", record.FollowCreator: "c",
	} {
		pair, err := e.Relation("u", byte(which), target)
		if err != nil {
			t.Fatal(err)
		}
		if pair.Holds() {
			out = append(out, which.String())
		}
	}
	recents, err := e.Recents("u")
	if err != nil {
		t.Fatal(err)
	}
	if len(recents) > 0 {
		out = append(out, fmt.Sprintf("recents:%d", len(recents)))
	}
	for kind := id.KindItem; kind <= id.KindCreator; kind++ {
		if x, ok, err := e.Entity(kind, "i"); err != nil {
			t.Fatal(err)
		} else if ok {
			title, _ := x.Field("title")
			out = append(out, fmt.Sprintf("%v(%s)", kind, strings.TrimPrefix(string(title), "\x01")))
		}
	}
	if by := e.Creator("i"); by != "" {
		out = append(out, "by:"+by)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// above stamps a register over the record's own stamp, as a leader does that has seen a stamp ahead of its clock.
func above(ms int64, p record.Proposed) written {
	w := plain(p)
	w.stamp = hlc.Make(ms, 0)
	return w
}

func TestEachKindOfRecordHasItsEffect(t *testing.T) {
	byC := signal(view, "u", "i")
	byC.Signal.Creator = "c"
	nobody := signal(view, "", "i")
	put := func(fields ...string) written { return plain(entity(record.KindPut, id.KindItem, "i", fields...)) }
	patch := func(fields ...string) written { return plain(entity(record.KindPatch, id.KindItem, "i", fields...)) }
	for name, c := range map[string]struct {
		records []written
		want    string
	}{
		"positive signal":       {[]written{plain(signal(view, "u", "i"))}, "recents:1 seen view:1"},
		"negative signal":       {[]written{plain(signal(skip, "u", "i"))}, "recents:1 skip:1"},
		"neutral signal":        {[]written{plain(signal(buy, "u", "i"))}, "buy:1"},
		"hard negative signal":  {[]written{plain(signal(hide, "u", "i"))}, "hide hide:1 recents:1"},
		"signal by nobody":      {[]written{plain(nobody)}, "view:1"},
		"signal with a creator": {[]written{plain(byC)}, "recents:1 seen view:1"},
		"signal that sets":      {[]written{plain(signal(like, "u", "i"))}, "like:1 liked recents:1"},
		"signal that clears": {
			[]written{plain(signal(like, "u", "i")), plain(signal(unlike, "u", "i"))},
			"like:1 recents:1 unlike:1",
		},
		"clear with lower stamp": {
			[]written{above(9e6, signal(like, "u", "i")), plain(signal(unlike, "u", "i"))},
			"like:1 liked recents:1 unlike:1",
		},
		"clear above it": {[]written{above(9e6, signal(like, "u", "i")), above(9e6+1, signal(unlike, "u",
			"i"))}, "like:1 recents:1 unlike:1"},

		"marks": {[]written{
			plain(mark(record.MarkSeen, true, "u", "i")), plain(mark(record.MarkLiked, true, "u", "i")),
			plain(mark(record.MarkSaved, true, "u", "i")), plain(mark(record.MarkInProgress, true, "u", "i")),
		}, "in_progress liked saved seen"},
		"marks cleared": {[]written{
			plain(mark(record.MarkLiked, true, "u", "i")), plain(mark(record.MarkSaved, true, "u", "i")),
			plain(mark(record.MarkLiked, false, "u", "i")), plain(mark(record.MarkSaved, false, "u", "i")),
		}, ""},
		"unlike by mark": {
			[]written{plain(signal(like, "u", "i")), plain(mark(record.MarkLiked, false, "u", "i"))},
			"like:1 recents:1",
		},

		"relations": {[]written{
			plain(relation(record.HideItem, true, "u", "i")), plain(relation(record.MuteCreator, true, "u", "c")),
			plain(relation(record.BlockCreator, true, "u", "c")), plain(relation(record.FollowCreator, true, "u", "c")),
		}, "block follow hide mute"},
		"relations ended": {[]written{
			plain(relation(record.MuteCreator, true, "u", "c")), plain(relation(record.BlockCreator, true, "u", "c")),
			plain(relation(record.FollowCreator, true, "u", "c")), plain(relation(record.MuteCreator, false, "u", "c")),
			plain(relation(record.FollowCreator, false, "u", "c")),
		}, "block"},
		"unhide": {[]written{
			plain(signal(hide, "u", "i")), plain(relation(record.HideItem, false, "u", "i")),
		}, "hide:1 recents:1"},
		"unhide with lower stamp": {[]written{
			above(9e6, signal(hide, "u", "i")), plain(relation(record.HideItem, false, "u", "i")),
		}, "hide hide:1 recents:1"},
		"unhide at the same stamp": {[]written{
			above(9e6, signal(hide, "u", "i")), above(9e6, relation(record.HideItem, false, "u", "i")),
		}, "hide hide:1 recents:1"},
		"unhide above it": {[]written{
			above(9e6+1, relation(record.HideItem, false, "u", "i")), above(9e6, signal(hide, "u", "i")),
		}, "hide:1 recents:1"},
		"unhide and hide again": {[]written{
			plain(signal(hide, "u", "i")), plain(relation(record.HideItem, false, "u", "i")), plain(signal(hide, "u",
				"i")),
		}, "hide hide:2 recents:1"},
		"two items": {[]written{
			plain(signal(view, "u", "i")), plain(signal(view, "u", "j")), plain(signal(hide, "u", "i")),
		}, "hide hide:1 recents:2 seen view:1"},

		"put":          {[]written{put("creator", "c", "title", "t")}, "by:c item(t)"},
		"put replaces": {[]written{put("creator", "c", "title", "t"), put("title", "u")}, "item(u)"},
		"patch keeps":  {[]written{put("creator", "c", "title", "t"), patch("title", "u")}, "by:c item(u)"},
		"patch clears": {[]written{put("creator", "c", "title", "t"), patch("creator", "")}, "item(t)"},
		"patch makes":  {[]written{patch("title", "t")}, "item(t)"},
		"put with lower stamp": {[]written{
			above(9e6, entity(record.KindPut, id.KindItem, "i", "title", "t")),
			put("title", "u"),
		}, "item(t)"},
		"other kinds of entity": {[]written{
			plain(entity(record.KindPut, id.KindUser, "i")),
			plain(entity(record.KindPatch, id.KindCreator, "i")),
		}, "creator() user()"},
		"delete": {[]written{
			put("title", "t"), plain(signal(view, "u", "i")),
			plain(entity(record.KindDelete, id.KindItem, "i")),
		}, "recents:1 seen"},
		"delete and put": {[]written{
			put("creator", "c"), plain(signal(view, "", "i")),
			plain(entity(record.KindDelete, id.KindItem, "i")), put("title", "t"),
		}, "item(t)"},
		"delete again": {[]written{
			plain(entity(record.KindDelete, id.KindItem, "i")),
			plain(entity(record.KindDelete, id.KindItem, "i")),
		}, ""},
		"erase": {[]written{
			plain(byC), plain(signal(like, "u", "i")), plain(signal(hide, "u",
				"i")), plain(relation(record.MuteCreator, true, "u", "c")),
			plain(record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: "u"}}),
		}, "hide:1 like:1 view:1"},
		"level and note": {[]written{
			plain(record.Proposed{Kind: record.KindFormatLevel, Level: record.FormatLevel{Level: 1}}),
			plain(record.Proposed{Kind: record.KindAnnotation, Annotation: record.Annotation{Name: "n"}}),
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e, _, far, _ := start(t)
			apply(t, e, far.batch(c.records...), engine.Applied)
			if got := look(t, e); got != c.want {
				t.Errorf("engine holds %q, want %q", got, c.want)
			}
		})
	}
}

// TestASignalOfAnOldGenerationHasNoEffect applies signals that were stamped before a delete and an erase were known
// there.
func TestASignalOfAnOldGenerationHasNoEffect(t *testing.T) {
	e, _, far, farther := start(t)
	old := signal(like, "u", "i")
	late := far.batch(plain(old)) // knows of neither
	apply(t, e, farther.batch(
		plain(entity(record.KindDelete, id.KindItem, "i")),
		plain(record.Proposed{Kind: record.KindErase, Erase: record.Erase{User: "u"}}),
	), engine.Applied)
	apply(t, e, late, engine.Applied)
	if got := look(t, e); got != "" {
		t.Errorf("engine holds %q", got)
	}
	if c := e.Counters(); c.Stale != 2 || c.Signals != 1 {
		t.Errorf("%d stale effects of %d signals, want 2 of 1", c.Stale, c.Signals)
	}
	now := signal(like, "u", "i")
	now.Signal.ItemGen, now.Signal.UserGen = e.Generation(id.KindItem, "i"), e.Generation(id.KindUser, "u")
	apply(t, e, far.batch(plain(now)), engine.Applied)
	if got := look(t, e); got != "like:1 liked recents:1" {
		t.Errorf("after a signal of the new generations the engine holds %q", got)
	}
	// A generation that isn't known here yet ends the one that is.
	ahead := now
	ahead.Signal.ItemGen = hlc.Make(5e6, 0)
	apply(t, e, far.batch(plain(ahead)), engine.Applied)
	if got := cell(t, e, "i", "like").Total(); got != 1 || e.Generation(id.KindItem, "i") != hlc.Make(5e6, 0) {
		t.Errorf("like counts %d in generation %v", got, e.Generation(id.KindItem, "i"))
	}
	for item := range e.Items {
		if item != "i" {
			t.Errorf("item %q is listed", item)
		}
	}
}

func TestADeletedItemIsNotListed(t *testing.T) {
	e, _, far, _ := start(t)
	listed := func() (all []string) {
		e.Items(func(s string) bool {
			all = append(all, s)
			return true
		})
		slices.Sort(all)
		return all
	}
	apply(t, e, far.batch(
		plain(signal(view, "u", "a")), plain(entity(record.KindPut, id.KindItem, "b")), plain(signal(view, "u", "c")),
		plain(relation(record.HideItem, true, "u", "d")),
	), engine.Applied)
	if got := listed(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("items are %v", got)
	}
	apply(t, e, far.batch(
		plain(entity(record.KindDelete, id.KindItem, "a")), plain(entity(record.KindDelete, id.KindItem, "b")),
	), engine.Applied)
	if got := listed(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("after two deletes items are %v", got)
	}
}

// TestACompensationTakesTheSumsBack applies a compensation before its event, after it, and instead of it.
func TestACompensationTakesTheSumsBack(t *testing.T) {
	p := signal(view, "u", "i")
	p.Signal.Creator, p.Signal.Cohorts, p.Signal.Weight = "c", []string{"x", "y"}, 3*fixed.One
	const when = 900_000
	build := func(t *testing.T) (e *engine.Engine, event, undo []byte) {
		e, _, far, _ := start(t)
		event = far.batch(at(when, p))
		later := newFeed(t, id.Origin{Region: there.Region, Incarnation: 1}, testSchema())
		return e, event, later.batch(plain(compensate(there.At(1), when, p.Signal, later.schema)))
	}
	states := map[string]string{}
	for name, first := range map[string]bool{"before": true, "after": false} {
		e, event, undo := build(t)
		if first {
			apply(t, e, undo, engine.Applied)
			if n := cell(t, e, "i", "view").Total(); n != -1 {
				t.Errorf("%s: a compensation alone counts %d", name, n)
			}
		}
		apply(t, e, event, engine.Applied)
		if !first {
			apply(t, e, undo, engine.Applied)
		}
		if !e.Undone(there.At(1)) || e.Undone(there.At(2)) {
			t.Errorf("%s: the event is undone: %v, its neighbour: %v", name, e.Undone(there.At(1)),
				e.Undone(there.At(2)))
		}
		c := cell(t, e, "i", "view")
		if s, ok := c.Score(hour, when); c.Total() != 0 || ok && s.Float() != 0 {
			t.Errorf("%s: counts %d, score %v", name, c.Total(), s)
		}
		// Registers and lists are the user's; a compensation doesn't touch them.
		if got := look(t, e); got != "recents:1 seen" {
			t.Errorf("%s: engine holds %q", name, got)
		}
		states[name] = dump(e)
	}
	if states["before"] != states["after"] {
		t.Errorf("states differ:\n%s\n%s", states["before"], states["after"])
	}
}

// TestEventsCountWhereTheyBelong writes events late and early: order of arrival is not order of time.
func TestEventsCountWhereTheyBelong(t *testing.T) {
	e, _, far, _ := start(t)
	const now = 1_000_000_000
	apply(t, e, far.batch(
		at(now, signal(view, "a", "i")), at(now-2*hour, signal(view, "b", "i")), at(now-40*24*hour, signal(view, "c",
			"i")),
		at(now+hour/2, signal(view, "d", "i")), at(-5, signal(view, "e", "i")),
	), engine.Applied)
	c := cell(t, e, "i", "view")
	if mark, ok := c.Mark(); !ok || mark != now+hour/2 {
		t.Errorf("newest event is at %d", mark)
	}
	for q, want := range map[int64][2]int64{now + hour/2: {2, 3}, now + 3*hour: {0, 3}, now + 48*hour: {0, 0}} {
		if h, d := c.Count(0, q), c.Count(1, q); h != want[0] || d != want[1] {
			t.Errorf("at %+d h: %d in the last hour, %d in the last day, want %v", (q-now)/hour, h, d, want)
		}
	}
	if n := c.Total(); n != 5 {
		t.Errorf("total is %d", n)
	}
	if e.Counters().Newest != now+hour/2 {
		t.Errorf("newest event time is %d", e.Counters().Newest)
	}
}
