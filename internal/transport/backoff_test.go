package transport_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// nowhere is a listener to which nobody comes.
type nowhere struct {
	once sync.Once
	done chan struct{}
}

func (n *nowhere) Accept() (net.Conn, error) {
	<-n.done
	return nil, net.ErrClosed
}

func (n *nowhere) Close() error {
	n.once.Do(func() { close(n.done) })
	return nil
}

func (n *nowhere) Addr() net.Addr { return &net.UnixAddr{Name: "nowhere", Net: "memory"} }

// TestPausesGrowAndAreDrawn dials nobody for an hour of a bubble's time. Each pause lies between half and all of what it
// doubles to, up to the longest; no two members pause alike; a new address ends the pause and begins anew.
func TestPausesGrowAndAreDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		times := map[string][]time.Time{}
		member := func(name string) *transport.TCP {
			end, err := transport.Listen(transport.Options{
				Listener: &nowhere{done: make(chan struct{})}, Identity: transporttest.Who(1), Handler: quiet{t},
				Dial: func(_ context.Context, address string) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					times[name+address] = append(times[name+address], time.Now())
					return nil, errors.New("nobody is there")
				},
				BackoffMin: 100 * time.Millisecond, BackoffMax: 10 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			return end
		}
		one, two := member("1"), member("2")
		defer one.Close()
		defer two.Close()
		one.SetPeer(2, "far")
		two.SetPeer(2, "far")
		<-time.After(time.Hour)
		moved := time.Now()
		one.SetPeer(2, "elsewhere")
		<-time.After(time.Second)
		synctest.Wait()

		mu.Lock()
		defer mu.Unlock()
		if first := times["1elsewhere"]; len(first) == 0 || first[0].Sub(moved) != 0 {
			t.Errorf("a new address was dialled at %v, after %v", first, moved)
		}
		alike := 0
		for _, name := range []string{"1far", "2far"} {
			want := 100 * time.Millisecond
			if n := len(times[name]); n < 360 || n > 740 {
				t.Errorf("%d attempts in an hour with pauses of 5 to 10 s", n)
			}
			for i, at := range times[name][1:] {
				if pause := at.Sub(times[name][i]); pause < want/2 || pause > want {
					t.Errorf("pause %d took %v; want %v to %v", i, pause, want/2, want)
				}
				want = min(2*want, 10*time.Second)
				if i < len(times["1far"]) && i < len(times["2far"]) && times["1far"][i].Equal(times["2far"][i]) {
					alike++
				}
			}
		}
		if alike > 10 { // both begin at the same time, twice counted
			t.Errorf("%d attempts came at the same nanosecond", alike)
		}
	})
}
