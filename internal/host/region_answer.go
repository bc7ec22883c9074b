package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
	"github.com/tidaldb/tidal/internal/replica"
)

// What regions are is written in one place each: numbers, names and roles at home, by the leader there, through its log; where
// a region is, by its own leader; and which one is home, by the leader of the one that becomes it. A question goes from
// whomever it was put to, to the leader of its group, to a member of the region that can answer, and to the leader there. See
// docs/decisions/0049-regions-numbers-and-home.md.

// answerRegions answers a question about regions, or has it answered.
func (r *Replica) answerRegions(ctx context.Context, q *question, a answer) answer {
	var err error
	if q.Kind != questionRegions {
		var target engine.Region
		if target, err = r.target(q); err == nil {
			if target.Number != r.base.identity.Region {
				return r.passOver(ctx, q, a, &target)
			}
			if !r.loop.here().leading {
				return r.passOn(ctx, q, a)
			}
			err = r.leadRegions(ctx, q, &a)
		}
	}
	if err == nil {
		a.Regions = r.Regions()
	}
	return a.with(err)
}

// target is the region whose leader answers.
func (r *Replica) target(q *question) (engine.Region, error) {
	all, home := r.table()
	for _, x := range all {
		switch {
		case q.Kind == questionPromote && x.Name == q.Name && !x.Removed, q.Kind != questionPromote && x.Number == home:
			return x, nil
		}
	}
	switch {
	case len(all) > 0 && q.Kind == questionPromote:
		return engine.Region{}, noRegion("region", q.Name, all)
	case len(all) > 0:
		return engine.Region{}, fmt.Errorf("%w: home is region %d, which isn't known here", fault.ErrNotLeader, home)
	case q.Kind == questionRegion:
		return engine.Region{Number: r.base.identity.Region}, nil // the founder, whom nobody has joined yet
	}
	return engine.Region{}, errNoRegions
}

// noRegion says that there is none of a name, and which there are.
func noRegion(field, name string, all []engine.Region) error {
	var names []string
	for _, x := range all {
		if !x.Removed {
			names = append(names, x.Name)
		}
	}
	near := ""
	if n := fault.Nearest(name, names); n != "" {
		near = fmt.Sprintf(" (did you mean %s?)", n)
	}
	return fault.Refuse(field, "%q is none%s; there are %s", name, near, fmt.Sprint(names))
}

// passOver has a member of another region answer, whichever can.
func (r *Replica) passOver(ctx context.Context, q *question, a answer, to *engine.Region) answer {
	if q.Hops >= maxRegionHops {
		return a.with(fmt.Errorf("%w: leadership moves faster than questions do", fault.ErrNotLeader))
	}
	on := *q
	on.Hops++
	last := fmt.Errorf("%w: no member of region %s is known", fault.ErrNotLeader, to.Name)
	for _, m := range to.Endpoints {
		if m.Address == "" {
			continue
		}
		got, err := r.links.ask(ctx, m.Address, on)
		switch {
		case err == nil && got.Code != answerNoLeader:
			return got
		case err == nil:
			last = got.err()
		case ctx.Err() != nil:
			return a.with(fmt.Errorf("%w: ask region %s at %s: %w", fault.ErrUnknown, to.Name, m.Address, err))
		default:
			last = fmt.Errorf("%w: ask region %s at %s: %w", fault.ErrNotLeader, to.Name, m.Address, err)
		}
	}
	return a.with(last)
}

// table is the region table, and who is home, as applied here.
func (r *Replica) table() (all []engine.Region, home id.Region) {
	_ = r.Read(func(e *engine.Engine) error {
		all, home = e.Regions(), e.Home()
		return nil
	})
	return all, home
}

