package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
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
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("node %s: %w: %s answers %s: %s %w", n.Name, errNotYet, path, res.Status, text, errors.Join(err))
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
type Status struct {
	Number  uint64   `json:"replica,string"`
	Leader  uint64   `json:"leader,string"`
	Term    uint64   `json:"term,string"`
	Members []Member `json:"members"`
}

// Member is a member of a group, as a node sees it.
type Member struct {
	Number  uint64 `json:"replica,string"`
	Address string `json:"address"`
	URL     string `json:"url"`
	Learner bool   `json:"learner"`
}

// Status asks a node how its group is.
func (n *Node) Status(ctx context.Context) (s Status, err error) {
	text, err := n.get(ctx, "/v1/cluster")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("node %s: its status is %s: %w", n.Name, text, err)
	}
	return s, nil
}

// Leader returns the node that leads, once one does and all that run say so.
func (f *Fleet) Leader(ctx context.Context) (leader *Node, err error) {
	if len(f.Nodes) == 1 {
		return f.Nodes[0], nil
	}
	err = until(ctx, "wait for a leader", func(ctx context.Context) error {
		leader = nil
		var number uint64
		for _, n := range f.Nodes {
			if !n.Running() {
				continue
			}
			s, err := n.Status(ctx)
			if err != nil {
				return err
			}
			if s.Leader == 0 || number != 0 && s.Leader != number {
				return fmt.Errorf("%w: node %s says that %d leads, another says %d", errNotYet, n.Name, s.Leader, number)
			}
			number = s.Leader
			if s.Number == number {
				leader = n
			}
		}
		if leader == nil {
			return fmt.Errorf("%w: the leader, %d, isn't here", errNotYet, number)
		}
		return nil
	})
	return leader, err
}

// Whole returns once there is a leader, all nodes that run are voters of its, and none else is.
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
		voters := map[string]bool{}
		var learners []string
		for _, m := range s.Members {
			if m.Learner {
				learners = append(learners, m.URL)
			} else {
				voters[strings.TrimSuffix(m.URL, "/")] = true
			}
		}
		for _, n := range f.Nodes {
			if n.Running() && !voters[n.URL] {
				return fmt.Errorf("%w: node %s is no voter; learners are %v", errNotYet, n.Name, learners)
			}
		}
		return nil
	})
}
