package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/config"
)

// printSettings runs config print in an environment.
func printSettings(t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now, environ: func() []string { return environ }}
	root := a.root()
	root.SetArgs(append([]string{"config", "print", "--json"}, args...))
	code := a.report(root.ExecuteContext(t.Context()))
	return outcome{code, out.String(), errs.String()}
}

func TestSettingsComeFromFlagsVariablesTheFileAndDefaults(t *testing.T) {
	file := write(t, "tidal.yaml", "listen: 127.0.0.1:1\nmax-lists: 1\npprof: true\n")
	other := write(t, "other.yaml", "max-writes: 5\n")
	environ := []string{"TIDAL_LISTEN=127.0.0.1:2", "TIDAL_MAX_LISTS=2", "TIDAL_CONFIG=" + file}
	got := map[string]setting{}
	list := answer[struct{ Settings []setting }](t, printSettings(t, environ, "--listen", "127.0.0.1:3"))
	for _, s := range list.Settings {
		got[s.Name] = s
	}
	for name, want := range map[string]string{
		"listen": "127.0.0.1:3 flag", "max-lists": "2 environment", "pprof": "true file", "metrics": "true default",
	} {
		if s := got[name]; s.Value+" "+s.From != want {
			t.Errorf("%s: %+v, want %s", name, s, want)
		}
	}
	if len(got) != len(config.Settings()) || got["listen"].Variable != "TIDAL_LISTEN" || got["listen"].Reload || !got["log-level"].Reload {
		t.Errorf("%+v", got)
	}
	// --config rules over TIDAL_CONFIG, and a switch needs no value.
	list = answer[struct{ Settings []setting }](t, printSettings(t, environ, "--config", other, "--access-log"))
	for _, s := range list.Settings {
		got[s.Name] = s
	}
	if got["pprof"].From != "default" || got["max-writes"].Value != "5" || got["access-log"].Value != "true" {
		t.Errorf("%+v", got)
	}
}

func TestSettingsThatAreWrongAreRefused(t *testing.T) {
	for _, c := range []struct {
		environ []string
		args    []string
		exit    int
		says    string
	}{
		{[]string{"TIDAL_LISTN=x"}, nil, exitRefused, "did you mean TIDAL_LISTEN?"},
		{nil, []string{"--config", write(t, "f", "listn: x")}, exitRefused, "did you mean listen?"},
		{nil, []string{"--config", "nowhere.yaml"}, exitNotFound, "nowhere.yaml"},
		{nil, []string{"--max-lists", "0"}, exitRefused, "--max-lists"},
		{nil, []string{"--frobnicate"}, exitUsage, "unknown flag"},
	} {
		if o := printSettings(t, c.environ, c.args...); o.code != c.exit || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%v %v: %+v", c.environ, c.args, o)
		}
	}
}

func TestSettingsForPeople(t *testing.T) {
	c := program(t, "config", "print")
	c.Env = cleanEnviron() // what tests are told in TIDAL_DATA is no setting
	out, err := c.Output()
	if err != nil || strings.Count(string(out), "\n") != len(config.Settings())+1 || !strings.Contains(string(out), "127.0.0.1:7878  default") {
		t.Errorf("%v: %s", err, out)
	}
}
