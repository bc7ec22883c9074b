package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/live"
)

// defaultServer is where tidal serve listens if nobody says otherwise.
const defaultServer = "http://127.0.0.1:7878"

// liveFlags are those of top without a directory.
type liveFlags struct {
	server, key string
	once        bool
	every       time.Duration
}

func (f *liveFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.server, "server", "", "address of the server to watch (default: TIDAL_SERVER, or "+defaultServer+")")
	c.Flags().StringVar(&f.key, "key", "", "API key for the server; or in TIDAL_KEY")
	c.Flags().BoolVar(&f.once, "once", false, "print the table once, and end")
	c.Flags().DurationVar(&f.every, "every", time.Second, "how long to wait between two questions")
}

// check completes the flags, and refuses what is wrong with them.
func (f *liveFlags) check(c *cobra.Command) error {
	for _, name := range []string{"type", "half-life", "limit", "at"} {
		if c.Flags().Changed(name) {
			return usagef(c, "--dir is missing: name the directory of the database, or leave out --%s to watch a server", name)
		}
	}
	f.server = cmp.Or(f.server, os.Getenv("TIDAL_SERVER"), defaultServer)
	f.key = cmp.Or(f.key, os.Getenv("TIDAL_KEY"))
	if !strings.Contains(f.server, "://") {
		f.server = "http://" + f.server
	}
	f.server = strings.TrimSuffix(f.server, "/")
	u, err := url.Parse(f.server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usagef(c, "--server %q: want an address such as %s", f.server, defaultServer)
	}
	if f.every < time.Millisecond {
		return usagef(c, "--every %s: want a millisecond or more", f.every)
	}
	return nil
}

// runTopLive shows what a server does: on a terminal until somebody has enough, elsewhere once.
func (a *app) runTopLive(ctx context.Context, f *liveFlags) error {
	fetch := func(ctx context.Context) (*live.Sample, error) { return a.fetchMetrics(ctx, f) }
	if !f.once && !a.json && onTerminal(a.stdout) {
		return live.Run(ctx, live.Options{Server: f.server, Fetch: fetch, Every: f.every}, a.stdin, a.stdout)
	}
	var samples []*live.Sample
	for len(samples) < 2 {
		if len(samples) > 0 {
			if err := wait(ctx, f.every); err != nil {
				return err
			}
		}
		sample, err := fetch(ctx)
		if err != nil {
			return fmt.Errorf("top: %w", err)
		}
		samples = append(samples, sample)
	}
	figures := live.Of(f.server, samples)
	return a.answer(figures, func(w io.Writer) { fmt.Fprint(w, figures.Table()) })
}

// wait waits, or ends with the context.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// largestMetrics bounds an answer: what is longer isn't a server's metrics.
const largestMetrics = 32 << 20

// fetchMetrics asks a server for its metrics.
func (a *app) fetchMetrics(ctx context.Context, f *liveFlags) (*live.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.server+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	if f.key != "" {
		request.Header.Set("Authorization", "Bearer "+f.key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w; is tidal serve running there?", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	switch answer.StatusCode {
	case http.StatusOK:
		return live.Read(io.LimitReader(answer.Body, largestMetrics), a.now())
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%s answers %s; pass a --key that may read", request.URL, answer.Status)
	}
	return nil, fmt.Errorf("%s answers %s", request.URL, answer.Status)
}
