package schema

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Limits of the policies of sessions.
const (
	maxPolicies       = 64
	maxPolicyDuration = 10 * 365 * 24 * time.Hour
	maxPolicyRate     = 1e6
	maxPolicyBurst    = 1 << 16
	maxPolicyBytes    = 16 << 10 // all of them, as encoded
)

// SessionPolicy says what may be written in a session that was begun under it, how fast, and for how long. The zero value
// of all but the name allows everything.
type SessionPolicy struct {
	// Name is what sessions name it by.
	Name string
	// Types are the signal types that may be written; none means all.
	Types []string
	// MaxDuration is how long a session lasts at most, and Idle how long it stays open while nothing is written in it:
	// whole milliseconds up to 10 years (of 365 days), 0 for no limit.
	MaxDuration, Idle time.Duration
	// Rate is how many signals a second may be written in the long run, up to 1,000,000; 0 is no limit. Burst is how many
	// at once, up to 65,536; 0 stands for as many as in a second, and at least 1.
	Rate  float64
	Burst int
}

// SessionPolicy returns the policy called name.
func (s *Schema) SessionPolicy(name string) (SessionPolicy, bool) {
	for _, p := range s.SessionPolicies {
		if p.Name == name {
			return p, true
		}
	}
	return SessionPolicy{}, false
}

// Allows reports whether signals of a type may be written.
func (p *SessionPolicy) Allows(signal string) bool {
	return len(p.Types) == 0 || slices.Contains(p.Types, signal)
}

func comparePolicies(a, b SessionPolicy) int { return strings.Compare(a.Name, b.Name) }

func (p SessionPolicy) clone() SessionPolicy {
	p.Types = slices.Clone(p.Types)
	return p
}

// append writes the bytes that encode.go lays out.
func (p SessionPolicy) append(b []byte) []byte {
	b = binary.AppendUvarint(appendString(b, p.Name), uint64(len(p.Types)))
	for _, name := range p.Types {
		b = appendString(b, name)
	}
	b = binary.AppendUvarint(b, uint64(p.MaxDuration))
	b = binary.AppendUvarint(b, uint64(p.Idle))
	return binary.AppendUvarint(appendFloat(b, p.Rate), uint64(p.Burst))
}

func (d *decoder) policy() SessionPolicy {
	p := SessionPolicy{Name: d.name("policy name")}
	for range d.count("types of a policy", maxSignals) {
		p.Types = append(p.Types, d.name("signal"))
	}
	p.MaxDuration = time.Duration(d.number("longest duration", uint64(maxPolicyDuration)))
	p.Idle = time.Duration(d.number("idle time", uint64(maxPolicyDuration)))
	p.Rate, p.Burst = d.float("rate"), int(d.number("burst", maxPolicyBurst))
	return p
}

// policies checks the form. That the types exist is for references to see.
func (v *validator) policies(policies []SessionPolicy) {
	v.count("session_policies", len(policies), maxPolicies, "policies of sessions")
	size := 0
	for i := range policies {
		p := &policies[i]
		path := fmt.Sprintf("session_policies[%d]", i)
		size += len(p.append(nil))
		v.name(path+".name", p.Name, nil)
		if i > 0 && policies[i-1].Name == p.Name {
			v.refuse(path+".name", "%q is there twice", p.Name)
		}
		v.count(path+".types", len(p.Types), maxSignals, "signal types")
		validSet(v, path+".types", p.Types, strconv.Quote, func(name string) bool { return isIdentifier(name) && len(name) <= MaxName })
		for _, d := range []struct {
			key  string
			span time.Duration
		}{{"max_duration", p.MaxDuration}, {"idle", p.Idle}} {
			if d.span < 0 || d.span > maxPolicyDuration || d.span%time.Millisecond != 0 {
				v.refuse(path+"."+d.key, "is %s; it must be from 1ms to %s in whole milliseconds", FormatDuration(d.span),
					FormatDuration(maxPolicyDuration))
			}
		}
		if !(p.Rate >= 0 && p.Rate <= maxPolicyRate) || math.Signbit(p.Rate) {
			v.refuse(path+".rate", "is %v; it must be from 0 to %d signals a second", p.Rate, int(maxPolicyRate))
		}
		switch {
		case p.Burst < 0 || p.Burst > maxPolicyBurst:
			v.refuse(path+".burst", "is %d; it must be from 1 to %d", p.Burst, maxPolicyBurst)
		case p.Burst > 0 && p.Rate == 0:
			v.refuse(path+".burst", "stands without a rate")
		}
	}
	if size > maxPolicyBytes {
		v.refuse("session_policies", "take %d bytes in all, at most %d", size, maxPolicyBytes)
	}
}

