package transport

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// TCP is the transport between processes: frames over TCP and TLS 1.3. It is made by [Listen].
type TCP struct {
	o        Options
	listener net.Listener
	process  uint64 // tells this process from another that claims the same number
	started  time.Time
	asks     chan struct{}
	ctx      context.Context // ends when Close begins
	stop     context.CancelFunc
	wg       sync.WaitGroup // every goroutine but those of links
	said     said

	mu     sync.Mutex
	closed bool
	peers  map[uint64]*peer
	claims map[uint64]*claim
	socks  map[net.Conn]struct{} // what others have begun
}

var _ Transport = (*TCP)(nil)

// peer is a replica that frames go to or have come from.
type peer struct {
	number uint64
	links  [2]*link // urgent, bulk

	// Guarded by the transport's mu.
	address             string
	learned             bool
	gotFrames, gotBytes uint64
	refused             uint64
	lastError           string
	lastErrorAt         time.Time
}

// Listen starts a transport. It takes connections at once, and dials peers as soon as they are set.
func Listen(o Options) (*TCP, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	if err := checkTLS(o.TLS); err != nil {
		return nil, err
	}
	l := o.Listener
	if l == nil {
		if l, err = net.Listen("tcp", o.Listen); err != nil {
			return nil, err
		}
	}
	if o.TLS == nil {
		err = checkPlain(l.Addr())
	}
	if err == nil {
		o.Advertise, err = advertised(&o, l.Addr())
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if o.TLS == nil {
		o.Log.Warn("replicas talk without TLS: everybody on this machine can read and write everything", "address", l.Addr().String())
	}
	t := &TCP{
		o: o, listener: l, process: rand.Uint64(), started: time.Now(), asks: make(chan struct{}, o.MaxAsks),
		peers: map[uint64]*peer{}, claims: map[uint64]*claim{}, socks: map[net.Conn]struct{}{},
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.wg.Go(t.accept)
	return t, nil
}

// advertised returns under which address others reach this end. A name in Listen stays a name: certificates may know
// it alone.
func advertised(o *Options, a net.Addr) (string, error) {
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case o.Advertise != "" || !ok && a.String() == "":
		return o.Advertise, nil
	case !ok:
		return a.String(), nil
	case tcp.IP.IsUnspecified():
		return "", fault.Refuse("Advertise", "is missing: %s is every address of this machine; say under which one others reach it", a)
	}
	host := tcp.IP.String()
	if o.Listener == nil {
		if name, _, err := net.SplitHostPort(o.Listen); err == nil && name != "" {
			host = name
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port)), nil
}

// Address returns where others reach this end: Advertise, or where it listens.
func (t *TCP) Address() string { return t.o.Advertise }

// SetPeer says where a replica is. This end's own number is passed over.
func (t *TCP) SetPeer(number uint64, address string) { t.setPeer(number, address, false) }

// maxLearned bounds the peers that nobody has set.
const maxLearned = 64

func (t *TCP) setPeer(number uint64, address string, learned bool) {
	here := t.o.Identity()
	if number == 0 || address == "" || number == here.Replica || number == Far(here.Region, here.Replica) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[number]
	switch {
	case t.closed:
		return
	case p == nil && learned && t.countLearned() >= maxLearned:
		return
	case p == nil:
		p = &peer{number: number, address: address}
		p.links = [2]*link{newLink(t, p, urgent), newLink(t, p, bulk)}
		t.peers[number] = p
	case learned && !p.learned:
		return // what was set counts
	}
	p.learned = learned
	if p.address == address {
		return
	}
	p.address = address
	for _, l := range p.links {
		l.moved(address)
	}
}

func (t *TCP) countLearned() (n int) {
	for _, p := range t.peers {
		if p.learned {
			n++
		}
	}
	return n
}

// RemovePeer forgets a replica, drops what is queued for it, and asks Admit again about what it has begun.
func (t *TCP) RemovePeer(number uint64) {
	t.mu.Lock()
	p := t.peers[number]
	delete(t.peers, number)
	claim := t.claims[number]
	t.mu.Unlock()
	if p != nil {
		for _, l := range p.links {
			l.stop() // its goroutine ends by itself
		}
	}
	if claim != nil {
		t.lookAgain(claim)
	}
}

// Send queues an urgent frame.
func (t *TCP) Send(to uint64, frame []byte) error { return t.send(to, 0, frame) }

// SendBulk queues a frame that may take its time.
func (t *TCP) SendBulk(to uint64, frame []byte) error { return t.send(to, 1, frame) }

func (t *TCP) send(to uint64, which int, frame []byte) error {
	t.mu.Lock()
	p, closed := t.peers[to], t.closed
	t.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case p == nil:
		return ErrNoPeer
	}
	return p.links[which].send(frame)
}

