package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/learn"
	"github.com/tidaldb/tidal/schema"
)

// exportShape turns events into lines. Without pairs and episodes they stay as they are.
type exportShape struct {
	pairs    *learn.Pairs
	episodes *learn.Episodes
	line     []byte
}

// shape makes what --as asks for.
func (f *exportFlags) shape(c *cobra.Command, db *tidal.DB) (*exportShape, error) {
	if f.as == "events" {
		return &exportShape{}, nil
	}
	window, err := parseSpan(f.window)
	if err != nil {
		return nil, usagef(c, "--window: %v", err)
	}
	gap, err := parseSpan(f.gap)
	if err != nil {
		return nil, usagef(c, "--gap: %v", err)
	}
	rewards, err := parseRewards(f.rewards)
	if err != nil {
		return nil, usagef(c, "--reward: %v", err)
	}
	if rewards == nil {
		rewards = learn.RewardsOf(db.Schema())
	}
	for name := range rewards {
		if db != nil {
			if err := checkType(db, name); err != nil {
				return nil, err
			}
		}
	}
	var text func(string) string
	if f.text != "" {
		if text, err = itemText(c.Context(), db, f.text); err != nil {
			return nil, err
		}
	}
	if f.as == "pairs" {
		return &exportShape{pairs: learn.NewPairs(learn.PairOptions{Rewards: rewards, Window: window, Text: text})}, nil
	}
	return &exportShape{episodes: learn.NewEpisodes(learn.EpisodeOptions{Rewards: rewards, Gap: gap, Text: text})}, nil
}

// parseRewards reads like=1,skip=-1; nothing is nil.
func parseRewards(s string) (learn.Rewards, error) {
	if s == "" {
		return nil, nil
	}
	out := learn.Rewards{}
	for part := range strings.SplitSeq(s, ",") {
		name, number, ok := strings.Cut(part, "=")
		worth, err := strconv.ParseFloat(number, 64)
		if !ok || name == "" || err != nil || worth != worth || worth-worth != 0 {
			return nil, fmt.Errorf("%q is not of the form like=1", part)
		}
		out[name] = worth
	}
	return out, nil
}

// textsKept is how many items' texts are remembered.
const textsKept = 100_000

// itemText returns a function that writes items as a field of theirs, or as their id where there is none.
func itemText(ctx context.Context, db *tidal.DB, field string) (func(string) string, error) {
	declared := false
	for _, x := range db.Schema().Items.Fields {
		declared = declared || x.Name == field && (x.Type == schema.TypeText || x.Type == schema.TypeKeyword)
	}
	if !declared {
		return nil, tidalInput("--text: %q is no text or keyword field of items", field)
	}
	known := map[string]string{}
	return func(item string) string {
		if s, ok := known[item]; ok {
			return s
		}
		s := item
		if x, err := db.Entity(ctx, tidal.Item, item); err == nil {
			if v, ok := x.Fields[field].Text(); ok && v != "" {
				s = v
			}
		}
		if len(known) >= textsKept {
			clear(known)
		}
		known[item] = s
		return s
	}, nil
}

// write takes an event and writes the lines that it completes.
func (s *exportShape) write(out *exportOut, x *tidal.Exported) (lines int, err error) {
	switch {
	case s.pairs != nil:
		return writeEach(out, s.pairs.Add(x))
	case s.episodes != nil:
		return writeEach(out, s.episodes.Add(x))
	}
	s.line = append(x.AppendJSON(s.line[:0]), '\n')
	out.last = x.Cursor
	return 1, out.write(s.line)
}

// rest writes what was open.
func (s *exportShape) rest(out *exportOut) (lines int, err error) {
	switch {
	case s.pairs != nil:
		return writeEach(out, s.pairs.Rest())
	case s.episodes != nil:
		return writeEach(out, s.episodes.Rest())
	}
	return 0, nil
}

func writeEach[T any](out *exportOut, list []T) (lines int, err error) {
	for _, x := range list {
		line, err := json.Marshal(x)
		if err != nil {
			return lines, fmt.Errorf("write a line: %w", err)
		}
		if err := out.write(append(line, '\n')); err != nil {
			return lines, err
		}
		lines++
	}
	return lines, nil
}

// count says in a result what the shape was made of.
func (s *exportShape) count(r *exportResult) {
	switch {
	case s.pairs != nil:
		c := s.pairs.Counts()
		r.Pairs = &pairCounts{c.Answers, c.Late, c.Lists, c.Early, c.Pairs, c.Cut}
	case s.episodes != nil:
		c := s.episodes.Counts()
		r.Episodes = &episodeCounts{c.Anonymous, c.Episodes, c.Early, c.Steps}
	}
}
