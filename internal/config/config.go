package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Config are the values of all settings; [Settings] says what each means, and which values it takes.
type Config struct {
	DataDir, Schema                                 string
	Retention                                       time.Duration
	LogLimit                                        int64
	UserMemory, CheckpointBytes, CheckpointLag      int64
	ExportAlarm, ExportLimit                        int64
	ExportStale                                     time.Duration
	MaxWaiting                                      int
	DegradeCandidates, DegradeCounts, DegradeMixing int

	Listen          string
	InsecureListen  bool
	TLSCert, TLSKey string
	Keys            string
	RequireKeys     bool
	CORSOrigins     []string
	InsecureCORS    bool

	MaxConnections, MaxLists, MaxWrites int
	BodyLimit                           int64

	RequestTimeout, StreamTimeout, HeaderTimeout, IdleTimeout time.Duration
	DrainTimeout, DrainDelay                                  time.Duration
	ReadyFree, ReadyLag                                       int64

	ClusterListen, ClusterAdvertise, ClusterURL string
	ClusterJoin                                 []string
	ClusterJoinTimeout                          time.Duration
	ClusterCA, ClusterCert, ClusterKey          string
	ClusterElectionTimeout, ClusterStallTimeout time.Duration
	ClusterReadyLag                             int
	ClusterRegion, ClusterRegionRole            string
	ClusterRegionJoin                           []string
	ClusterRegionReadyLag                       time.Duration

	LogLevel, LogFormat                    string
	AccessLog, Metrics, MetricsOpen, Pprof bool
}

// Sources are where values come from; what names no setting is refused.
type Sources struct {
	// Flags are those that were given, by name.
	Flags map[string]string
	// Environ are "NAME=value" texts. Those that don't begin with TIDAL_ are left alone, as is what other programs of the
	// project read. An empty variable is as good as none.
	Environ []string
	// File is the file's content, and FileName its name for errors; both are empty without a file.
	File     []byte
	FileName string
}

// A Value is a setting with its value, and where that came from.
type Value struct {
	Setting
	Text string
	// From is "default", "file", "environment" or "flag".
	From string
}

// Resolved is what came out.
type Resolved struct {
	Config Config
	Values []Value // in the order of the table
}

// Resolve takes each setting from the first source that has it: flag, environment, file, default. It reports everything
// that is wrong, one [fault.Input] each, whose field is where it stands.
func Resolve(src Sources) (*Resolved, error) {
	file, fileErr := parseFile(src.FileName, src.File)
	environ, environErr := parseEnviron(src.Environ)
	flags, flagErr := parseFlags(src.Flags)
	errs := []error{fileErr, environErr, flagErr}
	out := &Resolved{}
	for _, s := range Settings() {
		v := Value{Setting: s, Text: s.Default, From: "default"}
		place := s.Name
		for _, layer := range []struct {
			from string
			has  map[string]placed
		}{{"flag", flags}, {"environment", environ}, {"file", file}} {
			if found, ok := layer.has[s.Name]; ok {
				v.Text, v.From, place = found.text, layer.from, found.place
				break
			}
		}
		if err := s.set(&out.Config, v.Text); err != nil {
			errs = append(errs, fault.Refuse(place, "%v", err))
		}
		out.Values = append(out.Values, v)
	}
	if err := errors.Join(append(errs, out.Config.check())...); err != nil {
		return nil, err
	}
	return out, nil
}

// placed is a value as it was written, and where.
type placed struct{ text, place string }

// check refuses values that don't go together.
func (c *Config) check() error {
	var errs []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, fault.Refuse("tls-cert", "and tls-key are given together, or neither"))
	}
	if c.CheckpointLag < c.CheckpointBytes {
		errs = append(errs, fault.Refuse("checkpoint-lag", "is less than checkpoint-bytes"))
	}
	// 0 would stand for the default further down.
	if c.UserMemory == 0 {
		errs = append(errs, fault.Refuse("user-memory", "is 0; write -1 for no bound"))
	}
	if c.ExportAlarm == 0 {
		errs = append(errs, fault.Refuse("export-alarm", "is 0; write -1 for never"))
	}
	errs = append(errs, c.checkOrigins()...)
	return errors.Join(append(errs, c.checkCluster()...)...)
}

// checkOrigins looks at the origins whose pages may use the API: what no browser sends as one would never match.
func (c *Config) checkOrigins() (errs []error) {
	for _, origin := range c.CORSOrigins {
		own := map[string]string{"http": ":80", "https": ":443"}
		u, err := url.Parse(origin)
		if err != nil {
			u = &url.URL{}
		}
		switch port, known := own[u.Scheme]; {
		case origin == "*" && c.InsecureCORS:
		case origin == "*":
			errs = append(errs, fault.Refuse("cors-origins", "is *, which is every page that anybody opens; name the origins, or set insecure-cors as well"))
		case !known || u.Hostname() == "" || u.Scheme+"://"+strings.ToLower(u.Host) != origin:
			errs = append(errs, fault.Refuse("cors-origins", "%q is no origin as browsers write it, such as https://shop.example.com or http://localhost:3000", origin))
		case strings.HasSuffix(u.Host, port):
			errs = append(errs, fault.Refuse("cors-origins", "%q never matches: browsers leave out %s", origin, port))
		}
	}
	return errs
}

