package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Setting is a row of the table.
type Setting struct {
	// Name is the flag without its dashes, and the key in the file. The environment variable is named by [Setting.Variable].
	Name string
	Kind Kind
	// Default is the value where none is given, as text.
	Default string
	// Doc says what it means, in a line.
	Doc string
	// Reload reports that a change comes into force on SIGHUP; others need a restart.
	Reload bool

	set func(c *Config, text string) error
}

// Variable is the name of the environment variable, such as TIDAL_DATA_DIR.
func (s *Setting) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

const variablePrefix = "TIDAL_"

// Settings returns the table, in the order in which it's shown.
func Settings() []Setting {
	return slices.Concat(whatIsServed(), where(), group(), limits(), times(), whatIsSaid())
}

// Find returns the setting of a name.
func Find(name string) (Setting, bool) {
	for _, s := range Settings() {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}

func whatIsServed() []Setting {
	return []Setting{
		text("data-dir", "", "directory of the database; it is made if it isn't there and a schema is given", func(c *Config) *string { return &c.DataDir }),
		text("schema", "", "file with the schema, as YAML, or events or movielens, which are built in: a new database gets it, one that is there gets what it adds", func(c *Config) *string { return &c.Schema }),
		duration("retention", "7d", 24*time.Hour, 3650*24*time.Hour, "how long the log is kept behind the checkpoint", func(c *Config) *time.Duration { return &c.Retention }),
		bytes("log-limit", "0", 0, 1<<50, "how much log may stay behind the checkpoint, whoever needs it: beyond it what other regions lack of what is older than a day is compacted, or compressed; 0 is no limit", func(c *Config) *int64 { return &c.LogLimit }),
		bytes("user-memory", "1GiB", -1, 1<<44, "memory for users; those not met for longest are left on disk beyond it; -1 is no bound", func(c *Config) *int64 { return &c.UserMemory }),
		bytes("checkpoint-bytes", "64MiB", 1<<20, 1<<40, "how much of the log gathers before the checkpoint follows", func(c *Config) *int64 { return &c.CheckpointBytes }),
		bytes("checkpoint-lag", "512MiB", 1<<20, 1<<40, "how much of the log gathers while writes keep the processors busy", func(c *Config) *int64 { return &c.CheckpointLag }),
		count("max-waiting", "4096", 1, 1<<20, "write requests that wait for the disk; more are refused as overload", func(c *Config) *int { return &c.MaxWaiting }),
		bytes("export-alarm", "4GiB", -1, 1<<44, "how much of the log may stay for named exports alone before it's called an alarm; -1 is never", func(c *Config) *int64 { return &c.ExportAlarm }),
		bytes("export-limit", "0", 0, 1<<44, "how much of it stays at most: beyond it exports lose what they haven't read; 0 is no limit", func(c *Config) *int64 { return &c.ExportLimit }),
		duration("export-stale", "7d", time.Minute, 3650*24*time.Hour, "how long a named export may stand still before it's called stale", func(c *Config) *time.Duration { return &c.ExportStale }),
		count("degrade-candidates", "0", -1, 1<<20, "lists under way from which on fewer candidates are looked at; 0 is 8 for each processor, -1 is never", func(c *Config) *int { return &c.DegradeCandidates }),
		count("degrade-counts", "0", -1, 1<<20, "lists under way from which on counts are taken from scores, too; 0 is 32 for each processor, -1 is never", func(c *Config) *int { return &c.DegradeCounts }),
		count("degrade-mixing", "0", -1, 1<<20, "lists under way from which on nothing is mixed or explored, too; 0 is 100 for each processor, -1 is never", func(c *Config) *int { return &c.DegradeMixing }),
	}
}

func where() []Setting {
	return []Setting{
		text("listen", "127.0.0.1:7878", "address to listen at; port 0 takes a free one", func(c *Config) *string { return &c.Listen }),
		yes("insecure-listen", "false", "listen beyond this machine without any API key: everybody who reaches the port is an administrator", func(c *Config) *bool { return &c.InsecureListen }),
		text("tls-cert", "", "file with the certificate and those between it and the root, as PEM; TLS 1.3 from then on", func(c *Config) *string { return &c.TLSCert }),
		text("tls-key", "", "file with the certificate's private key, as PEM", func(c *Config) *string { return &c.TLSKey }),
		text("keys", "", "file with the API keys; API_KEYS in the directory of the database if empty", func(c *Config) *string { return &c.Keys }),
		yes("require-keys", "false", "refuse requests without a key on this machine, too, also as long as there are no keys", func(c *Config) *bool { return &c.RequireKeys }),
		list("cors-origins", "origins whose pages may use the API through a browser, with commas between them, such as https://shop.example.com", func(c *Config) *[]string { return &c.CORSOrigins }),
		yes("insecure-cors", "false", "take * among cors-origins: every page that anybody opens may use the API, as an administrator where no key is needed", func(c *Config) *bool { return &c.InsecureCORS }),
	}
}

func group() []Setting {
	return []Setting{
		text("cluster-listen", "", "address for the other replicas of a group, host:port; empty keeps the database alone", func(c *Config) *string { return &c.ClusterListen }),
		text("cluster-advertise", "", "address that the others are told; cluster-listen if empty, where that names one address", func(c *Config) *string { return &c.ClusterAdvertise }),
		text("cluster-url", "", "URL that applications are told; made of listen if empty, where that names one address", func(c *Config) *string { return &c.ClusterURL }),
		list("cluster-join", "addresses of replicas, with commas between them, of which a new directory asks for a place in their group", func(c *Config) *[]string { return &c.ClusterJoin }),
		duration("cluster-join-timeout", "1m", time.Second, time.Hour, "how long a place is asked for before the server gives up", func(c *Config) *time.Duration { return &c.ClusterJoinTimeout }),
		text("cluster-ca", "", "file with the certificate of the authority that signed those of all replicas, as PEM; without it only this machine can be reached", func(c *Config) *string { return &c.ClusterCA }),
		text("cluster-cert", "", "file with this replica's certificate, as PEM; it may change while the server runs", func(c *Config) *string { return &c.ClusterCert }),
		text("cluster-key", "", "file with its private key, as PEM", func(c *Config) *string { return &c.ClusterKey }),
		duration("cluster-election-timeout", "300ms", 50*time.Millisecond, time.Minute, "how long without word from the leader before another one is elected; the same at all replicas", func(c *Config) *time.Duration { return &c.ClusterElectionTimeout }),
		duration("cluster-stall-timeout", "2s", 100*time.Millisecond, 10*time.Minute, "how long a leader waits for its disk before it hands over", func(c *Config) *time.Duration { return &c.ClusterStallTimeout }),
		text("cluster-region", "", "name of the region that this replica is of: 1 to 32 of a-z, 0-9 and -; a database that never had a second region calls its own home", func(c *Config) *string { return &c.ClusterRegion }),
		list("cluster-region-join", "addresses of replicas of other regions, with commas between them, of which the first replica of a new region asks for a number and a copy", func(c *Config) *[]string { return &c.ClusterRegionJoin }),
		one("cluster-region-role", "active", []string{RegionActive, RegionFollower}, "whether a new region takes writes, or leaves them to the home region; that is decided when it joins", func(c *Config) *string { return &c.ClusterRegionRole }),
		reload(count("cluster-ready-lag", "10000", 1, 1<<30, "how many entries a replica may be behind to call itself ready", func(c *Config) *int { return &c.ClusterReadyLag })),
		reload(duration("cluster-region-ready-lag", "0s", 0, 365*24*time.Hour, "how far a replica may be behind other regions to call itself ready; 0 is no bound", func(c *Config) *time.Duration { return &c.ClusterRegionReadyLag })),
	}
}

// The roles of a new region, as cluster-region-role takes them.
const (
	RegionActive   = "active"
	RegionFollower = "follower"
)

func limits() []Setting {
	return []Setting{
		count("max-connections", "4096", 1, 1<<20, "connections at the same time; more wait to be accepted", func(c *Config) *int { return &c.MaxConnections }),
		count("max-lists", "256", 1, 1<<20, "lists being made at the same time; more are refused as overload, with Retry-After", func(c *Config) *int { return &c.MaxLists }),
		count("max-writes", "1024", 1, 1<<20, "write requests at the same time; more are refused as overload, with Retry-After", func(c *Config) *int { return &c.MaxWrites }),
		bytes("body-limit", "4MiB", 1<<10, 1<<30, "size of a request's body, before and after decompression; streams have none", func(c *Config) *int64 { return &c.BodyLimit }),
	}
}

func times() []Setting {
	return []Setting{
		duration("request-timeout", "10s", time.Millisecond, time.Hour, "how long a request may take, and its body to arrive, streams apart", func(c *Config) *time.Duration { return &c.RequestTimeout }),
		duration("stream-timeout", "60s", time.Millisecond, 24*time.Hour, "how long a stream may wait for its other end", func(c *Config) *time.Duration { return &c.StreamTimeout }),
		duration("header-timeout", "5s", time.Millisecond, time.Hour, "how long a request's headers may take to arrive", func(c *Config) *time.Duration { return &c.HeaderTimeout }),
		duration("idle-timeout", "2m", time.Second, 24*time.Hour, "how long a connection is kept without a request", func(c *Config) *time.Duration { return &c.IdleTimeout }),
		reload(duration("drain-timeout", "30s", 0, time.Hour, "how long requests under way may take to end, once the server is told to stop", func(c *Config) *time.Duration { return &c.DrainTimeout })),
		reload(duration("drain-delay", "0s", 0, 10*time.Minute, "how long the server says that it isn't ready, and still accepts, before it stops accepting", func(c *Config) *time.Duration { return &c.DrainDelay })),
		reload(bytes("ready-free", "256MiB", 0, 1<<44, "how much room the directory's disk must have for the server to call itself ready", func(c *Config) *int64 { return &c.ReadyFree })),
		reload(bytes("ready-lag", "2GiB", 1<<20, 1<<44, "how far the checkpoint may be behind the log for the server to call itself ready", func(c *Config) *int64 { return &c.ReadyLag })),
	}
}

func whatIsSaid() []Setting {
	return []Setting{
		reload(one("log-level", "info", []string{"debug", "info", "warn", "error"}, "what is logged", func(c *Config) *string { return &c.LogLevel })),
		one("log-format", "text", []string{"text", "json"}, "how it is logged, to standard error", func(c *Config) *string { return &c.LogFormat }),
		reload(yes("access-log", "false", "log every request, not only those that fail", func(c *Config) *bool { return &c.AccessLog })),
		yes("metrics", "true", "answer /metrics, to who has a key, or to all as long as none is needed", func(c *Config) *bool { return &c.Metrics }),
		yes("metrics-open", "false", "answer /metrics to all, with or without a key", func(c *Config) *bool { return &c.MetricsOpen }),
		yes("pprof", "false", "answer /debug/pprof/ to administrators", func(c *Config) *bool { return &c.Pprof }),
	}
}

func reload(s Setting) Setting {
	s.Reload = true
	return s
}

func text(name, standard, doc string, field func(*Config) *string) Setting {
	return Setting{Name: name, Kind: Text, Default: standard, Doc: doc, set: func(c *Config, t string) error {
		*field(c) = t
		return nil
	}}
}

func list(name, doc string, field func(*Config) *[]string) Setting {
	return Setting{Name: name, Kind: Text, Doc: doc, set: func(c *Config, t string) error {
		*field(c) = nil
		for _, part := range strings.Split(t, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*field(c) = append(*field(c), part)
			}
		}
		return nil
	}}
}

