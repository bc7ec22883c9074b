package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// printProfile prints one element of the list of profiles; what's zero is left out.
func printProfile(b *strings.Builder, p *Profile) {
	fmt.Fprintf(b, "  - name: %s\n    version: %d\n", p.Name, p.Version)
	printList(b, "candidates", p.Candidates, Source.yaml)
	if p.First != "" {
		fmt.Fprintf(b, "    first: %s\n", yamlText(p.First))
	}
	printList(b, "score", p.Score, Step.yaml)
	printList(b, "gates", p.Gates, yamlText)
	printDiversity(b, &p.Diversity)
	printList(b, "explore", p.Explore, Slot.yaml)
}

func printList[T any](b *strings.Builder, key string, values []T, text func(T) string) {
	if len(values) > 0 {
		fmt.Fprintf(b, "    %s:\n", key)
	}
	for _, v := range values {
		fmt.Fprintf(b, "      - %s\n", text(v))
	}
}

func printDiversity(b *strings.Builder, d *Diversity) {
	start := b.Len()
	line := func(key, value string) {
		if b.Len() == start {
			b.WriteString("    diversity:\n")
		}
		fmt.Fprintf(b, "      %s: %s\n", key, value)
	}
	if len(d.MaxPer) > 0 {
		line("max_per", braces(d.MaxPer, MaxPer.yaml))
	}
	if len(d.Shares) > 0 {
		line("share", braces(d.Shares, Share.yaml))
	}
	if len(d.AtLeast) > 0 {
		line("at_least", list(d.AtLeast, AtLeast.yaml))
	}
	if d.Relevance != 0 {
		line("relevance", yamlFloat(d.Relevance))
	}
	if d.Embedding != "" {
		line("embedding", d.Embedding)
	}
}

func (s Source) yaml() string {
	text := "{from: " + s.Kind.String()
	if s.Signal != "" {
		text += ", signal: " + s.Signal
	}
	if s.HalfLife != 0 {
		text += ", half_life: " + FormatDuration(s.HalfLife)
	}
	if s.Limit != 0 {
		text += ", limit: " + strconv.Itoa(s.Limit)
	}
	return text + "}"
}

func (s Step) yaml() string { return fmt.Sprintf("{name: %s, %s: %s}", s.Name, s.Op, yamlText(s.Expr)) }

func (m MaxPer) yaml() string { return fmt.Sprintf("%s: %d", m.Field, m.N) }

func (s Share) yaml() string { return s.Field + ": " + yamlFloat(s.Max) }

func (a AtLeast) yaml() string {
	return fmt.Sprintf("{field: %s, value: %s, n: %d}", a.Field, yamlText(a.Value), a.N)
}

func (s Slot) yaml() string {
	text := fmt.Sprintf("{slot: %s, share: %s, pool: %s", s.Name, yamlFloat(s.Share), s.Pool)
	if s.Within != 0 {
		text += ", within: " + FormatDuration(s.Within)
	}
	return text + "}"
}

func braces[T any](values []T, text func(T) string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = text(v)
	}
	return "{" + strings.Join(words, ", ") + "}"
}

func yamlFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// yamlText quotes a text. Quotes and backslashes are frequent in filters and stand as they are between single quotes;
// line breaks and tabs can be written between double ones only.
func yamlText(s string) string {
	switch {
	case strings.ContainsAny(s, "\n\t"):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
	case strings.ContainsAny(s, `"\`):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return `"` + s + `"`
}
