package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/tidaldb/tidal/internal/freeport"
	"github.com/tidaldb/tidal/internal/workload"
)

// signalsLua does for one signal what tidal does; see docs/bench.md.
//
//go:embed signals.lua
var signalsLua string

// redisStart bounds how long a server may take until it answers.
const redisStart = 60 * time.Second

// FindRedis returns the path of redis-server.
func FindRedis() (string, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", fmt.Errorf("redis-server isn't installed (Debian: apt-get install redis-server): %w", err)
	}
	return path, nil
}

// Redis is a server of our own, on a loopback port, that syncs its append-only file before it answers.
type Redis struct {
	Version string
	addr    string
	process *exec.Cmd
	exited  chan struct{} // closed once it ended
	failed  error         // how; set before exited is closed
	script  string        // its SHA-1, by which connections call it
	streams int           // streams of the workload that were taken
}

// StartRedis starts a server with its files in dir, which is made. Stop must be called.
func StartRedis(ctx context.Context, path, dir string) (*Redis, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	address, err := freeport.At("127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	// No snapshots and no rewriting of the file beside the load: that would only make it slower.
	r := &Redis{addr: address, exited: make(chan struct{})}
	r.process = exec.CommandContext(ctx, path, "--port", port, "--bind", "127.0.0.1", "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0",
		"--daemonize", "no", "--logfile", filepath.Join(dir, "redis.log"))
	if err := r.process.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	go func() {
		r.failed = r.process.Wait()
		close(r.exited)
	}()
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start redis-server: %w", err), r.Stop())
	}
	return r, nil
}

// prepare waits for the server, asks what it is, and gives it the script.
func (r *Redis) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisStart)
	defer cancel()
	c, err := r.dial(ctx)
	for err != nil {
		select {
		case <-r.exited:
			return fmt.Errorf("it ended at once: %w", errors.Join(r.failed, err))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
		c, err = r.dial(ctx)
	}
	defer func() { _ = c.close() }() // nothing is under way
	always, err := c.do("CONFIG", "GET", "appendfsync")
	if err != nil {
		return err
	}
	if parts, ok := always.([]any); !ok || len(parts) != 2 || parts[1] != "always" {
		return fmt.Errorf("it says %v, not appendfsync always", always)
	}
	info, err := c.do("INFO", "server")
	if err != nil {
		return err
	}
	if text, ok := info.(string); ok {
		r.Version = field(text, "redis_version")
	}
	hash, err := c.do("SCRIPT", "LOAD", signalsLua)
	if err != nil {
		return err
	}
	r.script, _ = hash.(string)
	return nil
}

// Stop kills the server and waits for its end. A second call does nothing.
func (r *Redis) Stop() error {
	if r.process == nil {
		return nil
	}
	err := r.process.Process.Kill()
	<-r.exited // with "signal: killed", which is what was asked for
	r.process = nil
	if errors.Is(err, os.ErrProcessDone) {
		return errors.New("redis-server had ended by itself; its last words are in redis.log")
	}
	return err
}

// Load writes the workload over a number of connections, each with one pipeline of [Batch] signals at a time and at
// least one, and returns the signals acknowledged per second.
func (r *Redis) Load(ctx context.Context, w *workload.Workload, connections int, length time.Duration) (float64, error) {
	clients := make([]*redisClient, connections)
	for n := range clients {
		c, err := r.dial(ctx)
		if err != nil {
			return 0, fmt.Errorf("redis: %w", err)
		}
		defer func() { _ = c.close() }() // nothing is under way
		clients[n] = &redisClient{resp: c, script: r.script, w: w, source: w.Source(r.streams)}
		r.streams++ // a stream that was written before would change less
	}
	runtime.GC()
	began := time.Now()
	err := together(connections, func(n int) error {
		events := make([]workload.Event, Batch)
		for {
			clients[n].source.Next(time.Now().UnixMilli(), events)
			if err := clients[n].write(events); err != nil {
				return err
			}
			if time.Since(began) >= length || ctx.Err() != nil {
				return ctx.Err()
			}
		}
	})
	if err != nil {
		return 0, fmt.Errorf("redis: %w", err)
	}
	total := 0
	for _, c := range clients {
		total += c.written
	}
	return float64(total) / time.Since(began).Seconds(), nil
}

// redisClient is one connection of the load.
type redisClient struct {
	*resp
	script  string
	w       *workload.Workload
	source  *workload.Source
	args    []string
	written int
}

// write sends one pipeline, a call of the script per signal, and reads all its answers.
func (c *redisClient) write(events []workload.Event) error {
	for i := range events {
		e := &events[i]
		c.args = append(c.args[:0], "EVALSHA", c.script, "0",
			c.w.Item(e.Item), c.w.User(e.User), workload.TypeName(e.Type), "1", strconv.FormatInt(e.Time, 10),
			strconv.FormatInt(workload.HalfLife(e.Type).Milliseconds(), 10))
		c.args = append(c.args, c.w.Cohorts(e.User)...)
		c.send(c.args...)
	}
	if err := c.flush(); err != nil {
		return err
	}
	for range events {
		if _, err := c.receive(); err != nil {
			return err
		}
	}
	c.written += len(events)
	return nil
}