// policyTypes checks that the types of new policies exist.
func (v *validator) policyTypes(s, parent *Schema) {
	for i, p := range s.SessionPolicies {
		if parent != nil {
			if old, ok := parent.SessionPolicy(p.Name); ok && bytes.Equal(old.append(nil), p.append(nil)) {
				continue
			}
		}
		for j, name := range p.Types {
			if _, _, ok := s.Signal(name); !ok {
				v.refuse(fmt.Sprintf("session_policies[%d].types[%d]", i, j), "%q is no signal type%s", name,
					suggest(name, signalNames(s)))
			}
		}
	}
}

func signalNames(s *Schema) []string {
	names := make([]string, len(s.Signals))
	for i := range s.Signals {
		names[i] = s.Signals[i].Name
	}
	return names
}

func (c *comparison) policies(parent, child *Schema) {
	for _, p := range parent.SessionPolicies {
		path := "session_policies." + p.Name
		n, ok := child.SessionPolicy(p.Name)
		if !ok {
			c.differs(path, "was there, would be gone")
			continue
		}
		quote := func(name string) string { return name }
		c.same(path+".types", list(p.Types, quote), list(n.Types, quote))
		c.same(path+".max_duration", FormatDuration(p.MaxDuration), FormatDuration(n.MaxDuration))
		c.same(path+".idle", FormatDuration(p.Idle), FormatDuration(n.Idle))
		c.same(path+".rate", yamlFloat(p.Rate), yamlFloat(n.Rate))
		c.same(path+".burst", strconv.Itoa(p.Burst), strconv.Itoa(n.Burst))
	}
}

// unitePolicies joins the policies of base with what two sides add, as uniteProfiles does.
func unitePolicies(base, a, b *Schema) []SessionPolicy {
	u := slices.Clone(base.SessionPolicies)
	size := 0
	for _, p := range u {
		size += len(p.append(nil))
	}
	added := uniteSorted(a.SessionPolicies, b.SessionPolicies, comparePolicies,
		func(p SessionPolicy) []byte { return p.append(nil) })
	for _, p := range added {
		if _, known := base.SessionPolicy(p.Name); known {
			continue
		}
		if size += len(p.append(nil)); len(u) == maxPolicies || size > maxPolicyBytes {
			break
		}
		u = append(u, p.clone())
	}
	return u
}

// policies reads policies by name.
func (r *yamlReader) policies(n ast.Node, path string) []SessionPolicy {
	var read []SessionPolicy
	const example = `helper: {types: [view, like], idle: 10m}`
	r.named(n, path, "policies of sessions", example, policyKeys[:], func(at, name string, n ast.Node) {
		read = append(read, r.policy(at, name, n))
	})
	r.sorted(path, order(read, comparePolicies))
	return read
}

func (r *yamlReader) policy(path, name string, n ast.Node) SessionPolicy {
	p := SessionPolicy{Name: name}
	const want = "a mapping, such as {types: [view, like], max_duration: 1h, rate: 2}"
	for _, e := range r.mapping(n, path, want, withName(policyKeys[:])) {
		at := path + "." + e.key
		r.at[at] = placeOf(e.value)
		switch e.key {
		case "types":
			for i, entry := range r.list(e.value, at, "[view, like]") {
				inner := fmt.Sprintf("%s[%d]", at, i)
				r.at[inner] = placeOf(entry)
				p.Types = append(p.Types, r.word(entry, inner, "the name of a signal type"))
			}
			r.sorted(at, order(p.Types, strings.Compare))
		case "max_duration":
			p.MaxDuration = r.span(e.value, at)
		case "idle":
			p.Idle = r.span(e.value, at)
		case "rate":
			p.Rate = r.float(e.value, at)
		case "burst":
			p.Burst = int(r.number(e.value, at, 1, maxPolicyBurst))
		}
	}
	return p
}

// printPolicy leaves out what's zero.
func printPolicy(b *strings.Builder, p *SessionPolicy) {
	fmt.Fprintf(b, "  %s:", p.Name)
	start := b.Len()
	line := func(key, value string) { fmt.Fprintf(b, "\n    %s: %s", key, value) }
	if len(p.Types) > 0 {
		line("types", list(p.Types, func(name string) string { return name }))
	}
	if p.MaxDuration != 0 {
		line("max_duration", FormatDuration(p.MaxDuration))
	}
	if p.Idle != 0 {
		line("idle", FormatDuration(p.Idle))
	}
	if p.Rate != 0 {
		line("rate", yamlFloat(p.Rate))
	}
	if p.Burst != 0 {
		line("burst", strconv.Itoa(p.Burst))
	}
	if b.Len() == start {
		b.WriteString(" {}")
	}
	b.WriteByte('\n')
}
