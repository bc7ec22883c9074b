package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal/internal/fault"
)

// remote is a running server that a command speaks with.
type remote struct {
	server, key, ca string
	http            *http.Client
}

func (r *remote) register(c *cobra.Command, role string) {
	c.Flags().StringVar(&r.server, "server", "", "address of a server of the group, such as http://localhost:7878; or in TIDAL_SERVER")
	c.Flags().StringVar(&r.key, "key", "", "API key for the server, with the role "+role+"; or in TIDAL_KEY")
	c.Flags().StringVar(&r.ca, "ca", "", "file with the certificate of the authority that signed the server's, where the system doesn't know it")
}

// remoteTimeout bounds a question to a server.
const remoteTimeout = 30 * time.Second

// resolve completes the flags from the environment, and refuses what can't be.
func (r *remote) resolve(a *app, c *cobra.Command) error {
	env := a.environment()
	if r.server == "" {
		r.server = env["TIDAL_SERVER"]
	}
	if r.key == "" {
		r.key = env["TIDAL_KEY"]
	}
	if r.server == "" {
		return usagef(c, "--server is missing: name a server of the group, such as http://localhost:7878")
	}
	if !strings.Contains(r.server, "://") {
		r.server = "http://" + r.server
	}
	u, err := url.Parse(r.server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef(c, "--server %s is no address of a server, such as http://localhost:7878", r.server)
	}
	r.server = strings.TrimSuffix(r.server, "/")
	transport := &http.Transport{}
	if r.ca != "" {
		text, err := os.ReadFile(r.ca)
		if err != nil {
			return fmt.Errorf("read --ca: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(text) {
			return fault.Refuse("ca", "%s holds no certificate", r.ca)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}
	}
	transport.DisableKeepAlives = true // a command asks once or twice, and ends
	r.http = &http.Client{Transport: transport, Timeout: remoteTimeout}
	return nil
}

// call sends a request with in as JSON, unless it's nil, and reads the answer into out.
func (r *remote) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.server+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if resp.StatusCode != http.StatusOK {
		return told(resp)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(out); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// told is what a server answered instead, as the error that it means where this program has one for it.
func told(resp *http.Response) error {
	var problem struct{ Code string }
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	text := refusal(resp)
	_ = json.Unmarshal(data, &problem) // what isn't a problem has no code
	for code, is := range map[string]error{
		"changing": fault.ErrChanging, "no_leader": fault.ErrNotLeader, "not_leader": fault.ErrNotLeader,
		"not_found": fault.ErrNotFound, "refused": fault.ErrInput, "unknown": fault.ErrUnknown, "not_offered": errAlone,
		"no_successor": fault.ErrNoSuccessor, "forked": fault.ErrForked, "read_only": fault.ErrReadOnly, "removed": fault.ErrRemoved,
	} {
		if code == problem.Code {
			return &meaning{text, is}
		}
	}
	return text
}

// meaning is what a server said, and the error that it means, whose text is in what it said.
type meaning struct {
	error
	is error
}

// Unwrap returns both.
func (m *meaning) Unwrap() []error { return []error{m.error, m.is} }

// errAlone is of a server that keeps its database alone.
var errAlone = errors.New("the server is no replica of a group")