// anywhere reports whether a host to listen at stands for all addresses.
func anywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// checkCluster looks at the settings of a replica of a group.
func (c *Config) checkCluster() (errs []error) {
	if files := []string{c.ClusterCA, c.ClusterCert, c.ClusterKey}; slices.Contains(files, "") && strings.Join(files, "") != "" {
		errs = append(errs, fault.Refuse("cluster-cert", "cluster-key and cluster-ca are given together, or none of them"))
	}
	if c.ClusterStallTimeout < c.ClusterElectionTimeout {
		errs = append(errs, fault.Refuse("cluster-stall-timeout", "is less than cluster-election-timeout"))
	}
	if c.ClusterListen == "" {
		if c.ClusterAdvertise+c.ClusterURL+strings.Join(c.ClusterJoin, "")+c.ClusterCA+c.ClusterRegion+
			strings.Join(c.ClusterRegionJoin, "") != "" || c.ClusterRegionRole != RegionActive {
			errs = append(errs, fault.Refuse("cluster-listen", "is empty, and other settings of a replica are given; name the address for the other replicas"))
		}
		return errs
	}
	if host, _, err := net.SplitHostPort(c.ClusterListen); err == nil && c.ClusterAdvertise == "" && anywhere(host) {
		errs = append(errs, fault.Refuse("cluster-advertise", "is empty, and cluster-listen is every address of this machine; say under which one the other replicas reach it"))
	}
	if u, err := url.Parse(c.ClusterURL); c.ClusterURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		errs = append(errs, fault.Refuse("cluster-url", "%q is no URL of a server, such as https://db1.example.com:7878", c.ClusterURL))
	}
	for name, address := range map[string]string{"cluster-listen": c.ClusterListen, "cluster-advertise": c.ClusterAdvertise} {
		if address != "" {
			errs = append(errs, checkAddress(name, address))
		}
	}
	for _, address := range c.ClusterJoin {
		errs = append(errs, checkAddress("cluster-join", address))
	}
	return append(errs, c.checkRegion()...)
}

// checkRegion looks at the settings of a region.
func (c *Config) checkRegion() (errs []error) {
	if !goodRegion(c.ClusterRegion) {
		errs = append(errs, fault.Refuse("cluster-region", "%q is no name of a region; write 1 to 32 of a-z, 0-9 and -, such as eu-west",
			c.ClusterRegion))
	}
	for _, address := range c.ClusterRegionJoin {
		errs = append(errs, checkAddress("cluster-region-join", address))
	}
	switch {
	case len(c.ClusterRegionJoin) > 0 && c.ClusterRegion == "":
		errs = append(errs, fault.Refuse("cluster-region", "is empty, and cluster-region-join is given; name the new region"))
	case c.ClusterRegionRole == RegionFollower && c.ClusterRegion == "":
		errs = append(errs, fault.Refuse("cluster-region", "is empty, and cluster-region-role is follower; name the region"))
	}
	return errs
}

// goodRegion reports whether a name may be that of a region. None is given where it's empty.
func goodRegion(name string) bool {
	return len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// checkAddress refuses what isn't host:port.
func checkAddress(name, address string) error {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return fault.Refuse(name, "%q is no address; write host:port, such as 10.0.0.1:7879", address)
	}
	return nil
}

func parseFlags(given map[string]string) (map[string]placed, error) {
	out, errs := map[string]placed{}, []error(nil)
	for name, text := range given {
		if _, ok := Find(name); !ok {
			errs = append(errs, unknown("--"+name, name, names()))
			continue
		}
		out[name] = placed{text, "--" + name}
	}
	return out, errors.Join(errs...)
}

// notSettings are variables of the project that no server reads.
var notSettings = []string{"TIDAL_CONFIG", "TIDAL_SERVER", "TIDAL_KEY"}

// testPrefix begins the names of variables by which tests speak with the programs that they start.
const testPrefix = "TIDAL_TEST_"

func parseEnviron(environ []string) (map[string]placed, error) {
	byVariable := map[string]string{}
	var variables []string
	for _, s := range Settings() {
		byVariable[s.Variable()] = s.Name
		variables = append(variables, s.Variable())
	}
	out, errs := map[string]placed{}, []error(nil)
	for _, entry := range environ {
		variable, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(variable, variablePrefix) || strings.HasPrefix(variable, testPrefix) || text == "" ||
			slices.Contains(notSettings, variable) {
			continue
		}
		name, ok := byVariable[variable]
		if !ok {
			errs = append(errs, unknown(variable, variable, variables))
			continue
		}
		out[name] = placed{text, variable}
	}
	return out, errors.Join(errs...)
}

// FileOf returns the name of the file that the environment names, empty if it names none.
func FileOf(environ []string) string {
	name := ""
	for _, entry := range environ {
		if rest, ok := strings.CutPrefix(entry, "TIDAL_CONFIG="); ok {
			name = rest
		}
	}
	return name
}

func names() []string {
	var all []string
	for _, s := range Settings() {
		all = append(all, s.Name)
	}
	return all
}

func unknown(place, name string, known []string) error {
	hint := "see `tidal config print` for those that there are"
	if near := fault.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return fault.Refuse(place, "is no setting; %s", hint)
}

// Changes compares two answers: the settings of which next has another value, those that SIGHUP brings into force and
// those that need a restart.
func Changes(old, next *Resolved) (now, restart []string) {
	for i := range next.Values {
		if old.Values[i].Text == next.Values[i].Text {
			continue
		}
		if next.Values[i].Reload {
			now = append(now, next.Values[i].Name)
		} else {
			restart = append(restart, next.Values[i].Name)
		}
	}
	return now, restart
}

// Apply returns the old values with those of next that SIGHUP brings into force.
func Apply(old, next *Resolved) *Resolved {
	out := &Resolved{Config: old.Config, Values: slices.Clone(old.Values)}
	for i, v := range next.Values {
		if v.Reload {
			out.Values[i] = v
			if err := v.set(&out.Config, v.Text); err != nil {
				panic(fmt.Sprintf("config: %s was accepted before: %v", v.Name, err))
			}
		}
	}
	return out
}
