package host

import (
	"encoding/hex"
	"fmt"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

// Joined is what a replica is told that joins a group: who it is there, and who is there already.
type Joined struct {
	Cluster     [16]byte
	Tenant      string
	Region      id.Region
	Shard       id.Shard
	Incarnation id.Incarnation
	// Replica is its number. Nobody had it before.
	Replica uint64
	// Members are the others. Their addresses matter until the log says more.
	Members []consensus.Member
}

// identity is what the directory of such a replica says.
func (j *Joined) identity() identity {
	i := identity{
		Format: 2, Cluster: hex.EncodeToString(j.Cluster[:]), Tenant: j.Tenant, Region: j.Region, Shard: j.Shard,
		Replica: j.Replica, Incarnation: j.Incarnation, Joined: true,
	}
	for _, m := range j.Members {
		if m.Number != j.Replica {
			i.Members = append(i.Members, peer{m.Number, m.Address, m.URL, m.Learner})
		}
	}
	return i
}

// told are the members that the directory knows of from joining.
func (i *identity) told() []consensus.Member {
	out := make([]consensus.Member, len(i.Members))
	for k, p := range i.Members {
		out[k] = consensus.Member{Number: p.Number, Address: p.Address, URL: p.URL, Learner: p.Learner}
	}
	return out
}

// joined is what a newcomer is told of this replica's group; its number isn't filled in.
func (b *Base) joined() Joined {
	who, _ := b.identity.wal() // it was checked when it was read
	return Joined{
		Cluster: who.Cluster, Tenant: who.Tenant, Region: who.Region, Shard: who.Shard, Incarnation: b.identity.Incarnation,
	}
}

// known are the members that the directory tells of: by its checkpoint and log, and, as far as these don't reach, by what it was
// told when it joined.
func (b *Base) known() []consensus.Member {
	out := b.Restored.Members.List()
	for _, m := range b.identity.told() {
		if m.Number > b.Restored.Members.Highest() {
			out = append(out, m)
		}
	}
	return out
}

// alone refuses to open a member of a group of many by itself: it would wait for the others' votes for ever.
func (b *Base) alone() error {
	for _, voter := range b.Restored.Members.Voters() {
		if voter != b.identity.Replica {
			return fmt.Errorf("%s belongs to replica %d of a group of %d, and has to be opened as a member of it: %w", b.opts.Dir,
				b.identity.Replica, len(b.Restored.Members.List()), fault.ErrForeign)
		}
	}
	return nil
}
