package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Line is one run in a history file: JSON, one run a line, only ever appended to.
type Line struct {
	Bench    string    `json:"bench"`
	Date     time.Time `json:"date"`
	Commit   string    `json:"commit"`
	Modified bool      `json:"modified"` // the tree had changes beyond the commit
	Machine  Machine   `json:"machine"`
	Figures  any       `json:"figures"` // what the benchmark printed
}

// OpenHistory opens a history file for appending, and makes it if there is none. To find out that this fails before
// anything is measured is why it is apart from [Append].
func OpenHistory(file string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("record the run: %w", err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("record the run: %w", err)
	}
	return f, nil
}

// Append writes a line.
func Append(w io.Writer, l Line) error {
	text, err := json.Marshal(l)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}
