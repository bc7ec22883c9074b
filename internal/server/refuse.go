package server

import (
	"fmt"
)

// told is an error of one of this package's kinds with a text of its own, which callers read.
type told struct {
	kind error
	text string
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.kind }

func malformed(format string, args ...any) error {
	return &told{errMalformed, fmt.Sprintf(format, args...)}
}

func tooLarge(limit int64) error {
	return &told{errTooLarge, fmt.Sprintf("the body has more than %d bytes", limit)}
}

func media(format string, args ...any) error {
	return &told{errMedia, fmt.Sprintf(format, args...)}
}

func notOffered(what string) error {
	return &told{errNotOffered, what + " isn't offered by this server"}
}
