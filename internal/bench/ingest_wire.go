package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tidaldb/tidal/internal/tidalpb"
	"github.com/tidaldb/tidal/internal/tidalpb/tidalpbconnect"
	"github.com/tidaldb/tidal/internal/workload"
)

// wire is a connection to a server that costs little: the processors of a benchmark's machine are meant for the servers.
// It writes requests in the binary form, one at a time, and reads what it needs of the answers. It repeats nothing, so
// what goes wrong ends the run; package client is for everything else.
type wire struct {
	w    *workload.Workload
	conn net.Conn
	in   *bufio.Reader
	text *textproto.Reader
	head string
	req  *tidalpb.WriteRequest
	out  []byte
	body []byte
	got  tidalpb.WriteResponse
}

// wireTimeout is how long an answer may take.
const wireTimeout = 30 * time.Second

// dialWire connects to the server at a URL, for a lane.
func dialWire(ctx context.Context, w *workload.Workload, server, lane string) (*wire, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &wire{
		w: w, conn: conn, in: bufio.NewReader(conn), req: &tidalpb.WriteRequest{Lane: lane},
		head: "POST " + tidalpbconnect.TidalWriteProcedure + " HTTP/1.1\r\nHost: " + u.Host +
			"\r\nContent-Type: application/proto\r\nConnect-Protocol-Version: 1\r\nContent-Length: ",
	}
	c.text = textproto.NewReader(c.in)
	for range Batch {
		c.req.Records = append(c.req.Records, &tidalpb.Record{Record: &tidalpb.Record_Signal{Signal: &tidalpb.Signal{TimeMs: new(int64)}}})
	}
	return c, nil
}

// write sends a request of Batch events, and returns the receipt, which the next call overwrites.
func (c *wire) write(ctx context.Context, number uint64, events []workload.Event) (*tidalpb.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := c.conn.SetDeadline(time.Now().Add(wireTimeout)); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	c.req.Number = int64(number)
	for i := range events {
		e, s := &events[i], c.req.Records[i].GetSignal()
		s.Type, s.Item, s.User = workload.TypeName(e.Type), c.w.Item(e.Item), c.w.User(e.User)
		*s.TimeMs, s.Cohorts = e.Time, c.w.Cohorts(e.User)
	}
	body, err := proto.MarshalOptions{}.MarshalAppend(c.body[:0], c.req)
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	c.body = body
	c.out = append(strconv.AppendInt(append(c.out[:0], c.head...), int64(len(body)), 10), "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	return c.answer()
}

// answer reads the answer of a request.
func (c *wire) answer() (*tidalpb.Receipt, error) {
	status, err := c.text.ReadLine()
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	header, err := c.text.ReadMIMEHeader()
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil || length < 0 || length > 1<<20 {
		return nil, fmt.Errorf("read the answer: its length is %q", header.Get("Content-Length"))
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200") {
		return nil, fmt.Errorf("the server answers %s: %s", status, body)
	}
	if err := proto.Unmarshal(body, &c.got); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if c.got.GetReceipt() == nil {
		return nil, errors.New("the answer has no receipt")
	}
	return c.got.GetReceipt(), nil
}

// connect has clients write to a server, each over a connection of its own.
func (all clients) connect(ctx context.Context, w *workload.Workload, server string) error {
	for _, c := range all {
		if err := c.connect(ctx, w, server, func(*tidalpb.Receipt) {}); err != nil {
			return errors.Join(err, all.close())
		}
	}
	return nil
}

// connect has a client write to a server over a connection. It calls acked with each receipt, which the next request overwrites.
func (c *client) connect(ctx context.Context, w *workload.Workload, server string, acked func(*tidalpb.Receipt)) error {
	to, err := dialWire(ctx, w, server, c.lane)
	if err != nil {
		return err
	}
	c.close = to.conn.Close
	c.send = func(ctx context.Context, number uint64, events []workload.Event) error {
		r, err := to.write(ctx, number, events)
		if err != nil {
			return err
		}
		acked(r)
		return c.isNew(number, r.GetDuplicate(), int(r.GetClamped()))
	}
	return nil
}

// close ends the connections.
func (all clients) close() error {
	var errs []error
	for _, c := range all {
		if c.close != nil {
			errs = append(errs, c.close())
			c.close = nil
		}
	}
	return errors.Join(errs...)
}
