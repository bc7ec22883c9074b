// Package mlcheck computes, from a file of MovieLens ratings, what `tidal get` has to answer. It is the other side of
// an end-to-end test:
//
//	file, err := mlcheck.Read(f)
//	want := file.Answer("50", "rating", at)
//
// It shares no code with tidal and must not: it imports nothing of this module, keeps every event, and goes through
// all of an item's events for each answer, with ordinary floating point. It knows the one schema that the importer
// gives MovieLens data, and is of no use for anything else.
package mlcheck

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Milliseconds in the units of windows and half-lives.
const (
	minute = 60 * 1000
	hour   = 60 * minute
	day    = 24 * hour
)

// An event is one signal that a rating stands for.
type event struct {
	at     int64 // Unix milliseconds
	weight float64
}

// File holds the events of a file by item and signal type.
type File struct {
	events map[string]map[string][]event
	newest int64
	rows   int
}

// Answer is what was counted for an item under one signal type, as of one time.
type Answer struct {
	Total   int64
	Windows map[string]int64
	Scores  map[string]float64
}

// Read takes the ratings from r: user, item, rating from 1 to 5 and Unix seconds, separated by tabs. A rating is an
// event of type rating with the rating as weight; from 4 on it is also a like, and up to 2 also a dislike, each of
// weight 1.
func Read(r io.Reader) (*File, error) {
	f := &File{events: map[string]map[string][]event{}, newest: math.MinInt64}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f.rows++
		columns := strings.Split(lines.Text(), "\t")
		if len(columns) != 4 {
			return nil, fmt.Errorf("line %d: %d columns", f.rows, len(columns))
		}
		rating, err := strconv.Atoi(columns[2])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", f.rows, err)
		}
		seconds, err := strconv.ParseInt(columns[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", f.rows, err)
		}
		item, at := columns[1], seconds*1000
		f.add(item, "rating", at, float64(rating))
		if rating >= 4 {
			f.add(item, "like", at, 1)
		}
		if rating <= 2 {
			f.add(item, "dislike", at, 1)
		}
	}
	return f, lines.Err()
}

func (f *File) add(item, signal string, at int64, weight float64) {
	if f.events[item] == nil {
		f.events[item] = map[string][]event{}
	}
	f.events[item][signal] = append(f.events[item][signal], event{at, weight})
	f.newest = max(f.newest, at)
}

// Items returns the ids of all items, sorted as strings.
func (f *File) Items() []string {
	var items []string
	for item := range f.events {
		items = append(items, item)
	}
	slices.Sort(items)
	return items
}

// Rows returns the number of ratings.
func (f *File) Rows() int { return f.rows }

// Newest returns the time of the latest rating in Unix milliseconds.
func (f *File) Newest() int64 { return f.newest }

// Answer computes an item's answer at a time in Unix milliseconds, which must not precede the item's newest event. An
// item without such events has zeros.
//
// A window of length w that moves in steps of r holds the events with floor(t/r) > floor(at/r) − w/r. A score is the sum
// of weight · 2^(−(at−t)/h).
func (f *File) Answer(item, signal string, at int64) Answer {
	a := Answer{
		Windows: map[string]int64{"1h": 0, "24h": 0, "7d": 0, "30d": 0},
		Scores:  map[string]float64{},
	}
	name, half := "30d", float64(30*day)
	if signal == "rating" {
		name, half = "7d", float64(7*day)
	}
	a.Scores[name] = 0
	for _, e := range f.events[item][signal] {
		a.Total++
		inWindow(a.Windows, "1h", hour, minute, e.at, at)
		inWindow(a.Windows, "24h", day, hour, e.at, at)
		inWindow(a.Windows, "7d", 7*day, hour, e.at, at)
		inWindow(a.Windows, "30d", 30*day, day, e.at, at)
		a.Scores[name] += e.weight * math.Exp2(-float64(at-e.at)/half)
	}
	return a
}

func inWindow(windows map[string]int64, name string, length, step, t, at int64) {
	if floor(t, step) > floor(at, step)-length/step {
		windows[name]++
	}
}

// floor divides and rounds down, also below zero.
func floor(t, step int64) int64 { return int64(math.Floor(float64(t) / float64(step))) }
