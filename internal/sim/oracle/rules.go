package oracle

// Rules are the numbers and choices of the definition. A test turns one at a time, to see that a comparison notices.
type Rules struct {
	// Epochs is how many epochs a half-life keeps, up to that of the mark; EpochHalfLives is their length.
	Epochs, EpochHalfLives int64
	// Minutes, Hours and Days are how many buckets of each size, up to that of the mark, take events.
	Minutes, Hours, Days int64
	// ListLength and ListRetention (milliseconds before the newest entry) bound recents and engagers.
	ListLength    int
	ListRetention int64
	// EngagersTwice lets a user into the engagers more than once, RecentsTwice an item into the recents.
	EngagersTwice, RecentsTwice bool
	// AnyGeneration counts events of every generation.
	AnyGeneration bool
	// MarkOfEvents leaves compensations out of a cell's mark.
	MarkOfEvents bool
	// UndoUnique takes a compensated event's user out of the unique users.
	UndoUnique bool
	// UndoListed takes a compensated event out of recents and engagers.
	UndoListed bool
	// NeutralIsRecent lets signals without meaning into the recents.
	NeutralIsRecent bool
	// OrderByStamp orders interactions by stamp first, not by time.
	OrderByStamp bool
	// RegistersByTime orders registers by event time.
	RegistersByTime bool
	// PatchResets makes a patch forget the fields that it doesn't name.
	PatchResets bool
	// CurrentShape counts every event by the newest schema version, whatever it was stamped under.
	CurrentShape bool
}

// Definition is what state is.
func Definition() Rules {
	return Rules{
		Epochs:         5,
		EpochHalfLives: 8,
		Minutes:        60,
		Hours:          168,
		Days:           30,
		ListLength:     64,
		ListRetention:  366 * 24 * 3600 * 1000,
	}
}