// leadRegions does what the leader of the region in question is asked for. One thing at a time: what is read of the table
// holds until what comes of it is written.
func (r *Replica) leadRegions(ctx context.Context, q *question, a *answer) error {
	r.naming.Lock()
	defer r.naming.Unlock()
	all, home := r.table()
	switch q.Kind {
	case questionRegion:
		return r.nameRegion(ctx, q, a, all)
	case questionPromote:
		return r.becomeHome(ctx, all, home)
	case questionForget:
		return r.forgetRegion(ctx, q, all)
	}
	return fault.Refuse("kind", "%v is nothing that a leader does", q.Kind)
}

// nameRegion gives a new region its number. One that asks again under the name and address that it had, because the answer
// was lost, gets the number that it got, for as long as it has written nothing.
func (r *Replica) nameRegion(ctx context.Context, q *question, a *answer, all []engine.Region) error {
	if err := r.checkClock(q, a); err != nil {
		return err
	}
	if err := record.CheckRegionName("region", q.Name); err != nil {
		return err
	}
	if q.Address == "" {
		return fault.Refuse("address", "is empty; say where the others reach the newcomer")
	}
	records, known, err := r.founding(q, all)
	if err != nil {
		return err
	}
	number, err := r.highestNumber()
	if err != nil {
		return err
	}
	for _, x := range known {
		number = max(number, x.Number)
		if x.Name != q.Name || x.Removed {
			continue
		}
		if len(x.Endpoints) != 1 || x.Endpoints[0].Address != q.Address || r.wrote(x.Number) {
			return fault.Refuse("region", "%q is there already, as number %d; give another name, or join it with the addresses of "+
				"its members", q.Name, x.Number)
		}
		a.Region, a.Incarnation, a.Replica, a.Members = x.Number, 0, 1, nil
		return nil
	}
	if err := r.majority(known); err != nil {
		return err
	}
	if number == 1<<16-1 {
		return fault.Refuse("region", "%q would be number %d, and there are no more", q.Name, int(number)+1)
	}
	number++
	records = append(records,
		record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{Number: number, Name: q.Name, Follower: q.Follower}},
		record.Proposed{Kind: record.KindEndpoints, Endpoints: record.Endpoints{
			Number: number, Members: []record.Endpoint{{Replica: 1, Address: q.Address, URL: q.URL}},
		}},
	)
	if err := r.enter(ctx, records); err != nil {
		return err
	}
	a.Region, a.Incarnation, a.Replica, a.Members = number, 0, 1, nil
	return nil
}

// founding returns what enters the first region, before there is a second one, and the regions with it.
func (r *Replica) founding(q *question, all []engine.Region) ([]record.Proposed, []engine.Region, error) {
	if len(all) > 0 {
		return nil, all, nil
	}
	own := engine.Region{Number: r.base.identity.Region, Name: r.links.group.regionName(), Home: true}
	if own.Name == q.Name {
		return nil, nil, fault.Refuse("region", "%q is what the region that is asked is called; give another name", q.Name)
	}
	return []record.Proposed{
		{Kind: record.KindRegion, Region: record.RegionInfo{Number: own.Number, Name: own.Name}},
		{Kind: record.KindHome, Home: record.Home{Number: own.Number}},
		{Kind: record.KindEndpoints, Endpoints: r.endpoints()},
	}, []engine.Region{own}, nil
}

// wrote reports whether anything is known that a region stamped.
func (r *Replica) wrote(number id.Region) (wrote bool) {
	_ = r.Read(func(e *engine.Engine) error {
		for o := range e.Vector().All {
			wrote = wrote || o.Region == number
		}
		return nil
	})
	return wrote
}

// majority returns an error unless more than half of the regions were heard of lately: a home that is cut off doesn't know
// whether another region has been promoted, and mustn't give a number that that one gives.
func (r *Replica) majority(all []engine.Region) error {
	heard := map[id.Region]bool{}
	for _, s := range r.Regions() {
		heard[s.Number] = s.Own || s.Known && s.Heard <= r.silence()
	}
	voices, silent := 0, []string(nil)
	for _, x := range all {
		switch {
		case x.Removed:
		case x.Number == r.base.identity.Region, heard[x.Number]:
			voices++
		case r.wrote(x.Number):
			silent = append(silent, x.Name)
		}
	}
	if len(silent) >= voices {
		return fmt.Errorf("no number is given while %v aren't heard of, in case one of them is home by now; have them back, or forget "+
			"them: %w", silent, fault.ErrNotLeader)
	}
	return nil
}

