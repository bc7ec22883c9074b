package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tidaldb/tidal/internal/certs"
	"github.com/tidaldb/tidal/internal/transport/faultproxy"
)

// WorldOptions say what regions to run.
type WorldOptions struct {
	// Options are those of every region: Nodes is how many servers each has.
	Options
	// Names are the regions', home first; empty is us-east, eu-west and ap-south.
	Names []string
	// Followers are those of them that take no writes.
	Followers []string
	// Distance is how what one region says to another travels, each way.
	Distance faultproxy.Weather
}

// World is the regions of one database, each a fleet. Between any two of them the network can be cut, see [World.Part]. Its
// methods belong to one goroutine.
//
//	w, err := fleet.StartWorld(ctx, fleet.WorldOptions{Options: fleet.Options{Dir: dir, Nodes: 1, Program: program}})
//	defer w.Close()
//	w.Alone("ap-south")
//	…
//	w.Mend()
//	digest, err := w.Same(ctx)
type World struct {
	// Regions are in the order in which they were started.
	Regions []*Fleet

	o         WorldOptions
	authority certs.Pair // if peers talk with certificates
	nodes     int        // that there ever were
	whole     bool       // it was started

	mu   sync.Mutex
	pids map[int]string // the region of each process that runs
}

// StartWorld founds a database in the first region, has the others join it, and returns once each of them has heard of all.
func StartWorld(ctx context.Context, o WorldOptions) (w *World, err error) {
	if err := Worlds(); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	if len(o.Names) == 0 {
		o.Names = []string{"us-east", "eu-west", "ap-south"}
	}
	w = &World{o: o, pids: map[int]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
			w = nil
		}
	}()
	if !o.Plain {
		if w.authority, err = authority(o.Dir); err != nil {
			return w, err
		}
	}
	for _, name := range o.Names {
		if _, err := w.Add(ctx, name); err != nil {
			return w, err
		}
	}
	w.whole = true
	return w, w.Joined(ctx)
}

// Add starts the servers of a further region with empty directories, and returns once all are ready.
func (w *World) Add(ctx context.Context, name string) (*Fleet, error) {
	o := w.o.Options
	o.world, o.region = w, name
	f := &Fleet{o: o, http: &http.Client{Transport: &http.Transport{}}, late: w.whole}
	for i := range o.Nodes {
		n, err := f.newNode(i)
		if err == nil {
			err = w.openDoor(n)
		}
		if err == nil && !o.Plain {
			err = f.certifyNode(w.authority, n)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.Nodes = append(f.Nodes, n)
		w.nodes++
	}
	w.Regions = append(w.Regions, f) // Close ends what was begun
	for _, n := range f.Nodes {
		if err := n.Start(ctx); err != nil {
			return nil, err
		}
		f.sayf("node %s of region %s serves %s", n.Name, name, n.URL)
	}
	return f, f.Whole(ctx)
}

// Region returns a region's servers.
func (w *World) Region(name string) *Fleet {
	for _, f := range w.Regions {
		if f.o.region == name {
			return f
		}
	}
	panic("fleet: there is no region " + name)
}

// Name is what the database calls the servers' region, "" for those that aren't of a world.
func (f *Fleet) Name() string { return f.o.region }

// joinsAt are the members of other regions that a node is told of: none in the first region, which founds the database.
func (w *World) joinsAt(name string) string {
	var out []string
	for _, f := range w.Regions {
		if f.o.region == name {
			break
		}
		for _, n := range f.Nodes {
			out = append(out, n.advertised())
		}
	}
	return strings.Join(out, ",")
}

// runs notes whose process it is.
func (w *World) runs(pid int, region string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pids[pid] = region
}

func (w *World) ended(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pids, pid)
}

// Part cuts what a region says to others: nothing of it arrives, and what they say to it does.
func (w *World) Part(from string, to ...string) error {
	for _, a := range to {
		// Each end begins connections, and what is said on one goes up or down.
		if err := w.cut(from, a, faultproxy.Up); err != nil {
			return err
		}
		if err := w.cut(a, from, faultproxy.Down); err != nil {
			return err
		}
	}
	return nil
}

