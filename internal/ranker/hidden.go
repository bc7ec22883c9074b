package ranker

import (
	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/record"
)

// Hidden reports whether a user must not be shown an item, by the engine's records alone: the user has hidden it, or has
// muted or blocked its creator. Nothing of what a list is made from has a part in the answer, so it is the last word on a
// list. Of what can't be read it says yes.
func Hidden(e *engine.Engine, user, item string) bool {
	if user == "" {
		return false
	}
	if e.Holds(user, byte(record.HideItem), item) {
		return true
	}
	creator := e.Creator(item)
	return creator != "" &&
		(e.Holds(user, byte(record.MuteCreator), creator) || e.Holds(user, byte(record.BlockCreator), creator))
}
