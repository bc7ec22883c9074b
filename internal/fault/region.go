package fault

import (
	"errors"
	"fmt"
)

// ReadOnly says that a region doesn't take writes: it follows the others. Nothing was written.
//
// It is always reachable with errors.As, and matches [ErrReadOnly] with errors.Is.
type ReadOnly struct {
	// Region is the region that refused, and Home the database's home region, which takes writes; by name.
	Region, Home string
	// URL is where applications reach a member of the home region, empty while none is known.
	URL string
}

// ErrReadOnly matches every [ReadOnly] with errors.Is.
var ErrReadOnly = errors.New("region takes no writes")

func (e *ReadOnly) Error() string {
	switch {
	case e.Home == "":
		return fmt.Sprintf("region %q follows and takes no writes", e.Region)
	case e.URL == "":
		return fmt.Sprintf("region %q follows and takes no writes; write in the home region %q", e.Region, e.Home)
	}
	return fmt.Sprintf("region %q follows and takes no writes; write in the home region %q at %s", e.Region, e.Home, e.URL)
}

// Is reports whether target is [ErrReadOnly].
func (e *ReadOnly) Is(target error) bool { return target == ErrReadOnly }

// GeoPending says that a write is durable in its region, and that no other region was heard to have it before the time
// was up. It isn't undone by that: it goes on being shipped.
//
// It is always reachable with errors.As, and matches [ErrGeoPending] with errors.Is.
type GeoPending struct {
	// Position is that of the write's last event, as positions are printed.
	Position string
}

// ErrGeoPending matches every [GeoPending] with errors.Is.
var ErrGeoPending = errors.New("no other region has the write yet")

func (e *GeoPending) Error() string {
	return "event " + e.Position + " is durable in its region; no other region was heard to have it yet"
}

// Is reports whether target is [ErrGeoPending].
func (e *GeoPending) Is(target error) bool { return target == ErrGeoPending }