// Alone cuts a region off from all others, in both directions. Clients reach it still.
func (w *World) Alone(name string) error {
	for _, f := range w.Regions {
		if other := f.o.region; other != name {
			if err := errors.Join(w.Part(name, other), w.Part(other, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut cuts a direction of the connections that one region's servers begin to another one's.
func (w *World) cut(from, to string, d faultproxy.Direction) error {
	for _, n := range w.Region(to).Nodes {
		way, err := n.door.way(from)
		if err != nil {
			return err
		}
		way.Cut(d)
	}
	return nil
}

// Mend ends all cuts.
func (w *World) Mend() { w.eachWay((*faultproxy.Proxy).Mend) }

// Reset breaks all connections between regions.
func (w *World) Reset() { w.eachWay((*faultproxy.Proxy).Reset) }

// SetWeather changes how everything travels between regions.
func (w *World) SetWeather(weather faultproxy.Weather) {
	w.o.Distance = weather
	w.eachWay(func(p *faultproxy.Proxy) { p.SetWeather(faultproxy.Both, weather) })
}

func (w *World) eachWay(do func(*faultproxy.Proxy)) {
	for _, f := range w.Regions {
		for _, n := range f.Nodes {
			n.door.mu.Lock()
			for _, p := range n.door.ways {
				do(p)
			}
			n.door.mu.Unlock()
		}
	}
}

// Joined returns once every server that runs has heard of all regions that run.
func (w *World) Joined(ctx context.Context) error {
	return until(ctx, "wait until all regions have heard of each other", func(ctx context.Context) error {
		for _, f := range w.Regions {
			leader, err := f.leads(ctx)
			if err != nil {
				return err
			}
			if leader == nil {
				continue
			}
			s, err := leader.Status(ctx)
			if err != nil {
				return err
			}
			for _, other := range w.Regions {
				if other == f || !slices.ContainsFunc(other.Nodes, (*Node).Running) {
					continue
				}
				if err := hears(leader, s, other.o.region); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// hears returns an error unless a status says that a region is heard of.
func hears(n *Node, s *Status, region string) error {
	for _, r := range s.GetRegions() {
		if r.GetName() == region && r.GetHeard() != nil && !r.GetUnreachable() {
			return nil
		}
	}
	return fmt.Errorf("%w: node %s of %s hasn't heard of %s", errNotYet, n.Name, n.f.o.region, region)
}

// leads returns the leader of a region, nil if no server of it runs.
func (f *Fleet) leads(ctx context.Context) (*Node, error) {
	if !slices.ContainsFunc(f.Nodes, (*Node).Running) {
		return nil, nil
	}
	return f.Leader(ctx)
}

// Same returns the digest of all servers that run once it's the same, which it comes to be when nobody writes.
func (w *World) Same(ctx context.Context) (string, error) { return same(ctx, w.running()) }

// running are the servers that run, of all regions.
func (w *World) running() (out []*Node) {
	for _, f := range w.Regions {
		for _, n := range f.Nodes {
			if n.Running() {
				out = append(out, n)
			}
		}
	}
	return out
}

// Compare is [Fleet.Compare] for all servers that run. A region that began with a copy has no log from before.
func (w *World) Compare(ctx context.Context, ledgers ...*Ledger) (*Verdict, error) {
	// They agree first: what was acknowledged in one region is under way to the others.
	if _, err := w.Same(ctx); err != nil {
		return nil, err
	}
	return compare(ctx, w.running(), ledgers...)
}

// Ranged says that a region's servers have got events as compacted ranges, of which no log tells one by one: [World.Compare] holds
// their counts against what clients know, and not their logs.
func (f *Fleet) Ranged() { f.late = true }

// URLs are where clients find the servers of all regions, those of the first one first.
func (w *World) URLs() (out []string) {
	for _, f := range w.Regions {
		out = append(out, f.URLs()...)
	}
	return out
}

// Logs are what all servers have said, for a failure's picture.
func (w *World) Logs() string {
	var b strings.Builder
	for _, f := range w.Regions {
		b.WriteString(f.Logs())
	}
	return b.String()
}

// Close kills what still runs.
func (w *World) Close() error {
	var errs []error
	for _, f := range w.Regions {
		errs = append(errs, f.KillAll())
	}
	for _, f := range w.Regions {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
