package main

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/config"
)

// deployed reads a file of deploy/.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every command line and every variable in what is deployed is one that this program knows.
func TestWhatIsDeployedNamesWhatExists(t *testing.T) {
	known := []string{"TIDAL_CONFIG", "TIDAL_SERVER", "TIDAL_KEY"}
	for _, s := range config.Settings() {
		known = append(known, s.Variable())
	}
	run := regexp.MustCompile(`(?m)(?:^ExecStart=/usr/local/bin/|^#   docker run .*?-v tidal:/data )tidal (.+)$`)
	for name, commands := range map[string]int{"Dockerfile": 1, "tidal.service": 1} {
		text := deployed(t, name)
		for _, v := range regexp.MustCompile(`TIDAL_[A-Z_]+`).FindAllString(text, -1) {
			if !slices.Contains(known, v) {
				t.Errorf("deploy/%s: no setting is named %s", name, v)
			}
		}
		lines := run.FindAllStringSubmatch(text, -1)
		for _, m := range lines {
			checkLine(t, m[1])
		}
		if len(lines) != commands {
			t.Errorf("deploy/%s has %d lines that start tidal, want %d", name, len(lines), commands)
		}
	}
}

func TestTheDeployedSettingsAreTaken(t *testing.T) {
	file := deployed(t, "tidal.yaml")
	r, err := config.Resolve(config.Sources{File: []byte(file), FileName: "deploy/tidal.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	u := unit(t)
	state := "/var/lib/" + u["Service"]["StateDirectory"][0]
	if filepath.Dir(r.Config.DataDir) != state || filepath.Dir(r.Config.Keys) != state {
		t.Errorf("the database is %s, the keys are %s, and the unit may write to %s", r.Config.DataDir, r.Config.Keys, state)
	}
	if got := u["Service"]["ExecStart"][0]; !strings.HasSuffix(got, "--config /etc/tidal/tidal.yaml") {
		t.Errorf("the unit starts %s", got)
	}
	stop, err := time.ParseDuration(strings.Replace(u["Service"]["TimeoutStopSec"][0], "min", "m", 1))
	if err != nil || stop < 2*(r.Config.DrainTimeout+r.Config.DrainDelay) {
		t.Errorf("the unit leaves %v to stop, and requests alone may take %v (%v)", stop, r.Config.DrainTimeout, err)
	}
	files, err := strconv.Atoi(u["Service"]["LimitNOFILE"][0])
	if err != nil || files < 4*r.Config.MaxConnections {
		t.Errorf("the unit allows %d files, and there may be %d connections (%v)", files, r.Config.MaxConnections, err)
	}
	for _, code := range strings.Fields(u["Service"]["RestartPreventExitStatus"][0]) {
		n, err := strconv.Atoi(code)
		if err != nil || n != exitUsage && !slices.ContainsFunc(failings, func(f failing) bool { return f.exit == n }) {
			t.Errorf("the unit doesn't restart after exit %s, which is no code (%v)", code, err)
		}
	}
}

// unit reads deploy/tidal.service: values by section and name.
func unit(t *testing.T) map[string]map[string][]string {
	t.Helper()
	out, section := map[string]map[string][]string{}, ""
	for i, line := range strings.Split(deployed(t, "tidal.service"), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			out[section] = map[string][]string{}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || section == "" {
			t.Fatalf("deploy/tidal.service:%d: %q", i+1, line)
		}
		out[section][name] = append(out[section][name], value)
	}
	if out["Service"]["Type"][0] != "notify" {
		t.Errorf("the unit is of type %v", out["Service"]["Type"])
	}
	return out
}

// systemd's own check, where there is one: every option of the unit is one that it knows.
func TestSystemdTakesTheUnit(t *testing.T) {
	checker, err := exec.LookPath("systemd-analyze") //nolint:misspell // its name
	if err != nil {
		t.Skip("systemd isn't installed")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "tidal.service", strings.ReplaceAll(deployed(t, "tidal.service"), "/usr/local/bin/tidal", exe))
	out, err := exec.CommandContext(t.Context(), checker, "verify", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%s verify: %v\n%s", checker, err, out)
	}
}

// instructions reads deploy/Dockerfile: its lines, put together where they are continued, without comments.
func instructions(t *testing.T) (out [][2]string) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(deployed(t, "Dockerfile"), "")
	for _, line := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out = append(out, [2]string{word, strings.TrimSpace(rest)})
		}
	}
	return out
}

// TestTheImageRuns does by hand what the image's file says: builds the program with its command line, looks whether it is
// static, as an image without anything else needs it, makes a key, and starts it with the image's settings.
func TestTheImageRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	root := t.TempDir()
	var environ []string
	var start [2][]string
	for _, in := range instructions(t) {
		switch word, rest := in[0], in[1]; word {
		case "RUN":
			if strings.Contains(rest, "go mod download") {
				continue // the modules are here
			}
			// Paths within the program are nothing to this test, and with them what is compiled already is used.
			rest = strings.Replace(rest, " -trimpath", "", 1)
			c := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(rest, "/out", root))
			c.Dir = filepath.Join("..", "..")
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", rest, err, out)
			}
		case "ENV":
			for _, entry := range strings.Fields(rest) {
				environ = append(environ, strings.ReplaceAll(entry, "/data", filepath.Join(root, "data")))
			}
		case "ENTRYPOINT", "CMD":
			n := 0
			if word == "CMD" {
				n = 1
			}
			if err := json.Unmarshal([]byte(rest), &start[n]); err != nil {
				t.Fatalf("%s %s: %v", word, rest, err)
			}
		}
	}
	exe := filepath.Join(root, start[0][0])
	mustBeStatic(t, exe)
	environ = cleanEnviron(append(environ, "TIDAL_LISTEN=0.0.0.0:0", "HOME=")...)
	c := exec.CommandContext(t.Context(), exe, "keys", "create", "--file", filepath.Join(root, "data", "API_KEYS"), "--role", "admin",
		"--name", "first")
	c.Env = environ
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("make a key: %v\n%s", err, out)
	}
	c = exec.CommandContext(t.Context(), exe, append(start[1], "--json")...)
	var complaints bytes.Buffer
	c.Env, c.Stderr = environ, &complaints
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, `"address"`) {
		t.Errorf("it says %q, %v\n%s", line, err, complaints.String())
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("told to stop: %v\n%s", err, complaints.String())
	}
	if _, err := os.Stat(filepath.Join(root, "data", "db", "IDENTITY")); err != nil {
		t.Errorf("the database isn't where the image's volume is: %v", err)
	}
}

// mustBeStatic checks that a program asks for no loader and no library.
func mustBeStatic(t *testing.T, exe string) {
	t.Helper()
	f, err := elf.Open(exe)
	if err != nil {
		t.Skipf("%v: what an image holds is told on Linux", err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("the program asks for %v, %v", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program asks for a loader")
		}
	}
}
