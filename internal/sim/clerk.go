package sim

import (
	"slices"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// clerk writes which regions there are, who their members are, which one is home, and, when somebody says so, which is from
// then on.
type clerk struct {
	writer
	g       *globe
	queue   []entryInTable
	now     *op
	then    func() // once what is written now is there
	home    *fleet
	members map[*fleet][]consensus.Member // as they were written last
}

// entryInTable is something to write, in one region, and what to do then.
type entryInTable struct {
	records []record.Proposed
	in      *fleet
	then    func()
}

func (k *clerk) schedule() {
	f := k.g.regions[0]
	k.writer = *f.newWriter("clerk")
	k.patience, k.home, k.members = second, f, map[*fleet][]consensus.Member{}
	k.again()
}

func (k *clerk) again() {
	k.f.jobs.enter(k.f.now+k.f.between(30*milli, 150*milli), work{kind: toAct, client: k})
}

// add enters a region in the table; then it begins.
func (k *clerk) add(f *fleet) {
	v := f.province
	records := []record.Proposed{{Kind: record.KindRegion, Region: record.RegionInfo{Number: v.number, Name: v.name, Follower: v.follower}}}
	if v.number == 0 {
		records = append(records, record.Proposed{Kind: record.KindHome})
	}
	first := []consensus.Member{{Number: 1, Address: f.machines[0].address()}}
	records = append(records, endpoints(f, first))
	k.members[f] = first
	k.queue = append(k.queue, entryInTable{records, k.home, func() {
		if !v.begun {
			v.begin(f)
		}
	}})
}

// endpoints say where a region's members are.
func endpoints(f *fleet, members []consensus.Member) record.Proposed {
	p := record.Proposed{Kind: record.KindEndpoints, Endpoints: record.Endpoints{Number: f.province.number}}
	for _, m := range members {
		p.Endpoints.Members = append(p.Endpoints.Members, record.Endpoint{Replica: m.Number, Address: m.Address})
	}
	return p
}

// act writes the next thing, or asks again for the one that is under way.
func (k *clerk) act() {
	k.again()
	if k.now != nil && k.now.over {
		k.now = nil
		if k.then != nil {
			k.then()
		}
	}
	if k.now == nil && len(k.queue) == 0 {
		k.look()
	}
	if k.now == nil && len(k.queue) > 0 && k.g.admin.entered > 0 {
		next := k.queue[0]
		k.queue = k.queue[1:]
		k.now, k.then = k.ask(next.records), next.then
		k.now.only = next.in
	}
	if k.now != nil {
		k.goWhere(k.now)
		k.resend()
	}
}

// look writes anew who a region's members are, where they have changed.
func (k *clerk) look() {
	for _, f := range k.g.regions {
		now := f.agreed.members().List()
		was, there := k.members[f]
		if there && f.province.begun && len(now) > 0 && !slices.EqualFunc(now, was, sameMember) {
			k.members[f] = slices.Clone(now)
			k.queue = append(k.queue, entryInTable{[]record.Proposed{endpoints(f, now)}, k.writes(f), nil})
			return
		}
	}
}

// writes is where a region's entries are written: in itself, unless it takes no writes.
func (k *clerk) writes(f *fleet) *fleet {
	if f.province.follower {
		return k.home
	}
	return f
}

func sameMember(a, b consensus.Member) bool { return a.Number == b.Number }

// elsewhere has what a region that isn't home refused written in the one that it takes for it.
func (k *clerk) elsewhere(o *op, home id.Region) {
	k.home = k.g.regions[home]
	o.only = k.home
}

// promote makes a region home.
func (k *clerk) promote(f *fleet) {
	home := record.Proposed{Kind: record.KindHome, Home: record.Home{Number: f.province.number}}
	k.queue = append(k.queue, entryInTable{[]record.Proposed{home}, f, nil})
	k.home = f
}
