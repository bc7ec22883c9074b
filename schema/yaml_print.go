package schema

import (
	"fmt"
	"strings"
)

// YAML prints s as a document that [ParseYAML] reads back to an equal schema. s must be valid.
func (s *Schema) YAML() []byte {
	n := s.Clone()
	n.normalise()
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nversion: %d\n", n.Name, n.Version)
	if !n.Parent.IsZero() {
		fmt.Fprintf(&b, "parent: %q\n", n.Parent)
	}
	fmt.Fprintf(&b, "future_bound: %s\n", FormatDuration(n.FutureBound))
	if len(n.Signals) > 0 {
		b.WriteString("signals:\n")
	}
	for i := range n.Signals {
		printSignal(&b, &n.Signals[i])
	}
	printEntity(&b, "items", &n.Items)
	printEntity(&b, "users", &n.Users)
	printEntity(&b, "creators", &n.Creators)
	if len(n.Profiles) > 0 {
		b.WriteString("profiles:\n")
	}
	for i := range n.Profiles {
		printProfile(&b, &n.Profiles[i])
	}
	if len(n.Cohorts) > 0 {
		b.WriteString("cohorts:\n")
	}
	for _, c := range n.Cohorts {
		fmt.Fprintf(&b, "  %s: %s\n", c.Name, yamlText(c.Where))
	}
	if len(n.SessionPolicies) > 0 {
		b.WriteString("session_policies:\n")
	}
	for i := range n.SessionPolicies {
		printPolicy(&b, &n.SessionPolicies[i])
	}
	return []byte(b.String())
}

// printSignal leaves out what's zero, so that a schema reads as it would be written by hand.
func printSignal(b *strings.Builder, t *SignalType) {
	fmt.Fprintf(b, "  %s:", t.Name)
	start := b.Len()
	line := func(key, value string) { fmt.Fprintf(b, "\n    %s: %s", key, value) }
	switch len(t.HalfLives) {
	case 0:
	case 1:
		line("half_life", FormatDuration(t.HalfLives[0]))
	default:
		line("half_lives", list(t.HalfLives, FormatDuration))
	}
	if len(t.Windows) > 0 {
		line("windows", list(t.Windows, Window.String))
	}
	for _, flag := range []struct {
		key string
		on  bool
	}{{"permanent", t.Permanent}, {"velocity", t.Velocity}, {"unique_users", t.UniqueUsers}, {"seen", t.Seen}} {
		if flag.on {
			line(flag.key, "true")
		}
	}
	if t.Meaning != Neutral {
		line("meaning", t.Meaning.String())
	}
	if len(t.Sets) > 0 {
		line("sets", list(t.Sets, Mark.String))
	}
	if len(t.Clears) > 0 {
		line("clears", list(t.Clears, Mark.String))
	}
	if b.Len() == start {
		b.WriteString(" {}")
	}
	b.WriteByte('\n')
}

func printEntity(b *strings.Builder, key string, e *EntityType) {
	if len(e.Fields) == 0 && len(e.Embeddings) == 0 {
		return
	}
	fmt.Fprintf(b, "%s:\n", key)
	if len(e.Fields) > 0 {
		b.WriteString("  fields:\n")
	}
	for _, f := range e.Fields {
		fmt.Fprintf(b, "    %s: %s\n", f.Name, f.Type)
	}
	if len(e.Embeddings) > 0 {
		b.WriteString("  embeddings:\n")
	}
	for _, m := range e.Embeddings {
		fmt.Fprintf(b, "    %s: %d\n", m.Name, m.Dimensions)
	}
}
