package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
)

// lookEvery is how often it's looked whether something has come true.
const lookEvery = 10 * time.Millisecond

// patience is how long one answer may take while something is waited for.
const patience = 5 * time.Second

// errNotYet is wrapped by what may still come true.
var errNotYet = errors.New("not yet")

// until looks again and again whether something is so, until it is, fails, or the context ends.
func until(ctx context.Context, what string, look func(ctx context.Context) error) error {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		err := look(ctx)
		if err == nil || !errors.Is(err, errNotYet) {
			return err
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}

// get asks a node over HTTP. What it can't be asked, or refuses, may go better later, as long as it runs.
func (n *Node) get(ctx context.Context, path string) (text []byte, err error) {
	if !n.Running() {
		return nil, fmt.Errorf("node %s: it has ended: %s", n.Name, n.Log())
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL+path, nil)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", n.Name, err)
	}
	res, err := n.f.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w: %w", n.Name, errNotYet, err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	text, err = io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w: %w", n.Name, errNotYet, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("node %s: %w: %s answers %s: %s", n.Name, errNotYet, path, res.Status, text)
	}
	return text, nil
}

// Ready returns once a node says that it's ready.
func (n *Node) Ready(ctx context.Context) error {
	return until(ctx, "wait until node "+n.Name+" is ready", func(ctx context.Context) error {
		_, err := n.get(ctx, "/readyz")
		return err
	})
}

// Status is what a node says of its group.
type Status = tidalpb.ClusterResponse

// Status asks a node how its group is. What it can't say now may come true later, as long as it runs.
func (n *Node) Status(ctx context.Context) (*Status, error) {
	if !n.Running() {
		return nil, fmt.Errorf("node %s: it has ended: %s", n.Name, n.Log())
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s, err := tidalpbconnect.NewTidalClient(n.f.http, n.URL).Cluster(ctx, &tidalpb.ClusterRequest{})
	if err != nil {
		return nil, fmt.Errorf("node %s: %w: its status: %w", n.Name, errNotYet, err)
	}
	return s, nil
}

// Number is what the group calls a node, once it says so.
func (n *Node) Number(ctx context.Context) (number int64, err error) {
	err = until(ctx, "ask node "+n.Name+" for its number", func(ctx context.Context) error {
		s, err := n.Status(ctx)
		number = s.GetReplica()
		return err
	})
	return number, err
}

// Remove has a node take a member out of the group.
func (n *Node) Remove(ctx context.Context, number int64) error {
	admin := tidalpbconnect.NewAdminClient(n.f.http, n.URL)
	if _, err := admin.RemoveMember(ctx, &tidalpb.RemoveMemberRequest{Number: number}); err != nil {
		return fmt.Errorf("node %s: remove member %d: %w", n.Name, number, err)
	}
	return nil
}

// Transfer has a node make another one lead.
func (n *Node) Transfer(ctx context.Context, to int64) error {
	admin := tidalpbconnect.NewAdminClient(n.f.http, n.URL)
	if _, err := admin.TransferLeadership(ctx, &tidalpb.TransferLeadershipRequest{To: to}); err != nil {
		return fmt.Errorf("node %s: have %d lead: %w", n.Name, to, err)
	}
	return nil
}

// Promote has a node make a region home. It may be any region's.
func (n *Node) Promote(ctx context.Context, region string) error {
	admin := tidalpbconnect.NewAdminClient(n.f.http, n.URL)
	if _, err := admin.PromoteRegion(ctx, &tidalpb.PromoteRegionRequest{Region: region}); err != nil {
		return fmt.Errorf("node %s: make %s home: %w", n.Name, region, err)
	}
	return nil
}

// List is what a node answers to a query.
type List = tidalpb.RankResponse

// Rank asks a node for a list in the text form, without following anybody elsewhere.
func (n *Node) Rank(ctx context.Context, query, token string) (*List, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ask := &tidalpb.RankRequest{Query: &tidalpb.RankRequest_Text{Text: query}, Token: token}
	list, err := tidalpbconnect.NewTidalClient(n.f.http, n.URL).Rank(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w: %s: %w", n.Name, errNotYet, query, err)
	}
	return list, nil
}

// Until looks again and again whether something has come true, until it has or the context ends, which is an error that says what
// was looked for last.
func Until(ctx context.Context, what string, look func(ctx context.Context) error) error {
	return until(ctx, what, func(ctx context.Context) error {
		if err := look(ctx); err != nil {
			return fmt.Errorf("%w: %w", errNotYet, err)
		}
		return nil
	})
}

// Leader returns the node that leads, once one does and all that run say so.
func (f *Fleet) Leader(ctx context.Context) (*Node, error) { return f.LeaderOf(ctx, f.Nodes) }

// LeaderOf returns the one of some nodes that leads, once one does and all of them that run say so.
func (f *Fleet) LeaderOf(ctx context.Context, nodes []*Node) (leader *Node, err error) {
	if len(f.Nodes) == 1 {
		return f.Nodes[0], nil
	}
	err = until(ctx, "wait for a leader", func(ctx context.Context) error {
		leader = nil
		var number int64
		for _, n := range nodes {
			if !n.Running() {
				continue
			}
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			if s.GetLeader() == 0 || number != 0 && s.GetLeader() != number {
				return fmt.Errorf("%w: node %s says that %d leads, another says %d", errNotYet, n.Name, s.GetLeader(), number)
			}
			number = s.GetLeader()
			if s.GetReplica() == number {
				leader = n
			}
		}
		if leader == nil {
			return fmt.Errorf("%w: the leader, %d, isn't among them", errNotYet, number)
		}
		return nil
	})
	return leader, err
}

// Whole returns once there is a leader and all nodes that run are voters.
func (f *Fleet) Whole(ctx context.Context) error {
	if len(f.Nodes) == 1 {
		return nil
	}
	return until(ctx, "wait until all nodes are voters", func(ctx context.Context) error {
		leader, err := f.Leader(ctx)
		if err != nil {
			return err
		}
		s, err := leader.Status(ctx)
		if err != nil {
			return err
		}
		roles := map[int64]string{}
		for _, m := range s.GetMembers() {
			roles[m.GetNumber()] = m.GetRole()
		}
		for _, n := range f.Nodes {
			if !n.Running() {
				continue
			}
			number, err := n.Number(ctx)
			if err != nil {
				return err
			}
			if role := roles[number]; role == "" || role == "learner" {
				return fmt.Errorf("%w: node %s is number %d, %q", errNotYet, n.Name, number, role)
			}
		}
		return nil
	})
}
