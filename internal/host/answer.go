package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
)

// answer answers a question, or has the leader answer it.
func (r *Replica) answer(ctx context.Context, q *question) (a answer) {
	now := r.loop.now().Wall / 1e6
	if q.Kind != questionWhere && q.Kind != questionRegions {
		r.awaitLeader(ctx)
	}
	here := r.loop.here()
	a.Joined, a.Wall, a.Leader, a.Highest = r.base.joined(), now, here.leader, here.members.Highest()
	a.Members = r.whereabouts(here)
	var err error
	switch {
	case q.Kind.ofRegions():
		return r.answerRegions(ctx, q, a)
	case q.Kind != questionJoin && q.Incarnation != a.Incarnation:
		err = fmt.Errorf("replica %d is of incarnation %d of the group, which goes on as %d since it lost its majority; move its "+
			"directory away and let it join anew: %w", q.Number, q.Incarnation, a.Incarnation, fault.ErrForeign)
	case q.Kind == questionWhere:
		a.Replica = r.base.identity.Replica
		err = here.standing(q.Number)
	case q.Kind == questionTransfer && q.Number == here.leader && q.Number != 0:
	case q.Kind == questionReaddress && here.leader == 0:
		err = r.meet(ctx, q)
	case !here.leading:
		return r.passOn(ctx, q, a)
	default:
		err = r.lead(ctx, q, &a)
	}
	return a.with(err)
}

// whereabouts are the members, and where they are: of itself this one knows it, also before the group was told that it has moved.
func (r *Replica) whereabouts(h *here) []consensus.Member {
	list := slices.Clone(h.members.List())
	for i := range list {
		if list[i].Number == h.self {
			list[i].Address, list[i].URL = r.links.address(), r.links.group.URL
		}
	}
	return list
}

// awaitLeader waits while an election is under way, and until who is elected here can do what is asked for.
func (r *Replica) awaitLeader(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 3*r.links.group.election())
	defer cancel()
	_ = r.loop.awaitHere(ctx, func(h *here) bool { return h.leading || h.leader != 0 && h.leader != h.self }) // or it's said
}

// with is the answer with the outcome.
func (a answer) with(err error) answer {
	a.Code = errCode(err)
	if err != nil {
		a.Text = strings.TrimPrefix(err.Error(), "refused: ") // which the answer says by itself
	}
	return a
}

// passOn has the leader answer.
func (r *Replica) passOn(ctx context.Context, q *question, a answer) answer {
	here := r.loop.here()
	leader, ok := here.members.Get(here.leader)
	switch {
	case !ok || leader.Address == "" || here.leader == r.base.identity.Replica:
		return a.with(fmt.Errorf("%w: no leader is known to replica %d", fault.ErrNotLeader, r.base.identity.Replica))
	case q.Hops >= maxHops && !q.Kind.ofRegions() || q.Hops >= maxRegionHops:
		return a.with(fmt.Errorf("%w: leadership moves faster than questions do", fault.ErrNotLeader))
	}
	on := *q
	on.Hops++
	got, err := r.links.ask(ctx, leader.Address, on)
	if err != nil {
		err = fmt.Errorf("ask the leader, replica %d at %s: %w", leader.Number, leader.Address, err)
		if ctx.Err() != nil {
			return a.with(fmt.Errorf("%w: %w", fault.ErrUnknown, err))
		}
		// Whether it had an effect isn't known, but who asks may ask again: nothing is done twice.
		return a.with(fmt.Errorf("%w: %w", fault.ErrNotLeader, err))
	}
	return got
}

// lead does what a leader is asked for.
func (r *Replica) lead(ctx context.Context, q *question, a *answer) error {
	switch q.Kind {
	case questionJoin:
		return r.takeIn(ctx, q, a)
	case questionRemove:
		return r.takeOut(ctx, q)
	case questionTransfer:
		return r.transfer(ctx, q.Number)
	case questionReaddress:
		m, ok := r.loop.here().members.Get(q.Number)
		if !ok {
			return r.loop.here().standing(q.Number)
		}
		if m.Address == q.Address && m.URL == q.URL {
			return nil
		}
		if err := r.vacated(ctx, m, q.Address); err != nil {
			return err
		}
		m.Address, m.URL = q.Address, q.URL
		return r.change(ctx, consensus.Change{Kind: consensus.Readdress, Member: m})
	}
	return fault.Refuse("kind", "%v is nothing that a leader does", q.Kind)
}

// vacatedBound is how long it's asked whether somebody is where a member was.
const vacatedBound = time.Second

// vacated returns an error if a member that says it has moved is still where it was: then there are two of it, such as by
// a directory that was copied.
func (r *Replica) vacated(ctx context.Context, m consensus.Member, to string) error {
	if m.Address == "" || m.Address == to || m.Number == r.base.identity.Replica {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, vacatedBound)
	defer cancel()
	a, err := r.links.ask(ctx, m.Address, question{
		Kind: questionWhere, Incarnation: r.base.identity.Incarnation, Number: m.Number, Wall: r.loop.now().Wall / 1e6,
	})
	if err == nil && a.Replica == m.Number {
		return fault.Refuse("number", "%d is taken: a process at %s says that it is replica %d, too, and so does one at %s; a "+
			"directory mustn't be copied: stop one of them, move its directory away, and let it join anew", m.Number, m.Address,
			m.Number, to)
	}
	return nil
}