// Stats returns what is known of each peer, by number.
func (t *TCP) Stats() []PeerStats {
	t.mu.Lock()
	out := make([]PeerStats, 0, len(t.peers))
	links := make(map[uint64][2]*link, len(t.peers))
	for _, p := range t.peers {
		out = append(out, PeerStats{
			Number: p.number, Address: p.address, Learned: p.learned, ReceivedFrames: p.gotFrames, ReceivedBytes: p.gotBytes,
			Refused: p.refused, LastError: p.lastError, LastErrorAt: p.lastErrorAt,
		})
		links[p.number] = p.links
	}
	t.mu.Unlock()
	for i := range out {
		l := links[out[i].Number]
		out[i].Urgent, out[i].Bulk = l[0].snapshot(), l[1].snapshot()
	}
	slices.SortFunc(out, func(a, b PeerStats) int { return cmp.Compare(a.Number, b.Number) })
	return out
}

// Close ends everything and waits for it. A handler that never returns keeps it waiting.
func (t *TCP) Close() error {
	t.mu.Lock()
	already := t.closed
	t.closed = true
	for _, p := range t.peers {
		for _, l := range p.links {
			l.stop()
		}
	}
	socks := make([]net.Conn, 0, len(t.socks))
	for c := range t.socks {
		socks = append(socks, c)
	}
	t.mu.Unlock()
	var err error
	if !already {
		t.stop()
		err = t.listener.Close()
		for _, c := range socks {
			_ = c.Close() // its goroutine ends by that, and says nothing of it
		}
	}
	t.wg.Wait()
	return err
}

// noted keeps why a connection to or from a peer ended.
func (t *TCP) noted(number uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[number]
	if p == nil {
		return
	}
	var refused *Refusal
	if errors.As(err, &refused) {
		p.refused++
	}
	p.lastError, p.lastErrorAt = err.Error(), time.Now()
}

// said keeps the log from saying the same again and again.
type said struct {
	mu    sync.Mutex
	times map[string]time.Time
}

const (
	sayAgain = time.Minute
	maxSaid  = 256
)

// warn logs what strangers and peers did wrong, each thing once a minute.
func (t *TCP) warn(text string, where string, err error) {
	key := text + where + gist(err)
	now := time.Now()
	t.said.mu.Lock()
	last, ok := t.said.times[key]
	if !ok || now.Sub(last) >= sayAgain {
		if len(t.said.times) >= maxSaid || t.said.times == nil {
			t.said.times = map[string]time.Time{}
		}
		t.said.times[key] = now
		ok = false
	}
	t.said.mu.Unlock()
	level := slog.LevelWarn
	if refused := (*Refusal)(nil); errors.As(err, &refused) && refused.Reason == ReasonNotYet {
		level = slog.LevelDebug // it joins, and will be dialled again
	}
	if !ok {
		t.o.Log.Log(t.ctx, level, text, slog.String("address", where), slog.Any("err", err))
	}
}

// gist is an error without what changes with every attempt, such as ports.
func gist(err error) string {
	var refused *Refusal
	if errors.As(err, &refused) {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, refused.Text)
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
