package rank

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/fault"
)

// Error says what is wrong with an expression, and where. It matches fault.ErrInput, as every refusal of input does.
type Error struct {
	// Path is the expression's place in the profile, such as "score[2]".
	Path string
	// Source is the whole expression, Offset the place in it in bytes, from 0 to its length.
	Source string
	Offset int
	// Reason says what is wrong and what would be right.
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("refused: %s: %s", e.Path, e.placed())
}

// Caret returns the line of the expression that is meant and, below it, a caret at the place.
func (e *Error) Caret() string {
	start := strings.LastIndexByte(e.Source[:e.Offset], '\n') + 1
	line, _, _ := strings.Cut(e.Source[start:], "\n")
	indent := strings.Map(func(r rune) rune {
		if r == '\t' {
			return '\t'
		}
		return ' '
	}, e.Source[start:e.Offset])
	return line + "\n" + indent + "^"
}

// Unwrap returns the same as a plain refusal of input.
func (e *Error) Unwrap() error { return fault.Refuse(e.Path, "%s", e.placed()) }

func (e *Error) placed() string {
	before := e.Source[:e.Offset]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	if strings.Contains(e.Source, "\n") {
		return fmt.Sprintf("line %d, column %d: %s", line, column, e.Reason)
	}
	return fmt.Sprintf("column %d: %s", column, e.Reason)
}

// wrong is an error of one expression before its path is known. The parser and the checker panic with it and the
// expression's compiler recovers, so that they read as the grammar does.
type wrong struct {
	at     int
	reason string
}

func refuse(at int, format string, args ...any) {
	panic(&wrong{at, fmt.Sprintf(format, args...)})
}