// meet notes where a member says it is while nobody leads: so many may have moved that nobody can be elected before they hear each
// other. The group is told once somebody leads.
func (r *Replica) meet(ctx context.Context, q *question) error {
	here := r.loop.here()
	m, ok := here.members.Get(q.Number)
	if !ok {
		return errors.Join(here.standing(q.Number), fault.ErrNotLeader)
	}
	if err := r.vacated(ctx, m, q.Address); err != nil {
		return err
	}
	r.links.find(m.Number, q.Address)
	return fmt.Errorf("%w: no leader is known to replica %d", fault.ErrNotLeader, r.base.identity.Replica)
}

// takeIn makes somebody a learner under the next number.
func (r *Replica) takeIn(ctx context.Context, q *question, a *answer) error {
	if err := r.checkClock(q, a); err != nil {
		return err
	}
	if q.Address == "" {
		return fault.Refuse("address", "is empty; say where the others reach the newcomer")
	}
	status, err := r.status(ctx)
	if err != nil {
		return err
	}
	for _, m := range status.Members {
		if m.Address != q.Address {
			continue
		}
		if !m.Learner || m.Alive || m.Number == status.Number || status.reached(m.Number) {
			return fault.Refuse("address", "%s belongs to replica %d; if that is gone for good, remove it first: "+
				"tidal cluster remove %d", q.Address, m.Number, m.Number)
		}
		// The answer to an earlier question of this newcomer was lost.
		if err := r.change(ctx, consensus.Change{Kind: consensus.Remove, Member: m.Member}); err != nil {
			return err
		}
	}
	m := consensus.Member{Number: r.loop.here().members.Highest() + 1, Address: q.Address, URL: q.URL, Learner: true}
	if err := r.change(ctx, consensus.Change{Kind: consensus.AddLearner, Member: m}); err != nil {
		return err
	}
	here := r.loop.here()
	a.Replica, a.Members, a.Highest, a.Leader = m.Number, r.whereabouts(here), here.members.Highest(), here.leader
	return nil
}

// takeOut takes a member out, unless those who are left and alive would be no majority.
func (r *Replica) takeOut(ctx context.Context, q *question) error {
	m, ok := r.loop.here().members.Get(q.Number)
	switch {
	case !ok && q.Number > 0 && q.Number <= r.loop.here().members.Highest():
		return nil // it was taken out before
	case !ok:
		status, err := r.status(ctx)
		if err != nil {
			return err
		}
		return fault.Refuse("number", "%d is no member; there are %s", q.Number, status.names())
	}
	if !q.Force {
		if err := r.bears(ctx, m); err != nil {
			return err
		}
	}
	if q.Number == r.loop.here().self {
		// Who takes itself out lets somebody else lead first, who then does so.
		if err := r.transfer(ctx, 0); err != nil {
			return err
		}
		a := r.passOn(ctx, q, answer{})
		return a.err()
	}
	return r.change(ctx, consensus.Change{Kind: consensus.Remove, Member: m})
}

// bears returns an error if the group would come to a stand without a member. Somebody who was only slow to speak, or whom
// a new leader hasn't heard of yet, gets the time to.
func (r *Replica) bears(ctx context.Context, without consensus.Member) error {
	wait, cancel := context.WithTimeout(ctx, heardPatience)
	defer cancel()
	again := time.NewTicker(changeAgain)
	defer again.Stop()
	for {
		status, err := r.status(ctx)
		if err != nil {
			return err
		}
		if err = status.bears(without); err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-wait.Done():
			return err
		}
	}
}

// bears returns an error if the group would come to a stand without a member.
func (s *GroupStatus) bears(without consensus.Member) error {
	voters, alive := 0, 0
	for _, m := range s.Members {
		if m.Learner || m.Number == without.Number {
			continue
		}
		voters++
		if m.Alive || m.Number == s.Number {
			alive++
		}
	}
	switch {
	case without.Learner:
		return nil
	case voters == 0:
		return fault.Refuse("number", "%d is the last one that votes", without.Number)
	case 2*alive <= voters:
		return fault.Refuse("number", "%d can't be spared: of the %d that would be left to vote, %d are alive, and a majority "+
			"is needed for every write; start the others first, or take it out by force", without.Number, voters, alive)
	}
	return nil
}

// changeAgain is between attempts to change members, and changePatience how long another change is waited for: mostly a
// newcomer that is about to vote. heardPatience is how long a member that seems dead is waited for.
const (
	changeAgain    = 20 * time.Millisecond
	changePatience = 5 * time.Second
	heardPatience  = 2 * time.Second
)

// change proposes a change of members and waits until it is done.
func (r *Replica) change(ctx context.Context, ch consensus.Change) error {
	wait, cancel := context.WithTimeout(ctx, changePatience)
	defer cancel()
	again := time.NewTicker(changeAgain)
	defer again.Stop()
	for {
		err := r.loop.change(ctx, ch)
		if !errors.Is(err, fault.ErrChanging) {
			return err
		}
		select {
		case <-again.C:
		case <-wait.Done():
			return err
		}
	}
}
