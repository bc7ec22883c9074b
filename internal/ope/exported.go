package ope

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
)

// Rewards says which lines of an export make rounds, and what their rewards are.
type Rewards struct {
	// Types are the signal types of which one makes a reward of 1; at least one.
	Types []string
	// Window is for how long after the list was made they do. 0 is 24 hours.
	Window time.Duration
	// Profile is the only one whose lists count; empty for all.
	Profile string
	// ByUser has policies told the user as context rather than the slot.
	ByUser bool
}

// Explored is what an export says of exploration.
type Explored struct {
	Rounds []Round
	// Lines were read. Undone of them were taken back, and don't count.
	Lines, Undone int
	// Young is how many places were left out, because the export ends before their window does.
	Young int
}

// defaultWindow is how long after a list was made a signal is still an answer to it.
const defaultWindow = 24 * time.Hour

// longest is how long a line of an export may be.
const longest = 1 << 20

// ReadExport reads an export of tidal in JSON lines, and makes a round of each place that exploration filled and any signal
// answers: its place is the slot, its cluster the user. A place has the propensity that its reference says, and the reward
// 1 if a signal of [Rewards.Types] answers it within the window. Other lines tell until when the export goes.
//
// What nobody answered isn't in the log. So something has to be written for what was seen and had no reward, such as an
// impression; an export in which each place has a reward is refused, because it tells nothing apart. What can't be read is
// refused as [fault.Input], with the line.
func ReadExport(r io.Reader, o Rewards) (*Explored, error) {
	if len(o.Types) == 0 {
		return nil, fault.Refuse("reward", "is missing: name the signal types that are a reward")
	}
	if o.Window < 0 {
		return nil, fault.Refuse("window", "is %s; want a length of time above 0", o.Window)
	}
	if o.Window == 0 {
		o.Window = defaultWindow
	}
	x := &exported{o: o, at: map[shownPlace]int{}, names: interned{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		x.out.Lines++
		if err := x.line(lines.Bytes()); err != nil {
			return nil, err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fault.Refuse("log", "line %d is longer than %d bytes", x.out.Lines+1, longest)
	} else if err != nil {
		return nil, err
	}
	return x.finish()
}

// exportedLine is what is read of a line; others of its keys don't matter here.
type exportedLine struct {
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`
	Type       string    `json:"type"`
	User       string    `json:"user"`
	Item       string    `json:"item"`
	Feed       string    `json:"feed"`
	Slot       string    `json:"slot"`
	Propensity float64   `json:"propensity"`
	Profile    string    `json:"profile"`
	ListTime   time.Time `json:"list_time"`
	Undone     bool      `json:"undone"`
	// Ids that aren't UTF-8.
	UserBytes []byte `json:"user_base64"`
	ItemBytes []byte `json:"item_base64"`
}

// shownPlace tells places apart: a slot may fill several of one list.
type shownPlace struct{ feed, slot, user, item string }

// exported reads an export line by line.
type exported struct {
	o     Rewards
	out   Explored
	at    map[shownPlace]int
	shown []time.Time // when the list of each round was made
	until time.Time
	names interned
}

func (x *exported) line(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var l exportedLine
	if err := json.Unmarshal(text, &l); err != nil {
		return fault.Refuse("log", "line %d: %v", x.out.Lines, err)
	}
	if len(l.UserBytes) > 0 {
		l.User = string(l.UserBytes)
	}
	if len(l.ItemBytes) > 0 {
		l.Item = string(l.ItemBytes)
	}
	if l.Time.After(x.until) {
		x.until = l.Time
	}
	if l.Kind != "" && l.Kind != "signal" || l.Slot == "" || x.o.Profile != "" && l.Profile != x.o.Profile {
		return nil
	}
	if l.Undone {
		x.out.Undone++
		return nil
	}
	switch {
	case l.Time.IsZero() || l.Type == "" || l.Item == "" || l.Feed == "":
		return fault.Refuse("log", "line %d: a signal with a slot lacks time, type, item or feed", x.out.Lines)
	case !(l.Propensity > 0 && l.Propensity <= 1):
		return fault.Refuse("log", "line %d: propensity %v: want more than 0 and at most 1", x.out.Lines, l.Propensity)
	}
	x.answered(&l)
	return nil
}

// answered takes in one signal about a place.
func (x *exported) answered(l *exportedLine) {
	place := shownPlace{l.Feed, l.Slot, l.User, l.Item}
	n, known := x.at[place]
	if !known {
		n = len(x.out.Rounds)
		x.at[place] = n
		r := Round{
			Place: x.names.of(l.Slot), Context: x.names.of(l.Slot), Action: x.names.of(l.Item), Propensity: l.Propensity,
			Cluster: x.names.of(l.User),
		}
		if l.User == "" {
			r.Cluster = "feed " + place.feed
		}
		if x.o.ByUser {
			r.Context = r.Cluster
		}
		made := l.ListTime
		if made.IsZero() {
			made = l.Time
		}
		x.out.Rounds, x.shown = append(x.out.Rounds, r), append(x.shown, made)
	}
	if slices.Contains(x.o.Types, l.Type) && !l.Time.After(x.shown[n].Add(x.o.Window)) {
		x.out.Rounds[n].Reward = 1
	}
}

// finish leaves out what may still get an answer, and refuses what tells nothing.
func (x *exported) finish() (*Explored, error) {
	kept := x.out.Rounds[:0]
	rewards := 0.0
	for i, r := range x.out.Rounds {
		if x.shown[i].Add(x.o.Window).After(x.until) {
			x.out.Young++
			continue
		}
		kept = append(kept, r)
		rewards += r.Reward
	}
	x.out.Rounds = kept
	switch {
	case len(kept) == 0 && x.out.Young > 0:
		return nil, fault.Refuse("log", "ends less than %s after each of its %d explored places was shown: want a later export "+
			"or a shorter window", x.o.Window, x.out.Young)
	case len(kept) == 0:
		return nil, fault.Refuse("log", "has no answers to places that exploration filled (lines with a slot and a propensity)")
	case rewards == float64(len(kept)):
		return nil, fault.Refuse("log", "has a reward for each of its %d explored places: signals for what was seen and had none "+
			"are missing", len(kept))
	}
	return &x.out, nil
}
