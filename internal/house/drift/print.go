package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// print writes one row per figure: what it is, what it should be, and where the largest one is.
func (sh *shape) print(w io.Writer) error {
	if len(sh.files) == 0 {
		return fmt.Errorf("no Go files here")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what, is, expect, where string) { fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", what, is, expect, where) }
	row("FIGURE", "IS", "EXPECT", "LARGEST")

	total := 0
	biggest, names := named{}, []named{}
	exported, documented, comments, goPackages := 0, 0, 0, []string{}
	for path, p := range sh.packages {
		total += p.lines
		biggest = larger(biggest, named{path, p.lines})
		names = append(names, named{path, p.exported})
		exported, documented = exported+p.exported, documented+p.documented
		if p.comment {
			comments++
		}
		if p.goStatements > 0 {
			goPackages = append(goPackages, fmt.Sprintf("%s %d", path, p.goStatements))
		}
	}
	slices.Sort(goPackages)
	slices.Sort(sh.variables)

	f, fn, st, in, ex := spread(sh.files), spread(sh.funcs), spread(sh.structs), spread(sh.interfaces), spread(names)
	row("lines, files, packages", fmt.Sprintf("%d · %d · %d", total, len(sh.files), len(sh.packages)), "", "")
	row("lines per file, median · p95 · max", f.String(), "130 · < 700 · < 1000", f.where)
	row("biggest package's share", percent(biggest.n, total), "< 20% past 20k lines", biggest.name)
	row("lines per function, median · p95 · max", fn.String(), "– · 60 · 150", fn.where)
	row("exported per package, median · p95 · max", ex.String(), "10 · – · 25", ex.where)
	row("fields per struct, median · p95 · max", st.String(), "– · – · 20", st.where)
	row("methods per interface, median · p95 · max", in.String(), "1–4 · – · 6", in.where)
	row("go statements", fmt.Sprint(len(goPackages), " packages"), "drivers and programs", strings.Join(goPackages, ", "))
	row("init functions", fmt.Sprint(sh.inits), "0", "")
	row("mutable package variables", fmt.Sprint(len(sh.variables)), "0", strings.Join(sh.variables, ", "))
	row("test lines / code lines", fmt.Sprintf("%.2f", float64(sh.testLines)/float64(total)), "1.2–1.8", "")
	row("comment lines", percent(sh.commentLines, total), "20–30%", "")
	row("packages with a comment", percent(comments, len(sh.packages)), "100%", "")
	row("exported names with a comment", percent(documented, exported), "≥ 95%", "")
	depth, chain := sh.depth()
	row("import depth", fmt.Sprint(depth), "8–10", strings.Join(chain, " → "))
	row("lines over 120 columns", fmt.Sprint(sh.wide), "0", "")
	return t.Flush()
}

// quantiles of one figure, and the place of its maximum.
type quantiles struct {
	median, p95, max int
	where            string
}

func (q quantiles) String() string { return fmt.Sprintf("%d · %d · %d", q.median, q.p95, q.max) }

func spread(all []named) quantiles {
	if len(all) == 0 {
		return quantiles{}
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.name, b.name)) })
	last := all[len(all)-1]
	return quantiles{all[len(all)/2].n, all[len(all)*95/100].n, last.n, last.name}
}

func larger(a, b named) named {
	if b.n > a.n || b.n == a.n && b.name < a.name {
		return b
	}
	return a
}

func percent(part, whole int) string {
	if whole == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(part)/float64(whole))
}

// depth is the number of packages on the longest chain of imports within the module.
func (sh *shape) depth() (int, []string) {
	memo := map[string][]string{}
	var walk func(path string) []string
	walk = func(path string) []string {
		if chain, ok := memo[path]; ok {
			return chain
		}
		var best []string
		for to := range sh.packages[path].imports {
			if to == "" {
				to = "."
			}
			if sh.packages[to] == nil {
				continue
			}
			chain := walk(to)
			if len(chain) > len(best) || len(chain) == len(best) && slices.Compare(chain, best) < 0 {
				best = chain
			}
		}
		memo[path] = append([]string{path}, best...)
		return memo[path]
	}
	var longest []string
	for path := range sh.packages {
		chain := walk(path)
		if len(chain) > len(longest) || len(chain) == len(longest) && slices.Compare(chain, longest) < 0 {
			longest = chain
		}
	}
	return len(longest), longest
}
