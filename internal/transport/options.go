package transport

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Options configures a [TCP]. Identity, Handler and one of Listen and Listener are needed; everything else may be zero.
type Options struct {
	// Listen is the "host:port" to listen at; port 0 takes a free one. Listener, if set, is used instead, and closed at the
	// end.
	Listen   string
	Listener net.Listener
	// Advertise is the "host:port" under which others reach this end, told to them with every hello: somebody to whom
	// nobody has said where this replica is answers there. Zero: where it listens, which must then be one address and not
	// all of the machine.
	Advertise string
	// Identity says who this end is; called for every connection, so that a newcomer gets its number while it listens.
	Identity func() Identity
	// TLS is used for both directions: its certificate is shown, and the peers' are verified. It must demand client
	// certificates; versions below 1.3 are refused whatever it says. Nil: no encryption and no certificates, which
	// is possible between loopback addresses only.
	TLS *tls.Config
	// Handler takes what arrives.
	Handler Handler
	// Admit refuses a replica that is of the right cluster and group; its text reaches the other end. Zero: everybody.
	// It isn't asked for Ask.
	Admit func(Identity) error
	// Regions lets replicas of other regions in, of the same cluster and shard, and connects to them: their numbers are
	// those of [Far]. Without it they are refused.
	Regions bool
	// Refused is told, by a goroutine of the transport, that the other end refused a connection from here; zero: nobody.
	// A replica that was removed learns it so. It must not call Close.
	Refused func(address string, why *Refusal)
	// Connected is told, by a goroutine of the transport, that the way to a peer has opened for urgent frames; zero: nobody. It
	// must not wait, nor call Close.
	Connected func(number uint64)
	// Log has what changes: connections made, lost, refused; zero: nothing is logged.
	Log *slog.Logger
	// Dial makes a connection; zero: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// MaxFrame bounds a frame, a request and an answer in bytes; zero: 16 MiB. At most 1 GiB.
	MaxFrame int
	// QueueFrames and QueueBytes bound what waits for one peer in one class; zero: 4,096 frames and twice MaxFrame. A frame is
	// taken while the queue is below both, so it may be over by one frame.
	QueueFrames int
	QueueBytes  int64
	// KeepAlive is how often an idle connection shows that it lives, Idle after how much silence it is given up; zero:
	// 500 ms and 2 s.
	KeepAlive, Idle time.Duration
	// BackoffMin and BackoffMax bound the pause before a peer is dialled again, which doubles and is drawn between half and
	// all of it; zero: 50 ms and 2 s.
	BackoffMin, BackoffMax time.Duration
	// Handshake bounds dialling, TLS and hello together; zero: 5 s.
	Handshake time.Duration
	// AskTime bounds a question at the side that answers; zero: 30 s.
	AskTime time.Duration
	// MaxAsks bounds the questions answered at a time, MaxConns the connections that others have made; zero: 64 and 256.
	MaxAsks, MaxConns int
}

// limits of what options may say.
const maxMaxFrame = 1 << 30

// filled returns the options with zeros replaced, or what is wrong with them.
func (o Options) filled() (Options, error) {
	switch {
	case o.Identity == nil:
		return o, fault.Refuse("Identity", "is missing: a transport must say who it is")
	case o.Handler == nil:
		return o, fault.Refuse("Handler", "is missing: nobody takes what arrives")
	case o.Listen == "" && o.Listener == nil:
		return o, fault.Refuse("Listen", "is missing: give an address such as :7400")
	case o.MaxFrame < 0 || o.MaxFrame > maxMaxFrame:
		return o, fault.Refuse("MaxFrame", "is %d; it lies between 1 and %d bytes, 0 takes 16 MiB", o.MaxFrame, maxMaxFrame)
	case o.QueueFrames < 0 || o.QueueBytes < 0 || o.MaxAsks < 0 || o.MaxConns < 0:
		return o, fault.Refuse("QueueFrames", "and its neighbours can't be negative")
	case o.KeepAlive < 0 || o.Idle < 0 || o.BackoffMin < 0 || o.BackoffMax < 0 || o.Handshake < 0 || o.AskTime < 0:
		return o, fault.Refuse("KeepAlive", "and the other durations can't be negative")
	case len(o.Advertise) > maxAddress:
		return o, fault.Refuse("Advertise", "has %d bytes; at most %d", len(o.Advertise), maxAddress)
	}
	orInt(&o.MaxFrame, 16<<20)
	orInt(&o.QueueFrames, 4096)
	orInt(&o.QueueBytes, 2*int64(o.MaxFrame))
	orInt(&o.KeepAlive, 500*time.Millisecond)
	orInt(&o.Idle, 4*o.KeepAlive)
	orInt(&o.BackoffMin, 50*time.Millisecond)
	orInt(&o.BackoffMax, max(2*time.Second, o.BackoffMin))
	orInt(&o.Handshake, 5*time.Second)
	orInt(&o.AskTime, 30*time.Second)
	orInt(&o.MaxAsks, 64)
	orInt(&o.MaxConns, 256)
	if o.Idle < 2*o.KeepAlive {
		return o, fault.Refuse("Idle", "is %v, less than two signs of life of %v", o.Idle, o.KeepAlive)
	}
	if o.BackoffMax < o.BackoffMin {
		return o, fault.Refuse("BackoffMax", "is %v, less than BackoffMin, %v", o.BackoffMax, o.BackoffMin)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orInt[T int | int64 | time.Duration](v *T, zero T) {
	if *v == 0 {
		*v = zero
	}
}
