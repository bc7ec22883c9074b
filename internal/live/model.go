package live

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// Options say what to show.
type Options struct {
	// Server is what the view calls the server.
	Server string
	// Fetch asks the server for its metrics. It is called on another goroutine, one call at a time, and ends with its
	// context.
	Fetch func(context.Context) (*Sample, error)
	// Every is how long to wait between an answer and the next question; 0 is a second.
	Every time.Duration
}

// Run shows the view on a terminal, until somebody presses q, ctrl+c or esc, or the context ends.
func Run(ctx context.Context, o Options, in io.Reader, out io.Writer) error {
	if o.Every == 0 {
		o.Every = time.Second
	}
	// The program outlives its last question only if the question does.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := tea.NewProgram(newModel(ctx, o), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out),
		tea.WithoutSignalHandler()).Run()
	if err != nil {
		return fmt.Errorf("show the view: %w", err)
	}
	return nil
}

// history is how many samples are kept, for the trend.
const history = 60

// view is the state of the program on the terminal. A step makes a new one.
type view struct {
	ctx           context.Context
	o             Options
	look          look
	samples       []*Sample
	err           error
	paused        bool
	width, height int
}

// fetched is the server's answer, tick the time for the next question.
type (
	fetched struct {
		sample *Sample
		err    error
	}
	tick struct{}
)

func newModel(ctx context.Context, o Options) view {
	return view{ctx: ctx, o: o, look: coloured(), width: 100, height: 30}
}

// Init implements [tea.Model].
func (v view) Init() tea.Cmd { return v.fetch() }

func (v view) fetch() tea.Cmd {
	return func() tea.Msg {
		sample, err := v.o.Fetch(v.ctx)
		return fetched{sample, err}
	}
}

// Update implements [tea.Model].
func (v view) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch m := message.(type) {
	case tea.WindowSizeMsg:
		v.width, v.height = m.Width, m.Height
	case tea.KeyPressMsg:
		switch m.String() {
		case "q", "ctrl+c", "esc":
			return v, tea.Quit
		case "space", "p":
			v.paused = !v.paused
		}
	case fetched:
		if v.err = m.err; m.err == nil {
			v.samples = append(v.samples[max(0, len(v.samples)-history+1):len(v.samples):len(v.samples)], m.sample)
		}
		return v, tea.Tick(v.o.Every, func(time.Time) tea.Msg { return tick{} })
	case tick:
		if v.paused {
			return v, tea.Tick(v.o.Every, func(time.Time) tea.Msg { return tick{} })
		}
		return v, v.fetch()
	}
	return v, nil
}

// View implements [tea.Model].
func (v view) View() tea.View {
	out := tea.NewView(strings.Join(v.lines(), "\n"))
	out.AltScreen, out.WindowTitle = true, "tidal top"
	return out
}

// Lines of a frame besides those of profiles: with them the frame should not be higher than the terminal.
const otherLines = 18

func (v view) lines() []string {
	var lines []string
	switch {
	case len(v.samples) > 0:
		f := Of(v.o.Server, v.samples)
		lines = f.lines(v.look, v.trend(), max(1, v.height-otherLines-len(f.regionLines(v.look))))
	case v.err == nil:
		lines = []string{v.look.title(v.o.Server), "", "Asking the server …"}
	default:
		lines = []string{v.look.title(v.o.Server)}
	}
	lines = append(lines, "")
	switch {
	case v.err != nil:
		lines = append(lines, v.look.bad("no answer: "+strings.ReplaceAll(v.err.Error(), "\n", " "))+v.look.dim("; asking again · q quits"))
	case v.paused:
		lines = append(lines, v.look.bad("paused")+v.look.dim(" · space goes on · q quits"))
	default:
		lines = append(lines, v.look.dim("space pauses · q quits"))
	}
	if last := len(lines) - 1; len(lines) > v.height && v.height > 0 {
		lines = append(lines[:v.height-1:v.height-1], lines[last]) // the hints stay in sight
	}
	for i := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(v.width).Render(lines[i])
	}
	return lines
}

// trend draws the rates of signals of the last samples.
func (v view) trend() string {
	var rates []float64
	for i := 2; i <= len(v.samples); i++ {
		rates = append(rates, Of("", v.samples[i-2:i]).Signals.PerSecond)
	}
	return trend(rates[max(0, len(rates)-30):])
}
