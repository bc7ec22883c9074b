package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	loadConnections = 64
	loadItems       = 500
	loadUsers       = 200
)

// As many connections as a load generator has, each asking and writing as fast as it's answered: nothing fails, and the
// server doesn't grow.
func TestServeUnderManyConnectionsFailsNothingAndDoesntGrow(t *testing.T) {
	half := 2 * time.Second
	if testing.Short() {
		half = 500 * time.Millisecond
	}
	p := served(t, filepath.Join(t.TempDir(), "db"), nil)
	for n := range loadItems {
		body := fmt.Sprintf(`{"category":"c%d"}`, n%7)
		if code, text := p.call("PUT", "/v1/items/item-"+strconv.Itoa(n), "", body); code >= 300 {
			t.Fatalf("%d %s", code, text)
		}
	}
	tr := &http.Transport{MaxIdleConnsPerHost: loadConnections, MaxConnsPerHost: loadConnections}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	loadFor(t, c, p, half/4) // until what is kept from request to request is there
	first := loadFor(t, c, p, half)
	before := residentBytes(t, p.cmd.Process.Pid)
	second := loadFor(t, c, p, half)
	after := residentBytes(t, p.cmd.Process.Pid)
	t.Logf("%d and %d requests, %d and %d MB", first, second, before>>20, after>>20)
	if most := before + before/4 + 32<<20; after > most {
		t.Errorf("the server grew from %d to %d bytes in %v", before, after, half)
	}
	if _, text := p.call("GET", "/metrics", "", ""); !strings.Contains(text, "tidal_hidden_served_total 0\n") {
		t.Error("hidden items were in finished lists")
	}
	p.signal(syscall.SIGTERM)
	if err := p.waited(); err != nil {
		t.Errorf("%v\n%s", err, p.stderr)
	}
}

// loadFor has every connection send requests for a time, and returns how many were answered.
func loadFor(t *testing.T, c *http.Client, p *serverProcess, length time.Duration) int64 {
	t.Helper()
	var answered atomic.Int64
	var clients sync.WaitGroup
	end := time.Now().Add(length)
	for n := range loadConnections {
		clients.Go(func() {
			for i := n; time.Now().Before(end); i++ {
				method, path, body := "GET", fmt.Sprintf("/v1/rank?q=RANK+items+FOR+USER+%%22user-%d%%22+USING+for_you+LIMIT+10", i%loadUsers), ""
				if i%4 == 0 {
					method, path, body = "POST", "/v1/signals", like(fmt.Sprint("user-", i%loadUsers), fmt.Sprint("item-", i*31%loadItems))
				}
				if err := send(c, method, p.started.URL+path, body); err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	clients.Wait()
	return answered.Load()
}

// send sends a request whose answer has to be a good one.
func send(c *http.Client, method, url, body string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, url, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, res.Status, bytes.TrimSpace(text))
	}
	return nil
}

// residentBytes is the resident memory of a process. The test is skipped where that isn't known.
func residentBytes(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("memory of processes is known on Linux only")
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the process has no memory")
	return 0
}
