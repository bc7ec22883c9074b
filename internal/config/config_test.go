package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/config"
	"github.com/tidaldb/tidal/internal/fault"
)

// other is a value that a setting takes and that isn't its default.
func other(s config.Setting, n int) string {
	switch {
	case s.Name == "log-level":
		return []string{"debug", "warn", "error"}[n]
	case s.Name == "cluster-region":
		return fmt.Sprintf("eu-west-%d", n)
	case s.Name == "cluster-region-role":
		return config.RegionFollower
	case s.Name == "log-format":
		return "json"
	case s.Name == "tls-cert" || s.Name == "tls-key":
		return fmt.Sprintf("both-%d.pem", n)
	case s.Name == "cluster-listen" || s.Name == "cluster-advertise" || strings.HasSuffix(s.Name, "-join"):
		return fmt.Sprintf("10.0.0.%d:7879", n+1)
	case s.Name == "cors-origins":
		return fmt.Sprintf("https://app%d.example.com", n)
	case s.Name == "cluster-url":
		return fmt.Sprintf("https://db%d:7878", n+1)
	case s.Name == "cluster-election-timeout":
		return fmt.Sprintf("%d00ms", n+4)
	case s.Name == "cluster-stall-timeout":
		return fmt.Sprintf("%dm", n+1)
	case s.Name == "checkpoint-lag":
		return fmt.Sprintf("%dGiB", n+1)
	case s.Kind == config.Switch:
		return map[string]string{"true": "false", "false": "true"}[s.Default]
	case s.Kind == config.Count:
		return fmt.Sprint(n + 11)
	case s.Kind == config.Bytes:
		return fmt.Sprintf("%dMiB", n+11)
	case s.Name == "retention" || s.Name == "export-stale":
		return fmt.Sprintf("%dd", n+8)
	case s.Kind == config.Duration:
		return fmt.Sprintf("%ds", n+7)
	}
	return fmt.Sprintf("text-%d", n)
}

// Whatever is given where, each setting has the value of the first source that has it, and says so. A map of three texts
// per setting is the oracle.
func TestTheFirstSourceRules(t *testing.T) {
	settings := config.Settings()
	rapid.Check(t, func(t *rapid.T) {
		src := config.Sources{Flags: map[string]string{}, FileName: "F", Environ: []string{"PATH=/bin", "TIDALWAVE=1", "TIDAL_TEST_X=1"}}
		var file strings.Builder
		want, from := map[string]string{}, map[string]string{}
		// A certificate without its key is refused, wherever the two are.
		tls, grouped := rapid.Bool().Draw(t, "tls"), rapid.Bool().Draw(t, "grouped")
		for _, s := range settings {
			want[s.Name], from[s.Name] = s.Default, "default"
			isTLS := strings.HasPrefix(s.Name, "tls-")
			// So are settings of a replica that has no address.
			isGroup := slices.Contains([]string{"cluster-ca", "cluster-cert", "cluster-key", "cluster-listen", "cluster-region"}, s.Name)
			if strings.HasPrefix(s.Name, "cluster-") && !grouped {
				continue
			}
			for n, source := range []string{"file", "environment", "flag"} {
				always := isGroup && n == 0
				if !always && isTLS && !(tls && n == 0) && !(tls && rapid.Bool().Draw(t, s.Name+source)) || !always && !isTLS && !rapid.Bool().Draw(t, s.Name+source) {
					continue
				}
				text := other(s, n)
				switch source {
				case "file":
					fmt.Fprintf(&file, "%s: %s\n", s.Name, text)
				case "environment":
					src.Environ = append(src.Environ, s.Variable()+"="+text)
				case "flag":
					src.Flags[s.Name] = text
				}
				want[s.Name], from[s.Name] = text, source
			}
		}
		src.File = []byte(file.String())
		got, err := config.Resolve(src)
		if err != nil {
			t.Fatalf("%v\n%s", err, file.String())
		}
		for _, v := range got.Values {
			if v.Text != want[v.Name] || v.From != from[v.Name] {
				t.Errorf("%s is %q from %s, want %q from %s", v.Name, v.Text, v.From, want[v.Name], from[v.Name])
			}
		}
	})
}

