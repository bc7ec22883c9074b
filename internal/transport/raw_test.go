package transport_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/transport"
	"github.com/tidaldb/tidal/internal/transport/transporttest"
)

// The tests of this file speak the protocol by hand, as docs/format/frame.md describes it.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// greetingOf returns a hello of replica 9 for replica 2, urgent, as it travels.
func greetingOf(t testing.TB, _ string) []byte {
	t.Helper()
	who := transporttest.Who(9)()
	body := append([]byte{1}, who.Cluster[:]...)
	body = binary.LittleEndian.AppendUint16(body, who.Region)
	body = binary.LittleEndian.AppendUint16(body, who.Shard)
	body = binary.LittleEndian.AppendUint64(body, who.Replica)
	body = binary.LittleEndian.AppendUint32(body, who.Version)
	body = binary.LittleEndian.AppendUint64(body, 2)  // whom it looks for
	body = binary.LittleEndian.AppendUint64(body, 77) // its process
	body = append(body, 0)                            // no address
	head := append([]byte("tidalnet"), 1, 1, 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(body)))
	return sealed(append(head, body...))
}

func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// versioned is a hello with other versions, and a checksum that holds.
func versioned(hello []byte, lowest, highest byte) []byte {
	b := append([]byte(nil), hello[:len(hello)-4]...)
	b[9], b[10] = lowest, highest
	return sealed(b)
}

func frame(kind byte, payload []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(b, kind)
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, payload)
	return append(binary.LittleEndian.AppendUint32(b, sum), payload...)
}

// joined says hello by hand, and returns the connection behind the welcome.
func joined(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(greetingOf(t, address)); err != nil {
		t.Fatal(err)
	}
	welcome := make([]byte, 14+1+32+2+4)
	if _, err := io.ReadFull(conn, welcome); err != nil {
		t.Fatal(err)
	}
	if welcome[8] != 2 || welcome[11] != 1 || welcome[14] != 0 {
		t.Fatalf("welcome %x", welcome)
	}
	return conn
}

// byeOf reads until a bye, and returns its reason and text.
func byeOf(t *testing.T, conn net.Conn) (transport.Reason, string) {
	t.Helper()
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatalf("it ended without a reason: %v", err)
		}
		payload := make([]byte, binary.LittleEndian.Uint32(head))
		if _, err := io.ReadFull(conn, payload); err != nil {
			t.Fatal(err)
		}
		if head[4] == 5 {
			return transport.Reason(payload[0]), string(payload[1:])
		}
	}
}

// TestBadFramesEndTheConnectionWithAReason sends each by hand behind a good one, which is delivered.
func TestBadFramesEndTheConnectionWithAReason(t *testing.T) {
	damaged := frame(1, []byte("data"))
	damaged[10] ^= 1
	for name, c := range map[string]struct {
		bytes []byte
		says  string
	}{
		"oversized":         {append(binary.LittleEndian.AppendUint32(nil, 1<<20+1), 1, 0, 0, 0, 0), "has 1048577 bytes; at most 1048576"},
		"damaged":           {damaged, "checksum of a frame of 4 bytes doesn't hold"},
		"of no kind":        {frame(0, nil), "of kind 0"},
		"of a later kind":   {frame(200, nil), "of kind 200"},
		"an answer":         {frame(7, []byte("x")), "of kind 7 came where it means nothing"},
		"a long ping":       {append(binary.LittleEndian.AppendUint32(nil, 9), 2, 0, 0, 0, 0), "of kind 2 has 9 bytes; at most 8"},
		"a question inside": {frame(6, []byte("x")), "of kind 6 came where it means nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			var far book
			got := make(chan string, 9)
			w := newWorld(t, transporttest.Limits{MaxFrame: 1 << 20}, nil)
			w.change = func(o *transport.Options) { o.Log = far.logger() }
			w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: receiver(func(from uint64, b []byte) {
				got <- string(rune('0'+from)) + string(b)
			})})
			conn := joined(t, w.address["b"])
			if _, err := conn.Write(append(frame(1, []byte("good")), c.bytes...)); err != nil {
				t.Fatal(err)
			}
			if first := <-got; first != "9good" {
				t.Errorf("delivered %q", first)
			}
			reason, text := byeOf(t, conn)
			if reason != transport.ReasonProtocol || !strings.Contains(text, c.says) {
				t.Errorf("bye for %v: %q", reason, text)
			}
			w.Until("the log says so", func() bool { return far.has(c.says) })
			if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
				t.Errorf("behind the bye: %x, %v", rest, err)
			}
			if len(got) != 0 {
				t.Errorf("%q was delivered", <-got)
			}
		})
	}
}

// TestASilentEndIsGivenUp says hello and nothing more: the other end shows that it lives, and gives up after the idle time.
func TestASilentEndIsGivenUp(t *testing.T) {
	patiently(t, func(times time.Duration) error {
		w := newWorld(t, transporttest.Limits{}, nil)
		var far book
		idle := times * 100 * time.Millisecond
		w.change = func(o *transport.Options) { o.Idle, o.Log = idle, far.logger() }
		w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: quiet{t}})
		conn := joined(t, w.address["b"])
		alive := make([]byte, 9)
		if _, err := io.ReadFull(conn, alive); err != nil || string(alive) != string(frame(4, nil)) {
			return fmt.Errorf("a sign of life %x, %w", alive, err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("it wasn't closed: %v", err)
		}
		w.Until("the log says so", func() bool { return far.has("nothing was heard for " + idle.String()) })
		return nil
	})
}

// TestPingsComeBack sends one by hand.
func TestPingsComeBack(t *testing.T) {
	w := newWorld(t, transporttest.Limits{}, nil)
	w.change = func(o *transport.Options) { o.KeepAlive, o.Idle = time.Hour, 2*time.Hour }
	w.Join("b", transporttest.Member{Identity: transporttest.Who(2), Handler: quiet{t}})
	conn := joined(t, w.address["b"])
	if _, err := conn.Write(frame(2, []byte("12345678"))); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 17)
	if _, err := io.ReadFull(conn, pong); err != nil || string(pong) != string(frame(3, []byte("12345678"))) {
		t.Errorf("pong %x, %v", pong, err)
	}
}