// becomeHome makes the own region home. If it took no writes so far, the old home takes none from now on.
func (r *Replica) becomeHome(ctx context.Context, all []engine.Region, home id.Region) error {
	own := r.base.identity.Region
	if home == own {
		return nil
	}
	records := []record.Proposed{{Kind: record.KindHome, Home: record.Home{Number: own}}}
	i := slices.IndexFunc(all, func(x engine.Region) bool { return x.Number == own })
	j := slices.IndexFunc(all, func(x engine.Region) bool { return x.Number == home })
	if i >= 0 && j >= 0 && all[i].Follower && !all[j].Removed {
		records = append(records,
			record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{Number: own, Name: all[i].Name}},
			record.Proposed{Kind: record.KindRegion, Region: record.RegionInfo{Number: home, Name: all[j].Name, Follower: true}},
		)
	}
	return r.enter(ctx, records)
}

// forgetRegion takes a region out.
func (r *Replica) forgetRegion(ctx context.Context, q *question, all []engine.Region) error {
	own := r.base.identity.Region
	var gone, successor *engine.Region
	for i := range all {
		x := &all[i]
		if x.Name == q.Name && (gone == nil || gone.Removed) {
			gone = x
		}
		if !x.Removed && (x.Name == q.Successor || q.Successor == "" && x.Number == own) {
			successor = x
		}
	}
	switch {
	case gone == nil:
		return noRegion("region", q.Name, all)
	case gone.Removed:
		return nil // it was taken out before
	case gone.Number == own:
		return fault.Refuse("region", "%q is home; promote another one first", q.Name)
	case successor == nil:
		return noRegion("successor", q.Successor, all)
	case successor.Number == gone.Number:
		return fault.Refuse("successor", "is the region itself")
	}
	return r.enter(ctx, []record.Proposed{{Kind: record.KindRegion, Region: record.RegionInfo{
		Number: gone.Number, Name: gone.Name, Follower: gone.Follower, Removed: true, Successor: successor.Number,
	}}})
}

// enter writes control records of the group's own.
func (r *Replica) enter(ctx context.Context, records []record.Proposed) error {
	for {
		req := &replica.Request{Records: slices.Clone(records)}
		err := r.Read(func(e *engine.Engine) error {
			s, hash := e.Schema()
			req.Schema = hash
			return replica.Check(req, s)
		})
		if err == nil {
			req.Content = record.ContentHash(req.Records)
			_, err = r.Write(ctx, req)
		}
		if in := (*fault.Input)(nil); errors.As(err, &in) && in.Field == "schema" {
			continue // it has grown in between
		}
		return err
	}
}

// endpoints are the own group's members, for other regions.
func (r *Replica) endpoints() record.Endpoints {
	out := record.Endpoints{Number: r.base.identity.Region}
	for _, m := range r.loop.here().members.List() {
		if m.Address != "" {
			out.Members = append(out.Members, record.Endpoint{Replica: m.Number, Address: m.Address, URL: m.URL})
		}
	}
	slices.SortFunc(out.Members, func(a, b record.Endpoint) int { return int(int64(a.Replica) - int64(b.Replica)) })
	return out
}

// checkClock refuses a newcomer whose clock is off.
func (r *Replica) checkClock(q *question, a *answer) error {
	if off := time.Duration(q.Wall-a.Wall) * time.Millisecond; max(off, -off) > r.base.opts.SkewBound {
		return fmt.Errorf("the clock at %s is %v away from the leader's, and may be at most %v; set it right, or have it set by "+
			"NTP: %w", q.Address, off, r.base.opts.SkewBound, fault.ErrClock)
	}
	return nil
}
