package hidden

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/tidaldb/tidal/internal/fault"
)

// Kind is what an operation did.
type Kind string

// The kinds of operations.
const (
	// Hide begins and Unhide ends a hard negative of User: Which is "hide" for the item Target, "mute" or "block" for the
	// creator Target.
	Hide   Kind = "hide"
	Unhide Kind = "unhide"
	// Item gives the item Target its Creator, which may be empty.
	Item Kind = "item"
	// Erase makes everything that User ever hid undone.
	Erase Kind = "erase"
	// List showed Items to User.
	List Kind = "list"
)

// Op is one operation of a history.
type Op struct {
	Op      Kind     `json:"op"`
	User    string   `json:"user,omitempty"`
	Which   string   `json:"which,omitempty"`
	Target  string   `json:"target,omitempty"`
	Creator string   `json:"creator,omitempty"`
	Items   []string `json:"items,omitempty"`
	// Begin is when it was asked for, End when it was answered. An operation without an answer, whose outcome nobody knows,
	// has an End of 0.
	Begin int64 `json:"begin"`
	End   int64 `json:"end,omitempty"`
}

// Read reads a history: one operation a line, as JSON.
func Read(r io.Reader) ([]Op, error) {
	var ops []Op
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var op Op
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&op); err != nil {
			return nil, fault.Refuse(fmt.Sprintf("line %d", n), "is no operation: %v", err)
		}
		if err := op.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		ops = append(ops, op)
	}
	return ops, lines.Err()
}

func (o *Op) check() error {
	switch {
	case o.End != 0 && o.End < o.Begin:
		return fault.Refuse("end", "is %d, before the beginning at %d", o.End, o.Begin)
	case o.Op == Hide || o.Op == Unhide:
		if o.Which != "hide" && o.Which != "mute" && o.Which != "block" {
			return fault.Refuse("which", "%q is none of hide, mute, block", o.Which)
		}
	case o.Op != Item && o.Op != Erase && o.Op != List:
		return fault.Refuse("op", "%q is none of hide, unhide, item, erase, list", o.Op)
	}
	return nil
}
