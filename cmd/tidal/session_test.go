package main

import (
	"fmt"
	"strings"
	"testing"
)

// policyYAML adds a policy to the schema of the shop.
const policyYAML = `session_policies:
  careful: {types: [view, like], max_duration: 1h, rate: 1, burst: 2}
`

func TestSessionsAreBegunUsedAndEnded(t *testing.T) {
	dir := shop(t)
	grown := write(t, "grown.yaml", good(t, "schema", "--dir", dir).stdout+policyYAML)
	good(t, "schema", "--dir", dir, "--set", grown)
	of := func(command string, args ...string) []string {
		return append([]string{"session", command, "--dir", dir, "--user", "ada", "--id", "evening"}, args...)
	}
	begun := answer[sessionResult](t, good(t, of("start", "--agent", "helper", "--policy", "careful", "--json")...))
	if begun.ID != "evening" || begun.Agent != "helper" || begun.Until == "" || begun.Closed != "" || begun.Signals != 0 {
		t.Errorf("begun: %+v", begun)
	}
	if again := answer[sessionResult](t, good(t, of("start", "--agent", "helper", "--policy", "careful", "--json")...)); again.Opened != begun.Opened {
		t.Errorf("begun again: %+v", again)
	}
	first := answer[sessionWritten](t, good(t, of("signal", "--type", "like", "--json", "a", "b")...))
	if first.Seq != 1 || first.Duplicate || first.Position == "" {
		t.Errorf("first: %+v", first)
	}
	if again := answer[sessionWritten](t, good(t, of("signal", "--type", "like", "--seq", "1", "--json", "a", "b")...)); !again.Duplicate || again.Position != first.Position {
		t.Errorf("again: %+v", again)
	}
	if o := good(t, of("annotate", "mood", "calm")...); !strings.HasSuffix(o.stdout, "as number 2.\n") {
		t.Errorf("%s", o.stdout)
	}
	trouble(t, exitRefused, "refused", []string{"isn't allowed by the policy"}, of("signal", "--type", "purchase", "a")...)
	trouble(t, exitRefused, "session_gap", []string{"skips too many numbers"}, of("signal", "--type", "view", "--seq", "99", "a")...)
	shown := answer[sessionResult](t, good(t, of("show", "--json")...))
	if shown.Signals != 2 || shown.Notes != 1 || shown.Rejections != 4 || fmt.Sprint(shown.Types) != "[{like 2}]" {
		t.Errorf("shown: %+v", shown)
	}
	for _, want := range []string{"session     evening", "agent       helper", "signals     2 (like 2)", "refused     4"} {
		if o := good(t, of("show")...); !strings.Contains(o.stdout, want) {
			t.Errorf("no %q in\n%s", want, o.stdout)
		}
	}
	closed := answer[sessionResult](t, good(t, of("close", "--json")...))
	if closed.Closed == "" || closed.AutoClosed || closed.Signals != 2 {
		t.Errorf("closed: %+v", closed)
	}
	trouble(t, exitRefused, "session_closed", []string{"session is closed"}, of("signal", "--type", "view", "a")...)
	drawn := answer[sessionResult](t, good(t, "session", "start", "--dir", dir, "--user", "ada", "--ttl", "1h", "--json"))
	if len(drawn.ID) < 20 {
		t.Errorf("drawn: %+v", drawn)
	}
	all := answer[sessionsResult](t, good(t, "session", "list", "--dir", dir, "--user", "ada", "--json"))
	if len(all.Sessions) != 2 || all.Open != 1 || all.Signals != 2 || all.Rejections != 4 || all.Drift != nil ||
		fmt.Sprint(all.TopTypes) != "[{like 2}]" {
		t.Errorf("listed: %+v", all)
	}
	if o := good(t, "session", "list", "--dir", dir, "--user", "ada"); !strings.Contains(o.stdout, "2 sessions, 1 open; signals: 2 (like 2); refused: 4\n") {
		t.Errorf("%s", o.stdout)
	}
	if o := good(t, "session", "list", "--dir", dir, "--user", "ada", "--since", "now+1h"); o.stdout != "There are none.\n" {
		t.Errorf("%s", o.stdout)
	}
	trouble(t, exitNotFound, "not_found", []string{`session "none"`}, "session", "show", "--dir", dir, "--user", "ada", "--id", "none")
	for _, args := range []string{
		"session start --dir D", "session start --dir D --user u --ttl soon", "session show --dir D --user u",
		"session signal --dir D --user u --id s i", "session signal --dir D --user u --id s --type like",
		"session annotate --dir D --user u --id s name", "session close --dir D --id s", "session list --dir D",
		"session list --dir D --user u --since when",
	} {
		if o := cli(t, nil, strings.Fields(args)...); o.code != exitUsage {
			t.Errorf("tidal %s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}
