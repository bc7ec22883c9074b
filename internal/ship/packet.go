package ship

import (
	"fmt"

	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// Peer is one replica of one region.
type Peer struct {
	Region  id.Region
	Replica uint64 // from 1; 0 is nobody
}

// String prints "replica 2 of region 1".
func (p Peer) String() string { return fmt.Sprintf("replica %d of region %d", p.Replica, p.Region) }

func (p Peer) compare(q Peer) int {
	switch {
	case p.Region != q.Region:
		return int(p.Region) - int(q.Region)
	case p.Replica < q.Replica:
		return -1
	case p.Replica > q.Replica:
		return 1
	}
	return 0
}

// PacketKind says what a packet is for. The numbers travel.
type PacketKind uint8

// The kinds of packets.
const (
	// PacketSubscribe asks for batches behind a vector.
	PacketSubscribe PacketKind = iota + 1
	// PacketAccept says that they will come.
	PacketAccept
	// PacketRefuse says that they won't, or no longer, and why.
	PacketRefuse
	// PacketData carries them; one without any is a sign of life.
	PacketData
	// PacketAck says what has arrived and what is applied.
	PacketAck
	// PacketLeave ends a subscription.
	PacketLeave
	// PacketNews tells the other replicas of the own region what its leader knows of all regions, and anybody of a fork.
	PacketNews
)

// String returns the kind as a word.
func (k PacketKind) String() string {
	names := [...]string{"none", "subscribe", "accept", "refuse", "data", "ack", "leave", "news"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("packet(%d)", uint8(k))
}

// Reason is why a subscription isn't served. The numbers travel.
type Reason uint8

// The reasons.
const (
	// ReasonNone is no refusal.
	ReasonNone Reason = iota
	// ReasonCluster: the subscriber belongs to another database, or to another tenant space.
	ReasonCluster
	// ReasonRegion: its region was removed.
	ReasonRegion
	// ReasonSession: the source doesn't know the subscription, perhaps because it was started anew.
	ReasonSession
	// ReasonBusy: the source has as many subscribers as it takes.
	ReasonBusy
	// ReasonTwice: the source knows another region under the subscriber's number.
	ReasonTwice
	reasons
)

// String returns the reason as a word.
func (r Reason) String() string {
	names := [reasons]string{"none", "cluster", "region", "session", "busy", "twice"}
	if r < reasons {
		return names[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// Packet is what two replicas tell each other about shipping. A packet may be lost, delayed, repeated and overtaken. Which of
// its fields count depends on its kind; those of [Pulse] do in all.
type Packet struct {
	To, From Peer
	Kind     PacketKind
	// Session is the number that the subscriber gave to the subscription; 0 in news.
	Session uint64
	Pulse   Pulse

	// Name is what the sender's region is called, in packets that subscribe or accept; empty if it doesn't know.
	Name string
	// Subscribe is set in packets of that kind alone.
	Subscribe *Subscription
	// Reason and Text say why, in a refusal.
	Reason Reason
	Text   string
	// Number counts the packets with data of a subscription, from 1; a sign of life has the number of the one before. In an
	// acknowledgement it's the last one up to which all have arrived.
	Number uint64
	// Items are what data carries, in order.
	Items []Item
	// Gone are origins that this source has, and can't give from where the subscriber stands.
	Gone []id.Origin
	// Taken is how many bytes of items the subscriber is done with, since the subscription began.
	Taken uint64
}

// Subscription says what is wanted.
type Subscription struct {
	// Cluster and Tenant name the database.
	Cluster [16]byte
	Tenant  string
	// Origin is the subscriber's own, which it needs from nobody.
	Origin id.Origin
	// Own asks for all origins of the source's region, also for those to come; Relay for some of other regions.
	Own   bool
	Relay []id.Origin
	// After says behind what, for each origin; nothing is sent of one that has the highest number there is.
	After id.VersionVector
	// Window is how many bytes may be on their way, about.
	Window int64
}

// Item is one batch of an origin, verbatim, or one compacted range as a log entry.
type Item struct {
	Range       bool
	Origin      id.Origin
	First, Last id.Seq
	Data        []byte // read-only

	batch *record.Batch // set by [Packet.Check]
}

// Pulse is what every packet says of its sender.
type Pulse struct {
	// Wall is its clock, in Unix milliseconds.
	Wall int64
	// Leads says that it leads its group, and Leader who does, as far as it knows.
	Leads  bool
	Leader uint64
	// Vector is what it has applied.
	Vector id.VersionVector
	// Knows is what it knows of the other regions, in heartbeats alone. Under the receiver's own region a leader says what of that
	// region's events has come to it and isn't applied yet; without such a report there is none.
	Knows []Report
	// Marks say by what batches origins end here, as far as it's known, where Knows is told as well; and of a fork what both sides hold:
	// to those who are of it, and to the region that stamped it. Those of another region than the sender's are hearsay.
	Marks []Mark
}

// Report is what somebody knows of a region's state.
type Report struct {
	Region id.Region
	Vector id.VersionVector
	// Age is how many milliseconds ago it was so.
	Age uint64
}

// Limits of what travels.
const (
	// MaxPacket is how many bytes the items of a packet have at most, 18 MiB: one of them may be as large as an entry of the log.
	MaxPacket = 18 << 20
	// maxItems bounds the items of a packet, maxReports the reports, maxOrigins the origins of a list, maxEnds the marks, maxText a
	// reason, and maxName a region's name.
	maxItems   = 4096
	maxReports = 256
	maxOrigins = 4096
	maxEnds    = 2 * maxOrigins
	maxText    = 512
	maxName    = record.MaxRegionName
	maxTenant  = id.MaxLen
)

// tellsAll reports whether a packet is one of those that say what their sender knows of the other regions. Some acknowledgements do
// so as well.
func (p *Packet) tellsAll() bool {
	switch p.Kind {
	case PacketSubscribe, PacketAccept:
		return true
	case PacketData:
		return len(p.Items) == 0 && len(p.Gone) == 0
	}
	return false
}

// size is how many bytes of data the packet carries.
func (p *Packet) size() int {
	n := 0
	for i := range p.Items {
		n += len(p.Items[i].Data)
	}
	return n
}
