package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// serverProcess is a server of this program's, in a process of its own.
type serverProcess struct {
	URL string

	cmd    *exec.Cmd
	said   *tail
	waited func() error
}

// startServer starts a server and returns when it can be reached.
func startServer(ctx context.Context, e *Env, args ...string) (*serverProcess, error) {
	cmd, err := e.Program(ctx, args...)
	if err != nil {
		return nil, err
	}
	p := &serverProcess{cmd: cmd, said: &tail{}}
	// What is measured is the server as it is, and not as somebody has set it for another one.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "TIDAL_") && !strings.HasPrefix(entry, "TIDAL_TEST_")
	})
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	cmd.Stderr = p.said
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	p.waited = sync.OnceValue(cmd.Wait)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var started struct{ URL string }
	if err == nil {
		err = json.Unmarshal(line, &started)
	}
	if p.URL = started.URL; err != nil || p.URL == "" {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("start a server: it says %q and ends with %w: %s", line, errors.Join(err, p.waited()), p.said)
	}
	return p, nil
}

func (p *serverProcess) pid() int { return p.cmd.Process.Pid }

// stop ends the server in an orderly way, and kills it if that takes a minute.
func (p *serverProcess) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the server: %w", errors.Join(err, p.waited()))
	}
	kill := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.waited(); err != nil {
		return fmt.Errorf("the server: %w: %s", err, p.said)
	}
	return nil
}

// fetchProfile has a server write down what its processors do for a time, into a file. The channel gets what came of it;
// no file is no profile.
func fetchProfile(ctx context.Context, server, file string, length time.Duration) <-chan error {
	done := make(chan error, 1)
	if file == "" {
		done <- nil
		return done
	}
	go func() { done <- writeProfile(ctx, server, file, length) }()
	return done
}

func writeProfile(ctx context.Context, server, file string, length time.Duration) (err error) {
	seconds := max(1, int(length.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		server+"/debug/pprof/profile?seconds="+strconv.Itoa(seconds), nil)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile the server: it answers %s", res.Status)
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		return fmt.Errorf("profile the server: %w", err)
	}
	return nil
}

// residentOf is the resident memory of a process, 0 where that isn't known.
func residentOf(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	kib, _ := strconv.ParseInt(strings.TrimSuffix(field(string(status), "VmRSS"), " kB"), 10, 64)
	return kib << 10
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const mostTail = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-mostTail):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}