func TestDefaultsAreReadAndComeToTheirFields(t *testing.T) {
	r, err := config.Resolve(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Config
	if c.Listen != "127.0.0.1:7878" || c.Retention != 7*24*time.Hour || c.UserMemory != 1<<30 || !c.Metrics || c.Pprof ||
		c.MaxLists != 256 || c.BodyLimit != 4<<20 || c.LogLevel != "info" || c.DrainTimeout != 30*time.Second {
		t.Errorf("%+v", c)
	}
	// Every field is some setting's: with each setting changed, no field is as it was.
	flags := map[string]string{}
	for _, s := range config.Settings() {
		flags[s.Name] = other(s, 0)
	}
	all, err := config.Resolve(config.Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	before, after := fields(c), fields(all.Config)
	for i := range before {
		if before[i] == after[i] {
			t.Errorf("field %d stays %s", i, before[i])
		}
	}
}

func TestWhatIsUnknownOrWrongIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		src   config.Sources
		field string
		says  string
	}{
		{"key", config.Sources{FileName: "t.yaml", File: []byte("# c\nlisten: a:1\nlissten: b\n")}, "t.yaml:3: lissten", "did you mean listen?"},
		{"key that resembles nothing", config.Sources{FileName: "t.yaml", File: []byte("frobnicate: b\n")}, "t.yaml:1: frobnicate", "tidal config print"},
		{"variable", config.Sources{Environ: []string{"TIDAL_LISTN=x"}}, "TIDAL_LISTN", "did you mean TIDAL_LISTEN?"},
		{"flag", config.Sources{Flags: map[string]string{"listem": "x"}}, "--listem", "did you mean listen?"},
		{"value of a file", config.Sources{FileName: "t.yaml", File: []byte("max-lists: many")}, "t.yaml:1: max-lists", `"many" is no whole number`},
		{"value of a variable", config.Sources{Environ: []string{"TIDAL_PPROF=yes"}}, "TIDAL_PPROF", "neither true nor false"},
		{"value of a flag", config.Sources{Flags: map[string]string{"retention": "7"}}, "--retention", "no length of time"},
		{"too short", config.Sources{Flags: map[string]string{"retention": "1h"}}, "--retention", "1h is not from 24h0m0s"},
		{"too small", config.Sources{Flags: map[string]string{"body-limit": "10"}}, "--body-limit", "10 is not from 1024"},
		{"too many", config.Sources{Flags: map[string]string{"max-writes": "-1"}}, "--max-writes", "-1 is not from 1"},
		{"size", config.Sources{Flags: map[string]string{"body-limit": "1.5MiB"}}, "--body-limit", "no size"},
		{"size that overflows", config.Sources{Flags: map[string]string{"body-limit": "9999999999GiB"}}, "--body-limit", "no size"},
		{"word", config.Sources{Flags: map[string]string{"log-level": "loud"}}, "--log-level", "none of debug, info"},
		{"half of TLS", config.Sources{Flags: map[string]string{"tls-cert": "c"}}, "tls-cert", "together"},
		{"lag", config.Sources{Flags: map[string]string{"checkpoint-bytes": "1GiB"}}, "checkpoint-lag", "less than"},
		{"no memory", config.Sources{Flags: map[string]string{"user-memory": "0"}}, "user-memory", "-1 for no bound"},
		{"half of the cluster's TLS", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-ca": "c"}}, "cluster-cert", "together"},
		{"no address of its own", config.Sources{Flags: map[string]string{"cluster-join": "a:1"}}, "cluster-listen", "is empty"},
		{"no port", config.Sources{Flags: map[string]string{"cluster-listen": "a"}}, "cluster-listen", "host:port"},
		{"no address to be told", config.Sources{Flags: map[string]string{"cluster-listen": ":7879"}}, "cluster-advertise", "every address of this machine"},
		{"no address to be told, in IPv6", config.Sources{Flags: map[string]string{"cluster-listen": "[::]:7879"}}, "cluster-advertise", "every address of this machine"},
		{"no port to join", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-join": "b:1,c"}}, "cluster-join", `"c" is no address`},
		{"no URL", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-url": "a:1"}}, "cluster-url", "no URL"},
		{"a region's name", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-region": "EU"}}, "cluster-region", "no name of a region"},
		{"a region of nobody", config.Sources{Flags: map[string]string{"cluster-region": "eu"}}, "cluster-listen", "is empty"},
		{"a role of nobody", config.Sources{Flags: map[string]string{"cluster-region-role": "follower"}}, "cluster-listen", "is empty"},
		{"a region without a name", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-region-join": "b:1"}}, "cluster-region", "name the new region"},
		{"a role without a name", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-region-role": "follower"}}, "cluster-region", "name the region"},
		{"no port of a region", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-region": "eu", "cluster-region-join": "b"}}, "cluster-region-join", `"b" is no address`},
		{"no role", config.Sources{Flags: map[string]string{"cluster-listen": "a:1", "cluster-region": "eu", "cluster-region-role": "home"}}, "--cluster-region-role", "none of"},
		{"stall", config.Sources{Flags: map[string]string{"cluster-election-timeout": "5s"}}, "cluster-stall-timeout", "less than"},
		{"every page", config.Sources{Flags: map[string]string{"cors-origins": "https://a.example, *"}}, "cors-origins", "set insecure-cors as well"},
		{"no origin", config.Sources{Flags: map[string]string{"cors-origins": "shop.example.com"}}, "cors-origins", "no origin as browsers write it"},
		{"a page for an origin", config.Sources{Flags: map[string]string{"cors-origins": "https://a.example/shop"}}, "cors-origins", "no origin as browsers"},
		{"an origin in capitals", config.Sources{Flags: map[string]string{"cors-origins": "https://A.example"}}, "cors-origins", "no origin as browsers"},
		{"no page's origin", config.Sources{Flags: map[string]string{"cors-origins": "null"}}, "cors-origins", "no origin as browsers"},
		{"a port that is left out", config.Sources{Flags: map[string]string{"cors-origins": "https://a.example:443"}}, "cors-origins", "leave out :443"},
		{"nested", config.Sources{FileName: "t.yaml", File: []byte("listen:\n  port: 1\n")}, "t.yaml:1: listen", "one value"},
		{"list", config.Sources{FileName: "t.yaml", File: []byte("listen: [a, b]\n")}, "t.yaml:1: listen", "one value"},
		{"nothing", config.Sources{FileName: "t.yaml", File: []byte("listen:\n")}, "t.yaml:1: listen", "one value"},
		{"no mapping", config.Sources{FileName: "t.yaml", File: []byte("- a\n")}, "t.yaml", "names and values"},
		{"two documents", config.Sources{FileName: "t.yaml", File: []byte("listen: a\n---\nlisten: b\n")}, "t.yaml", "2 documents"},
		{"twice", config.Sources{FileName: "t.yaml", File: []byte("listen: a\nlisten: b\n")}, "t.yaml", "listen"},
		{"no YAML", config.Sources{FileName: "t.yaml", File: []byte("listen: [a\n")}, "t.yaml", "no YAML"},
		{"long", config.Sources{FileName: "t.yaml", File: make([]byte, config.MaxFile+1)}, "t.yaml", "at most"},
	} {
		_, err := config.Resolve(c.src)
		var in *fault.Input
		if !errors.As(err, &in) || in.Field != c.field || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %s and %q", c.name, err, c.field, c.says)
		}
	}
	// Everything that is wrong is said at once.
	_, err := config.Resolve(config.Sources{Flags: map[string]string{"pprof": "no", "retention": "x"}, Environ: []string{"TIDAL_X=1"}})
	if err == nil || strings.Count(err.Error(), "refused") != 3 {
		t.Errorf("%v", err)
	}
}

func TestFilesThatSayNothingAndVariablesThatAreEmpty(t *testing.T) {
	for _, file := range []string{"", "\n", "# nothing\n", "---\n", "~\n"} {
		r, err := config.Resolve(config.Sources{FileName: "t.yaml", File: []byte(file), Environ: []string{"TIDAL_LISTEN=", "TIDAL_CONFIG=t.yaml", "TIDAL_KEY=k"}})
		if err != nil || r.Config.Listen != "127.0.0.1:7878" {
			t.Errorf("%q: %v", file, err)
		}
	}
	r, err := config.Resolve(config.Sources{FileName: "t.yaml", File: []byte("listen: \":80\"\npprof: true\nmax-lists: 12\ndata-dir: 'a b'\n")})
	if err != nil || r.Config.Listen != ":80" || !r.Config.Pprof || r.Config.MaxLists != 12 || r.Config.DataDir != "a b" {
		t.Errorf("%v", err)
	}
	if got := config.FileOf([]string{"A=b", "TIDAL_CONFIG=x.yaml"}); got != "x.yaml" {
		t.Errorf("%q", got)
	}
}

func TestOriginsOfPages(t *testing.T) {
	r, err := config.Resolve(config.Sources{Flags: map[string]string{"cors-origins": "https://shop.example.com, http://localhost:3000,http://[::1]:8080"}})
	if want := []string{"https://shop.example.com", "http://localhost:3000", "http://[::1]:8080"}; err != nil || !slices.Equal(r.Config.CORSOrigins, want) {
		t.Errorf("%v", err)
	}
	if r, err = config.Resolve(config.Sources{Flags: map[string]string{"cors-origins": "*", "insecure-cors": "true"}}); err != nil || len(r.Config.CORSOrigins) != 1 {
		t.Errorf("%v", err)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for text, want := range map[string]int64{"1048576": 1 << 20, "2MiB": 2 << 20, "3 MiB": 3 << 20, "1GB": 1e9, "2000kB": 2e6} {
		r, err := config.Resolve(config.Sources{Flags: map[string]string{"body-limit": text}})
		if err != nil || r.Config.BodyLimit != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]time.Duration{"2d": 48 * time.Hour, "36h": 36 * time.Hour, "24h30m": 24*time.Hour + 30*time.Minute} {
		r, err := config.Resolve(config.Sources{Flags: map[string]string{"retention": text}})
		if err != nil || r.Config.Retention != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOnlySomeSettingsChangeWhileTheServerRuns(t *testing.T) {
	resolve := func(flags map[string]string) *config.Resolved {
		r, err := config.Resolve(config.Sources{Flags: flags})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	old := resolve(nil)
	next := resolve(map[string]string{"log-level": "debug", "listen": ":1", "max-lists": "3", "access-log": "true"})
	now, restart := config.Changes(old, next)
	if !slices.Equal(now, []string{"log-level", "access-log"}) || !slices.Equal(restart, []string{"listen", "max-lists"}) {
		t.Errorf("%v %v", now, restart)
	}
	c := config.Apply(old, next).Config
	if c.LogLevel != "debug" || !c.AccessLog || c.Listen != old.Config.Listen || c.MaxLists != old.Config.MaxLists {
		t.Errorf("%+v", c)
	}
	if old.Config.LogLevel != "info" {
		t.Error("what was before is changed")
	}
}

func TestThePageShowsTheTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), config.Markdown()) {
		t.Errorf("docs/configuration.md doesn't show this table:\n%s", config.Markdown())
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:1\npprof: true\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("{listen: 1, retention: 8d}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := config.Resolve(config.Sources{FileName: "F", File: b})
		if (r == nil) == (err == nil) {
			t.Errorf("%v %v", r, err)
		}
		if err != nil && !errors.Is(err, fault.ErrInput) {
			t.Errorf("%v", err)
		}
	})
}

// fields prints each field of a struct.
func fields(c config.Config) []string {
	var out []string
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		out = append(out, fmt.Sprintf("%s %v", v.Type().Field(i).Name, v.Field(i)))
	}
	return out
}
