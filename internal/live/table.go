package live

import (
	"fmt"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
)

// look is how parts of the table look.
type look struct{ title, name, good, bad, dim func(string) string }

// plain has no colours, for pipes and files.
func plain() look {
	as := func(s string) string { return s }
	return look{as, as, as, as, as}
}

// coloured is for terminals, which are given the colours that they have.
func coloured() look {
	style := func(s lipgloss.Style) func(string) string { return func(text string) string { return s.Render(text) } }
	return look{
		title: style(lipgloss.NewStyle().Bold(true)),
		name:  style(lipgloss.NewStyle().Foreground(lipgloss.Cyan)),
		good:  style(lipgloss.NewStyle().Foreground(lipgloss.Green)),
		bad:   style(lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)),
		dim:   style(lipgloss.NewStyle().Faint(true)),
	}
}

// mostProfiles bounds the profiles of a table that has no other bound.
const mostProfiles = 20

// Table says all of it in lines of text, without colours.
func (f *Figures) Table() string {
	return strings.Join(f.lines(plain(), "", mostProfiles), "\n") + "\n"
}

// row is a line with a name in front.
func (l look) row(name string, parts ...string) string {
	return l.name(fmt.Sprintf("%-9s", name)) + strings.Join(parts, l.dim(" · "))
}

func spaces(n int) string { return strings.Repeat(" ", n) }

// lines are the table's, with room for so many profiles. Trend is drawn behind the rate of signals.
func (f *Figures) lines(l look, trend string, profiles int) []string {
	row := l.row
	s := &f.Signals
	out := []string{
		l.title(f.Server) + "  " + f.Version + "  " + f.state(l) + "  " + l.dim(f.At.Format("2006-01-02 15:04:05 UTC")),
		"",
		row("signals", append([]string{strings.TrimRight(f.rate(s.PerSecond)+"  "+trend, " ")}, f.named(s.Types, 6)...)...),
		row("writes", "answered "+s.Write.String(), "durable "+s.Durable.String(), "visible "+s.Visible.String()),
		row("reaction", f.Reaction.String()+" from a signal to the user's next list"),
		row("lists", f.rate(f.Lists)),
		"",
	}
	out = append(out, f.profileLines(l, profiles)...)
	h, m, t := &f.Holds, &f.Memory, &f.Troubles
	out = append(out,
		row("holds", count(h.Items)+" items", count(h.UsersMemory)+" users in memory, "+count(h.UsersDisk)+" on disk",
			count(h.Creators)+" creators", count(h.Cells)+" cells"),
		row("memory", size(m.Resident)+" resident", "state "+size(m.State), "views "+size(m.Views), "users "+size(m.Users)),
		row("log", size(f.Log.Size), size(f.Log.Behind)+" not in the checkpoint"),
		row("requests", f.rate(f.HTTP.PerSecond), count(f.HTTP.UnderWay)+" under way", count(f.HTTP.Connections)+" connections"),
		row("troubles", f.trouble(l, "failed", t.Failed), f.trouble(l, "overloaded", t.Overloaded), "refused "+f.rate(t.Refused),
			f.degraded(l), f.hidden(l)),
	)
	return append(out, f.regionLines(l)...)
}

func (f *Figures) state(l look) string {
	switch {
	case !f.Writable:
		return l.bad("takes no writes")
	case f.Regions != nil && f.Regions.Forked:
		return l.bad("forked: takes no writes")
	case !f.Ready:
		return l.bad("not ready")
	}
	return l.good("ready")
}

// profileLines are a table of the busiest profiles.
func (f *Figures) profileLines(l look, most int) []string {
	if len(f.Profiles) == 0 {
		return []string{l.dim("no lists were asked for"), ""}
	}
	shown := f.Profiles[:min(len(f.Profiles), most)]
	width := len("profile")
	for i := range shown {
		width = max(width, lipgloss.Width(shown[i].Name))
	}
	pad := func(name string) string { return name + strings.Repeat(" ", width-lipgloss.Width(name)) }
	out := []string{l.dim(fmt.Sprintf("%s  %10s  %8s  %8s", pad("profile"), "lists", "p50", "p99"))}
	for _, p := range shown {
		out = append(out, fmt.Sprintf("%s  %10s  %8s  %8s", pad(p.Name), f.rate(p.PerSecond), span(p.Took.P50), span(p.Took.P99)))
	}
	if rest := len(f.Profiles) - len(shown); rest > 0 {
		out = append(out, l.dim(fmt.Sprintf("and %d more", rest)))
	}
	return append(out, "")
}

// named are rates with their names.
func (f *Figures) named(rates []Rate, most int) []string {
	var out []string
	for i, r := range rates {
		if i == most {
			return append(out, fmt.Sprintf("%d more", len(rates)-most))
		}
		out = append(out, r.Name+" "+f.rate(r.PerSecond))
	}
	return out
}

func (f *Figures) trouble(l look, name string, rate float64) string {
	text := name + " " + f.rate(rate)
	if rate > 0 {
		return l.bad(text)
	}
	return text
}

func (f *Figures) degraded(l look) string {
	if len(f.Troubles.Degraded) == 0 {
		return "degraded " + f.rate(0)
	}
	return l.bad("degraded " + strings.Join(f.named(f.Troubles.Degraded, 3), ", "))
}

func (f *Figures) hidden(l look) string {
	text := "hidden served " + count(f.Troubles.HiddenServed)
	if f.Troubles.HiddenServed > 0 {
		return l.bad(text)
	}
	return text
}

// rate writes a rate; a dash where there is no earlier sample.
func (f *Figures) rate(x float64) string {
	switch {
	case !(f.Seconds > 0):
		return "–/s"
	case x > 0 && x < 10:
		return strconv.FormatFloat(x, 'f', 1, 64) + "/s"
	}
	return count(x) + "/s"
}

// String writes both quantiles.
func (l Latency) String() string { return "p50 " + span(l.P50) + ", p99 " + span(l.P99) }

// span writes seconds with three digits at most.
func span(seconds *float64) string {
	switch {
	case seconds == nil:
		return "–"
	case *seconds < 0.9995e-3:
		return short(*seconds*1e6) + " µs"
	case *seconds < 0.9995:
		return short(*seconds*1e3) + " ms"
	}
	return short(*seconds) + " s"
}

// size writes a size with three digits at most, in decimal units.
func size(n float64) string {
	unit := 0
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	for n >= 999.5 && unit < len(units)-1 {
		n, unit = n/1000, unit+1
	}
	return short(n) + " " + units[unit]
}

// short has three digits, or what stands before the point.
func short(x float64) string {
	digits := 0
	switch {
	case x < 9.995:
		digits = 2
	case x < 99.95:
		digits = 1
	}
	text := strconv.FormatFloat(x, 'f', digits, 64)
	if digits > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// count writes a whole number with separators.
func count(x float64) string {
	text := strconv.FormatFloat(x, 'f', 0, 64)
	digits, sign := strings.CutPrefix(text, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if sign {
		return "-" + digits
	}
	return digits
}

// trend draws values as bars, the newest last, as high as the highest.
func trend(values []float64) string {
	highest := 0.0
	for _, v := range values {
		highest = max(highest, v)
	}
	if highest == 0 {
		return ""
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	var out strings.Builder
	for _, v := range values {
		out.WriteRune(bars[min(len(bars)-1, int(v/highest*float64(len(bars))))])
	}
	return out.String()
}
