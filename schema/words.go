package schema

import (
	"strconv"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
)

// Meaning is what a signal says about the user's liking of the item. Its numbers are part of the encoding.
type Meaning uint8

// The meanings of signals.
const (
	// Neutral says nothing: the signal is counted and leaves interests alone.
	Neutral Meaning = 0
	// Positive moves the user's interests towards the item.
	Positive Meaning = 1
	// Negative moves them away. The weight stays positive: being negative belongs to the type.
	Negative Meaning = 2
	// HardNegative hides the item from the user until it's un-hidden.
	HardNegative Meaning = 3
)

// Mark is something that a user has done with an item and can undo. Its numbers are part of the encoding.
type Mark uint8

// The marks on (user, item).
const (
	Liked      Mark = 1
	Saved      Mark = 2
	InProgress Mark = 3
)

// FieldType is the type of a field. Its numbers are part of the encoding.
type FieldType uint8

// The types of fields.
const (
	// TypeKeyword is an exact string, such as a category: filtered, never taken apart. At most 1 KiB.
	TypeKeyword FieldType = 1
	// TypeText is a text in words, such as a title: searched by its words. At most 64 KiB.
	TypeText FieldType = 2
	// TypeInt is a signed 64-bit number.
	TypeInt FieldType = 3
	// TypeFloat is a finite 64-bit floating point number.
	TypeFloat FieldType = 4
	// TypeBool is true or false.
	TypeBool FieldType = 5
	// TypeTime is a point in time in Unix milliseconds.
	TypeTime FieldType = 6
	// TypeGeo is a place: latitude and longitude in degrees.
	TypeGeo FieldType = 7
	// TypeTags is a set of at most 256 strings of at most 256 bytes.
	TypeTags FieldType = 8
)

func (m Meaning) String() string    { return wordOf("meaning", meaningWords[:], 0, uint8(m)) }
func (m Mark) String() string       { return wordOf("mark", markWords[:], 1, uint8(m)) }
func (t FieldType) String() string  { return wordOf("type", typeWords[:], 1, uint8(t)) }
func (k SourceKind) String() string { return wordOf("source", sourceWords[:], 1, uint8(k)) }
func (o StepOp) String() string     { return wordOf("operation", opWords[:], 1, uint8(o)) }
func (p Pool) String() string       { return wordOf("pool", poolWords[:], 1, uint8(p)) }

func (m Meaning) valid() bool   { return m <= HardNegative }
func (m Mark) valid() bool      { return m >= Liked && m <= InProgress }
func (t FieldType) valid() bool { return t >= TypeKeyword && t <= TypeTags }

func (k SourceKind) valid() bool { return k >= FromAll && k <= FromMost }
func (o StepOp) valid() bool     { return o == Add || o == Multiply }
func (p Pool) valid() bool       { return p >= PoolNew && p <= PoolAll }

// ParseMeaning reads what [Meaning.String] writes: neutral, positive, negative or hard_negative.
func ParseMeaning(s string) (Meaning, error) {
	n, err := numberOf("meaning", meaningWords[:], 0, s)
	return Meaning(n), err
}

// ParseMark reads what [Mark.String] writes: liked, saved or in_progress.
func ParseMark(s string) (Mark, error) {
	n, err := numberOf("mark", markWords[:], 1, s)
	return Mark(n), err
}

// ParseFieldType reads what [FieldType.String] writes: keyword, text, int, float, bool, time, geo or tags.
func ParseFieldType(s string) (FieldType, error) {
	n, err := numberOf("type", typeWords[:], 1, s)
	return FieldType(n), err
}

// ParseSourceKind reads what [SourceKind.String] writes: all, head, rising, newest, followed, interests, co_engaged or
// similar.
func ParseSourceKind(s string) (SourceKind, error) {
	n, err := numberOf("source", sourceWords[:], 1, s)
	return SourceKind(n), err
}

// ParseStepOp reads what [StepOp.String] writes: add or multiply.
func ParseStepOp(s string) (StepOp, error) {
	n, err := numberOf("operation", opWords[:], 1, s)
	return StepOp(n), err
}

// ParsePool reads what [Pool.String] writes: new, unfollowed, candidates or all.
func ParsePool(s string) (Pool, error) {
	n, err := numberOf("pool", poolWords[:], 1, s)
	return Pool(n), err
}

// The words, in the order of their numbers; they are constant tables.
var (
	meaningWords = [...]string{"neutral", "positive", "negative", "hard_negative"}
	markWords    = [...]string{"liked", "saved", "in_progress"}
	typeWords    = [...]string{"keyword", "text", "int", "float", "bool", "time", "geo", "tags"}
	sourceWords  = [...]string{
		"all", "head", "rising", "newest", "followed", "interests", "co_engaged", "similar", "sample", "most",
	}
	opWords   = [...]string{"add", "multiply"}
	poolWords = [...]string{"new", "unfollowed", "candidates", "all"}
)

// wordOf returns the word of a number, where first is the number of the first word.
func wordOf(what string, words []string, first, n uint8) string {
	if n < first || int(n-first) >= len(words) {
		return what + "(" + strconv.Itoa(int(n)) + ")"
	}
	return words[n-first]
}

func numberOf(what string, words []string, first uint8, s string) (uint8, error) {
	for i, w := range words {
		if w == s {
			return first + uint8(i), nil
		}
	}
	return 0, fault.Refuse(what, "%q is not one of %s", s, strings.Join(words, ", "))
}