func one(name, standard string, of []string, doc string, field func(*Config) *string) Setting {
	s := text(name, standard, doc+": "+strings.Join(of, ", "), field)
	set := s.set
	s.set = func(c *Config, t string) error {
		if !slices.Contains(of, t) {
			return fmt.Errorf("%q is none of %s", t, strings.Join(of, ", "))
		}
		return set(c, t)
	}
	return s
}

func yes(name, standard, doc string, field func(*Config) *bool) Setting {
	return Setting{Name: name, Kind: Switch, Default: standard, Doc: doc, set: func(c *Config, t string) (err error) {
		*field(c), err = parseSwitch(t)
		return err
	}}
}

func count(name, standard string, least, most int64, doc string, field func(*Config) *int) Setting {
	return Setting{Name: name, Kind: Count, Default: standard, Doc: doc, set: func(c *Config, t string) error {
		n, err := parseCount(t)
		if err == nil && (n < least || n > most) {
			err = fmt.Errorf("%d is not from %d to %d", n, least, most)
		}
		*field(c) = int(n)
		return err
	}}
}

func bytes(name, standard string, least, most int64, doc string, field func(*Config) *int64) Setting {
	return Setting{Name: name, Kind: Bytes, Default: standard, Doc: doc, set: func(c *Config, t string) error {
		n, err := parseBytes(t)
		if err == nil && (n < least || n > most) {
			err = fmt.Errorf("%d is not from %d to %d bytes", n, least, most)
		}
		*field(c) = n
		return err
	}}
}

func duration(name, standard string, least, most time.Duration, doc string, field func(*Config) *time.Duration) Setting {
	return Setting{Name: name, Kind: Duration, Default: standard, Doc: doc, set: func(c *Config, t string) error {
		d, err := parseDuration(t)
		if err == nil && (d < least || d > most) {
			err = fmt.Errorf("%s is not from %s to %s", t, least, most)
		}
		*field(c) = d
		return err
	}}
}
