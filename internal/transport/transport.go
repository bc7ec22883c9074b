package transport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrBusy is returned when a queue to a peer is full: the peer, or the way to it, is slower than what is sent.
	ErrBusy = errors.New("queue to the peer is full")
	// ErrNoPeer is returned when no address is known for a replica's number.
	ErrNoPeer = errors.New("no address is known for the replica")
	// ErrDown is returned when the peer couldn't be reached lately; it is tried again by itself.
	ErrDown = errors.New("peer is not reachable")
	// ErrFrame is returned when a frame or request is longer than the limit.
	ErrFrame = errors.New("frame is longer than the limit")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("transport is closed")
)

// Identity is who one end of a connection is.
type Identity struct {
	// Cluster is the database's id, as in IDENTITY. All zero: not known yet, by a newcomer.
	Cluster [16]byte
	// Region and Shard name the group.
	Region, Shard uint16
	// Replica is the replica's number; 0 is nobody yet, who may only ask.
	Replica uint64
	// Version is the program's, for people to read; it decides nothing.
	Version uint32
}

// Handler takes what arrives. Its methods are called by goroutines of the transport, or by the scheduler of a stepped one.
type Handler interface {
	// Receive takes a frame, which is the handler's from then on, of a replica of the own region by its number, of another
	// region by that of [Far]. There is one call at a time for each peer and class; the
	// next frame of the peer and class waits until it returns, and the sender's queue fills up behind it.
	Receive(from uint64, frame []byte)
	// Answer answers a small question, such as to join; from is as for Receive, and 0 if the asker has no number yet. The context ends when the
	// asker is gone, the time for an answer is over, or the transport closes. An error travels as its text. Any number of
	// calls may run at the same time, up to the transport's limit.
	Answer(ctx context.Context, from uint64, request []byte) ([]byte, error)
}

// Transport is one replica's end of the network. All methods may be called at any time by anybody.
type Transport interface {
	// SetPeer says where a replica is, one of another region by its number of [Far]: as "host:port"; a changed address is dialled at once.
	SetPeer(number uint64, address string)
	// RemovePeer forgets a replica: what is queued for it is dropped, and its connections are looked at again, whether they
	// may stay.
	RemovePeer(number uint64)
	// Send queues a frame for a peer, and never blocks. The frame belongs to the transport. Errors: ErrBusy, ErrNoPeer,
	// ErrDown, ErrFrame, ErrClosed. Without an error the frame may still be lost.
	Send(to uint64, frame []byte) error
	// SendBulk is Send for large things that aren't urgent, such as chunks of a snapshot. They have their own queue and
	// connection; there is no order between them and what Send sends.
	SendBulk(to uint64, frame []byte) error
	// Ask sends a request to an address, whose number needn't be known, and returns the answer. Errors: a *Refusal, an
	// *AnswerError, ErrFrame, ErrClosed, the context's, or the network's.
	Ask(ctx context.Context, address string, request []byte) ([]byte, error)
	// Address is where others reach this end.
	Address() string
	// Stats returns what is known of each peer, by number.
	Stats() []PeerStats
	// Close ends all connections, drops what is queued, and returns when no call of the handler runs any more.
	Close() error
}

// AnswerError is the failure of the handler at the other end of an Ask.
type AnswerError struct{ Text string }

// Error returns the text of the other side's error.
func (e *AnswerError) Error() string { return "the other side answered: " + e.Text }

// PeerStats is what a transport counts for one peer since it is known.
type PeerStats struct {
	// Number and Address are who and where. Learned says that the address was told by the peer itself, not by SetPeer.
	Number  uint64
	Address string
	Learned bool
	// Urgent and Bulk are the two classes of what is sent.
	Urgent, Bulk ClassStats
	// ReceivedFrames and ReceivedBytes are of both classes, payload alone.
	ReceivedFrames, ReceivedBytes uint64
	// Refused counts the connections refused, by either side.
	Refused uint64
	// LastError is why the last connection ended or wasn't made, "" if none has; LastErrorAt is when.
	LastError   string
	LastErrorAt time.Time
}

// ClassStats is what is counted for one class of frames to one peer.
type ClassStats struct {
	// Connected is since when the connection stands, zero if it doesn't.
	Connected time.Time
	// QueuedFrames and QueuedBytes wait to be written.
	QueuedFrames int
	QueuedBytes  int64
	// SentFrames and SentBytes were written to the connection, payload alone.
	SentFrames, SentBytes uint64
	// DroppedFull, DroppedDown and DroppedLost are frames that were refused because of a full queue or a missing
	// connection, and those that waited when a connection ended. TooLong were longer than the limit.
	DroppedFull, DroppedDown, DroppedLost, TooLong uint64
	// Connects is how often a connection was made; all but the first are reconnects.
	Connects uint64
	// RoundTrip is the last measured time from here to the peer's handler and back; 0 if none was measured.
	RoundTrip time.Duration
}

// Reason says in one word why a connection isn't wanted. The numbers travel, and are never used for something else.
type Reason uint8

// The reasons of a refusal.
const (
	// ReasonNone is no refusal.
	ReasonNone Reason = iota
	// ReasonCluster: the other end belongs to another database.
	ReasonCluster
	// ReasonGroup: it is of another shard, or of another region where those aren't let in.
	ReasonGroup
	// ReasonVersion: the two programs have no version of the protocol in common.
	ReasonVersion
	// ReasonCertificate: one end's certificate isn't good for the other.
	ReasonCertificate
	// ReasonReplica: the address belongs to another replica than the one that was looked for.
	ReasonReplica
	// ReasonOverlap: two living processes claim one number.
	ReasonOverlap
	// ReasonNotAdmitted: the owner of the transport refuses the replica, for one because it was removed.
	ReasonNotAdmitted
	// ReasonNotYet: the replica has no number yet, and takes no frames.
	ReasonNotYet
	// ReasonBusy: there are too many connections or questions.
	ReasonBusy
	// ReasonProtocol: what came isn't this protocol, is damaged, or is over a limit.
	ReasonProtocol
	// ReasonPlain: one end speaks TLS and the other doesn't.
	ReasonPlain
	reasons
)

// String returns the reason as a word for logs and metrics.
func (r Reason) String() string {
	names := [reasons]string{
		"none", "cluster", "group", "version", "certificate", "replica", "overlap", "not_admitted",
		"not_yet", "busy", "protocol", "plain",
	}
	if r < reasons {
		return names[r]
	}
	return fmt.Sprintf("reason_%d", uint8(r))
}

// Refusal says why a connection was refused. Both ends have it: the one that refused with Remote false.
type Refusal struct {
	Reason Reason
	// Text says what is wrong and how to mend it, at most 1 KiB.
	Text string
	// Remote says that the other end refused.
	Remote bool
}

// Error returns who refused, and the text.
func (e *Refusal) Error() string {
	if e.Remote {
		return fmt.Sprintf("refused by the other side (%s): %s", e.Reason, e.Text)
	}
	return fmt.Sprintf("refused (%s): %s", e.Reason, e.Text)
}
