package ope

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// ReadOpenBandit reads a log of the Open Bandit Dataset (Y. Saito, S. Aihara, M. Matsutani, Y. Narita, Open Bandit
// Dataset and Pipeline, arXiv:2008.07146): CSV with the columns item_id, position, click and propensity_score. Place and
// context are the position. The dataset doesn't name users, so every row is independent of the others.
//
// What it can't read is refused as [fault.Input], with the line.
func ReadOpenBandit(r io.Reader) ([]Round, error) {
	rows, err := newColumns(r, "log", "item_id", "position", "click", "propensity_score")
	if err != nil {
		return nil, err
	}
	var out []Round
	names := interned{}
	for {
		cells, line, err := rows.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		item, position := names.of(cells[0]), names.of(cells[1])
		p, err := strconv.ParseFloat(cells[3], 64)
		switch {
		case item == "" || position == "":
			return nil, fault.Refuse("log", "line %d: item_id or position is empty", line)
		case cells[2] != "0" && cells[2] != "1":
			return nil, fault.Refuse("log", "line %d: click %q: want 0 or 1", line, cells[2])
		case err != nil || !(p > 0 && p <= 1):
			return nil, fault.Refuse("log", "line %d: propensity_score %q: want more than 0 and at most 1", line, cells[3])
		}
		round := Round{Place: position, Context: position, Action: item, Propensity: p}
		if cells[2] == "1" {
			round.Reward = 1
		}
		out = append(out, round)
	}
}

// interned keeps one copy of each name.
type interned map[string]string

func (n interned) of(name string) string {
	kept, ok := n[name]
	if !ok {
		kept = strings.Clone(name) // the row that it lies in is long
		n[kept] = kept
	}
	return kept
}
