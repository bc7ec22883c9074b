// Package fault is the one home of the errors that travel through the layers of tidal: a closed list of sentinels,
// and the two error types that carry a place — [Input] for a refused request, [Corrupt] for damage on disk.
//
// Other packages wrap these with the verb that failed and %w; callers ask with errors.Is and errors.As. The root
// package re-exports the same values. A new failure that a caller can act upon gets its name here first.
package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels. Each says when it is returned; none of them carries state.
var (
	// ErrClosed is returned by every call on a database that was closed.
	ErrClosed = errors.New("database is closed")
	// ErrClock is returned when a stamp would lie further ahead of the wall clock than the skew bound allows.
	ErrClock = errors.New("clock is beyond the skew bound")
	// ErrRetryTooOld is returned for a request below its lane's window that is not among the runs still kept:
	// whether it was accepted can no longer be told.
	ErrRetryTooOld = errors.New("retry is too old to tell whether it was accepted")
	// ErrKeyReused is returned when a request number of a lane, or an idempotency key, comes again with other content.
	ErrKeyReused = errors.New("request was accepted before with other content")
	// ErrSessionGap is returned when a session's request lies too far above those that came before: its window wouldn't
	// take what is missing in between any more.
	ErrSessionGap = errors.New("session request skips too many numbers")
	// ErrSessionClosed is returned for a session that has ended.
	ErrSessionClosed = errors.New("session is closed")
	// ErrFormatTooNew is returned for a file, a batch or a record kind that a newer tidal wrote.
	ErrFormatTooNew = errors.New("format is newer than this program")
	// ErrFormatTooOld is returned for a file whose bytes mean something else by now, so that this program can't go on
	// with it. The text says what to do.
	ErrFormatTooOld = errors.New("format is older than this program reads")
	// ErrForked is returned when one position was received with two contents. Apply of that origin stops.
	ErrForked = errors.New("one position holds two contents")
	// ErrGap is returned when a batch of an origin skips sequence numbers. It is without effect.
	ErrGap = errors.New("batch skips sequence numbers")
	// ErrOverlap is returned for a compacted range of which a part is here already: its sums must be taken out first.
	ErrOverlap = errors.New("range holds events that are here already")
	// ErrLocked is returned when another process holds the directory.
	ErrLocked = errors.New("directory is held by another process")
	// ErrForeign is returned for a directory of another cluster, group or schema.
	ErrForeign = errors.New("directory belongs to another database")
	// ErrNotLeader is returned when a proposal reaches a replica that may not stamp. Nothing was written.
	ErrNotLeader = errors.New("replica is not the leader")
	// ErrChanging is returned for a change of a group's members while another one is under way. Nothing was changed.
	ErrChanging = errors.New("another change of members is under way")
	// ErrRemoved is returned by a member that was taken out of its group. It goes on as another one, with an empty directory.
	ErrRemoved = errors.New("member was removed from its group")
	// ErrOverloaded is returned when a bounded queue is full. Nothing was written; the caller may retry.
	ErrOverloaded = errors.New("too many requests are waiting")
	// ErrUnknown is returned when a proposal's fate could not be learned: it may or may not be durable.
	ErrUnknown = errors.New("outcome of the write is unknown")
	// ErrNoSuccessor is returned when leadership was to be handed over and nobody took it in time, or nobody is there to. Whoever
	// led before leads still, or somebody is elected; it may be asked for again.
	ErrNoSuccessor = errors.New("nobody took over the lead")
	// ErrDisk is returned after a write or fsync failed. The replica stops; what was acknowledged stays durable.
	ErrDisk = errors.New("disk failed")
	// ErrStalled is returned when a leader's disk took too long to answer. It has handed over; what it had stamped is of
	// unknown outcome.
	ErrStalled = errors.New("disk does not answer")
	// ErrNotFound is returned when a named item, user, type, position or file does not exist.
	ErrNotFound = errors.New("not found")
	// ErrUndone is returned when an event was already compensated.
	ErrUndone = errors.New("event is already undone")
	// ErrOutOfStep is returned when a store does not go with its log or with a snapshot: one is ahead of the other's
	// beginning, or they are of two histories. The text names the directory.
	ErrOutOfStep = errors.New("store and log are out of step")
	// ErrSchema is returned when a schema change is not an addition; the text names the difference.
	ErrSchema = errors.New("schema is not compatible")
)

