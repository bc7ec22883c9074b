package config

import (
	"fmt"
	"strings"
)

// Markdown returns the table as docs/configuration.md shows it.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| flag, key in the file | variable | kind | default | what it is | on SIGHUP |\n|---|---|---|---|---|---|\n")
	for _, s := range Settings() {
		standard := "–"
		if s.Default != "" {
			standard = "`" + s.Default + "`"
		}
		reload := "–"
		if s.Reload {
			reload = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s |\n", s.Name, s.Variable(), s.Kind, standard, s.Doc, reload)
	}
	return b.String()
}
