package ranker

import (
	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tidaldb/tidal/internal/index"
	"github.com/tidaldb/tidal/internal/state"
	"github.com/tidaldb/tidal/query"
)

// about is what a filter is about beside items' fields; it implements [index.Context].
type about struct {
	r   *Ranker
	now int64
}

func (a about) Now() int64 { return a.now }

// Condition implements [index.Context].
func (a about) Condition(c query.Condition) index.Set {
	who := &a.r.who
	switch c {
	case query.Seen:
		return marked{who, markSeen}
	case query.Liked:
		return marked{who, markLiked}
	case query.Saved:
		return marked{who, markSaved}
	case query.InProgress:
		return marked{who, markInProgress}
	case query.Followed:
		return followed{a.r}
	case query.Unblocked:
		return unblocked{a.r}
	}
	return nil
}

// Collection implements [index.Context].
func (a about) Collection(name string) index.Set {
	if s := a.r.who.collection(name); s != nil {
		return collected{s}
	}
	return nil
}

// Cohort implements [index.Context].
func (a about) Cohort(name string) index.Set { return counted{a.r, name} }

// marked are the items on which a user has one of several marks.
type marked struct {
	who *person
	any marks
}

func (s marked) Has(n state.Ord) bool {
	m, _ := s.who.items.get(uint32(n))
	return m&s.any != 0
}

func (s marked) Items() (*roaring.Bitmap, bool) {
	var list []uint32
	s.who.items.each(func(n uint32, m *marks) {
		if *m&s.any != 0 {
			list = append(list, n)
		}
	})
	return roaring.BitmapOf(list...), true
}

func (s marked) Estimate() int { return s.who.items.len() }

// followed are the items of the creators whom a user follows.
type followed struct{ r *Ranker }

// mostUnited is of how many creators the items are put together in one set.
const mostUnited = 256

func (s followed) Has(n state.Ord) bool {
	t, _ := s.r.who.creators.get(s.r.job.Views.creatorOf(n))
	return t.follows
}

func (s followed) Items() (*roaring.Bitmap, bool) {
	column, ok := s.r.job.Views.Index.Creators()
	if !ok || len(s.r.who.follows) > mostUnited {
		return nil, false
	}
	all := roaring.New()
	for _, code := range s.r.who.follows {
		all.Or(column.Items(code))
	}
	return all, true
}

func (s followed) Estimate() int {
	sum := 0
	if column, ok := s.r.job.Views.Index.Creators(); ok {
		for _, code := range s.r.who.follows {
			sum += column.Count(code)
		}
	}
	return sum
}

// unblocked are the items that a user hasn't hidden, nor muted or blocked the creator of.
type unblocked struct{ r *Ranker }

func (s unblocked) Has(n state.Ord) bool           { return !s.r.who.hidden(s.r.job.Views, n) }
func (s unblocked) Items() (*roaring.Bitmap, bool) { return nil, false }
func (s unblocked) Estimate() int                  { return s.r.job.Views.Index.Len() }

// collected are the items of a collection.
type collected struct{ items *ordSet }

func (s collected) Has(n state.Ord) bool { return s.items.has(n) }

func (s collected) Items() (*roaring.Bitmap, bool) {
	list := make([]uint32, 0, s.items.len())
	s.items.each(func(n uint32, _ *struct{}) { list = append(list, n) })
	return roaring.BitmapOf(list...), true
}

func (s collected) Estimate() int { return s.items.len() }

// counted are the items that somebody of a cohort has sent a signal about.
type counted struct {
	r      *Ranker
	cohort string
}

func (s counted) Has(n state.Ord) bool {
	for i := range s.r.job.Views.schema.Signals {
		if s.r.job.Engine.HasCohortCell(n, s.cohort, s.r.job.Views.schema.Signals[i].Name) {
			return true
		}
	}
	return false
}

func (s counted) Items() (*roaring.Bitmap, bool) { return nil, false }
func (s counted) Estimate() int                  { return s.r.job.Views.Index.Len() / 4 }
