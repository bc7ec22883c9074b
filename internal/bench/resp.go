package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// resp speaks Redis' protocol, version 2, as far as the benchmark needs it. It belongs to one goroutine.
type resp struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

// maxReply bounds a string or a list that a server may send.
const maxReply = 16 << 20

// maxDepth bounds lists in lists. The answers that we ask for hold one list.
const maxDepth = 4

// redisError is an error that the server answered.
type redisError string

func (e redisError) Error() string { return "redis answers: " + string(e) }

func (r *Redis) dial(ctx context.Context) (*resp, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return nil, err
	}
	c := &resp{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	// While a server reads its files it accepts connections and refuses commands.
	if _, err := c.do("PING"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *resp) close() error { return c.conn.Close() }

// send puts a command into the pipeline.
func (c *resp) send(args ...string) {
	c.out = append(c.out, '*')
	c.out = strconv.AppendInt(c.out, int64(len(args)), 10)
	c.out = append(c.out, "\r\n"...)
	for _, arg := range args {
		c.out = append(c.out, '$')
		c.out = strconv.AppendInt(c.out, int64(len(arg)), 10)
		c.out = append(c.out, "\r\n"...)
		c.out = append(c.out, arg...)
		c.out = append(c.out, "\r\n"...)
	}
}

// flush writes the pipeline.
func (c *resp) flush() error {
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

// do sends one command and returns its answer.
func (c *resp) do(args ...string) (any, error) {
	c.send(args...)
	if err := c.flush(); err != nil {
		return nil, err
	}
	return c.receive()
}

// receive reads one answer: a string, an int64, nil, or a list of these.
func (c *resp) receive() (any, error) { return c.reply(maxDepth) }

// reply reads one answer, which may hold lists in lists to a depth.
func (c *resp) reply(depth int) (any, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("redis answers %q, which is no reply", line)
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return string(text), nil
	case '-':
		return nil, redisError(text)
	case ':', '$', '*':
	default:
		return nil, fmt.Errorf("redis answers %q, which is no reply", line)
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("redis answers %q: %w", line, err)
	}
	switch {
	case kind == ':':
		return n, nil
	case n == -1:
		return nil, nil
	case n < 0 || n > maxReply:
		return nil, fmt.Errorf("redis answers a length of %d", n)
	case kind == '$':
		return c.text(int(n))
	case depth == 0:
		return nil, errors.New("redis answers lists in lists without end")
	}
	return c.list(int(n), depth-1)
}

func (c *resp) text(n int) (any, error) {
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return nil, err
	}
	return string(b[:n]), nil
}

func (c *resp) list(n, depth int) (any, error) {
	var all []any
	for range n {
		v, err := c.reply(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