// Input says which part of a request was refused, before anything reached the log.
//
// It is always reachable with errors.As, and matches [ErrInput] with errors.Is.
type Input struct {
	// Record is the index of the record within the request, from 0; −1 when the request as a whole is meant.
	Record int
	// Field is the path of the offending field, such as "weight" or "fields.price"; empty for the whole record.
	Field string
	// Reason says what is wrong and what would be right, without the field's name.
	Reason string
}

// ErrInput matches every [Input] with errors.Is.
var ErrInput = errors.New("input refused")

// Refuse returns an [Input] error for one field, its record not yet known; see [At].
func Refuse(field, format string, args ...any) error {
	return &Input{Record: -1, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// At returns err with the record index filled in, when err holds an [Input] that has none yet. What was wrapped
// around the refusal stays around it.
func At(record int, err error) error {
	var in *Input
	if !errors.As(err, &in) || in.Record >= 0 {
		return err
	}
	filled := *in
	filled.Record = record
	if err == error(in) { //nolint:errorlint // the very value is meant: nothing is wrapped around it
		return &filled
	}
	return &placed{input: &filled, text: strings.Replace(err.Error(), in.Error(), filled.Error(), 1), whole: err}
}

// placed is a wrapped refusal that learned its record's index: errors.As finds the filled-in one first.
type placed struct {
	input *Input
	text  string
	whole error
}

func (e *placed) Error() string { return e.text }

func (e *placed) Unwrap() []error { return []error{e.input, e.whole} }

func (e *Input) Error() string {
	var b strings.Builder
	b.WriteString("refused: ")
	if e.Record >= 0 {
		fmt.Fprintf(&b, "record %d: ", e.Record)
	}
	if e.Field != "" {
		fmt.Fprintf(&b, "%s: ", e.Field)
	}
	b.WriteString(e.Reason)
	return b.String()
}

// Is reports whether target is [ErrInput].
func (e *Input) Is(target error) bool { return target == ErrInput }

// NotLeader says who leads instead, as far as it is known here. Nothing was written. It matches [ErrNotLeader] with
// errors.Is.
type NotLeader struct {
	// Leader is the replica's number, 0 when no leader is known.
	Leader uint64
	// URL is where applications reach it, and Address where members do; either may be empty.
	URL, Address string
}

func (e *NotLeader) Error() string {
	switch {
	case e.Leader == 0:
		return ErrNotLeader.Error() + "; no leader is known"
	case e.URL != "":
		return fmt.Sprintf("%v; replica %d at %s is", ErrNotLeader, e.Leader, e.URL)
	}
	return fmt.Sprintf("%v; replica %d is", ErrNotLeader, e.Leader)
}

// Is reports whether target is [ErrNotLeader].
func (e *NotLeader) Is(target error) bool { return target == ErrNotLeader }

// Corrupt names damage: the file, the offset of the first bad byte known, and what was expected there.
//
// It matches [ErrCorrupt] with errors.Is. Damaged bytes are never served and never cut by themselves.
type Corrupt struct {
	File   string
	Offset int64
	Reason string
}

// ErrCorrupt matches every [Corrupt] with errors.Is.
var ErrCorrupt = errors.New("data is damaged")

// Damaged returns a [Corrupt] error.
func Damaged(file string, offset int64, format string, args ...any) error {
	return &Corrupt{File: file, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

func (e *Corrupt) Error() string {
	if e.File == "" {
		return fmt.Sprintf("damaged at offset %d: %s", e.Offset, e.Reason)
	}
	return fmt.Sprintf("damaged: %s at offset %d: %s", e.File, e.Offset, e.Reason)
}

// Is reports whether target is [ErrCorrupt].
func (e *Corrupt) Is(target error) bool { return target == ErrCorrupt }
