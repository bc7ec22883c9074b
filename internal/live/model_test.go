package live

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// script feeds a view with messages, and returns the last frame without colours, its lines ended by newlines.
func script(t *testing.T, v tea.Model, messages ...tea.Msg) (tea.Model, string) {
	t.Helper()
	for _, m := range messages {
		v, _ = v.Update(m)
	}
	frame := colours.ReplaceAllString(v.View().Content, "")
	var out strings.Builder
	for line := range strings.Lines(frame + "\n") {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return v, out.String()
}

func fresh() tea.Model {
	return newModel(context.Background(), Options{Server: "http://127.0.0.1:7878"})
}

// What a reader sees from the first second on: an answer, more of them, a pause, trouble, a server that is gone.
func TestFrames(t *testing.T) {
	v, frame := script(t, fresh(), tea.WindowSizeMsg{Width: 120, Height: 40})
	golden(t, "frame-0-asking.txt", frame)
	v, frame = script(t, v, fetched{sample: read(t, server{signals: 6400, lists: 1000}, 0)})
	golden(t, "frame-1-first.txt", frame)
	var more []tea.Msg
	for i := range 6 {
		s := server{signals: 6400 + float64(i*i)*300, lists: 1000 + float64(i)*400}
		more = append(more, tick{}, fetched{sample: read(t, s, float64(1+i))})
	}
	v, frame = script(t, v, more...)
	golden(t, "frame-2-busy.txt", frame)
	v, frame = script(t, v, tea.KeyPressMsg{Code: tea.KeySpace, Text: " "})
	golden(t, "frame-3-paused.txt", frame)
	v, frame = script(t, v, tea.KeyPressMsg{Code: tea.KeySpace, Text: " "},
		fetched{sample: read(t, server{signals: 14000, lists: 3100, failed: 7, hidden: 1, notReady: true}, 7)})
	golden(t, "frame-4-trouble.txt", frame)
	v, frame = script(t, v, fetched{err: errors.New("connection refused")})
	golden(t, "frame-5-gone.txt", frame)
	_, frame = script(t, v, tea.WindowSizeMsg{Width: 40, Height: 12})
	golden(t, "frame-6-narrow.txt", frame)
	if n := strings.Count(frame, "\n"); n != 12 {
		t.Errorf("%d lines on a terminal of 12", n)
	}
	for line := range strings.Lines(frame) {
		if lipgloss.Width(line) > 40 {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
}

// The view asks, waits, and asks again; it asks nothing while it is paused, and ends on q.
func TestStepsOfTheView(t *testing.T) {
	asked := 0
	v := newModel(context.Background(), Options{Fetch: func(context.Context) (*Sample, error) {
		asked++
		return read(t, server{}, float64(asked)), nil
	}})
	answer, ok := v.Init()().(fetched)
	if !ok || asked != 1 {
		t.Fatalf("it begins with %+v, %d questions", answer, asked)
	}
	next, waits := v.Update(answer)
	if waits == nil {
		t.Fatal("it doesn't wait after an answer")
	}
	next, asks := next.Update(tick{})
	if _, ok := asks().(fetched); !ok || asked != 2 {
		t.Fatal("it doesn't ask when it's time")
	}
	next, _ = next.Update(tea.KeyPressMsg{Code: 'p', Text: "p"})
	if next, asks = next.Update(tick{}); asks == nil || asked != 2 {
		t.Fatal("it doesn't wait while it is paused")
	}
	for _, key := range []tea.KeyPressMsg{{Code: 'q', Text: "q"}, {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		if _, end := next.Update(key); end == nil {
			t.Errorf("%s doesn't end it", key)
		} else if _, ok := end().(tea.QuitMsg); !ok {
			t.Errorf("%s doesn't end it", key)
		}
	}
	if _, cmd := next.Update(tea.KeyPressMsg{Code: 'x', Text: "x"}); cmd != nil {
		t.Error("x does something")
	}
}

// Old samples go: the trend isn't longer than it is wide, and memory doesn't grow.
func TestTheViewKeepsAMinute(t *testing.T) {
	v := fresh()
	for i := range 3 * history {
		v, _ = v.Update(fetched{sample: read(t, server{signals: float64(i * i)}, float64(i))})
	}
	if kept := v.(view).samples; len(kept) != history || cap(kept) > 3*history {
		t.Errorf("%d samples of %d", len(kept), cap(kept))
	}
}

// keys is a terminal on which q is pressed once the first answer was asked for.
type keys struct {
	asked <-chan struct{}
	done  bool
}

func (k *keys) Read(p []byte) (int, error) {
	<-k.asked
	if k.done {
		return 0, io.EOF
	}
	k.done = true
	return copy(p, "q"), nil
}

func TestTheProgramEndsOnQ(t *testing.T) {
	asked := make(chan struct{})
	var out bytes.Buffer
	err := Run(t.Context(), Options{Server: "http://here", Fetch: func(context.Context) (*Sample, error) {
		close(asked)
		return read(t, server{signals: 1}, 0), nil
	}}, &keys{asked: asked}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		t.Error("nothing was drawn")
	}
}

func TestTheProgramEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	never := make(chan struct{})
	defer close(never)
	err := Run(ctx, Options{Fetch: func(ctx context.Context) (*Sample, error) {
		cancel()
		return nil, ctx.Err()
	}}, &keys{asked: never}, io.Discard)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
