package schema

import "time"

// Window is a span of time, back from now, for which signals are counted. Its numbers are part of the encoding.
type Window uint8

// The windows. How finely each one moves follows from its span: minutes, hours, hours, days.
const (
	Window1h  Window = 1
	Window24h Window = 2
	Window7d  Window = 3
	Window30d Window = 4
	// WindowAll counts since the beginning.
	WindowAll Window = 5
)

// The spans and their words, in the order of their numbers; they are constant tables.
var (
	windowWords = [...]string{"1h", "24h", "7d", "30d", "all"}
	windowSpans = [...]time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 0}
)

// ParseWindow reads what [Window.String] writes: 1h, 24h, 7d, 30d or all.
func ParseWindow(s string) (Window, error) {
	n, err := numberOf("window", windowWords[:], 1, s)
	return Window(n), err
}

func (w Window) String() string { return wordOf("window", windowWords[:], 1, uint8(w)) }

// Duration returns the span of the window; 0 for [WindowAll], which has no bound.
func (w Window) Duration() time.Duration {
	if !w.valid() {
		return 0
	}
	return windowSpans[w-1]
}

func (w Window) valid() bool { return w >= Window1h && w <= WindowAll }
