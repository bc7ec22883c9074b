package vector

import "fmt"

// Phase is what a refresh does next.
func (l *Lists) Phase() string {
	return [...]string{"resting", "learning", "grouping", "moving"}[l.training.phase]
}

// Loose is how many vectors are in no cell.
func (l *Lists) Loose() int { return l.set.loose.n }

// Cells is how many cells there are.
func (l *Lists) Cells() (n int) {
	for _, y := range l.layers() {
		if y != nil {
			n += len(y.cells)
		}
	}
	return n
}

// Check holds the index's memory against what must be true of it: every row is whose its ordinal says, is in one cell,
// and cells and pieces know each other.
func (l *Lists) Check() error {
	s, rows, pieces := l.set, map[int]bool{}, map[int32]bool{}
	cells := []*cell{&s.loose}
	for _, y := range l.layers() {
		if y == nil {
			continue
		}
		for i := range y.cells {
			cells = append(cells, &y.cells[i])
		}
	}
	for _, c := range cells {
		if want := (c.n + pieceRows - 1) / pieceRows; len(c.pieces) != want {
			return fmt.Errorf("a cell of %d vectors has %d pieces", c.n, len(c.pieces))
		}
		for i, p := range c.pieces {
			if pieces[p] || s.homes[p] != (home{c, i}) {
				return fmt.Errorf("piece %d has two homes", p)
			}
			pieces[p] = true
			for j := range s.used(int(p)) {
				row := int(p)<<pieceBits | j
				if at, ok := s.rows.get(s.ords[row]); !ok || at != row {
					return fmt.Errorf("row %d holds item %d, who is said to be at %d", row, s.ords[row], at)
				}
				rows[row] = true
			}
		}
	}
	if len(rows) != s.n || len(pieces)+len(s.vacant) != len(s.pieces) {
		return fmt.Errorf("%d vectors in %d rows; %d pieces of %d, %d vacant",
			s.n, len(rows), len(pieces), len(s.pieces), len(s.vacant))
	}
	return nil
}
