package tidal

import "github.com/tidaldb/tidal/internal/fault"

// Health says whether a database does its work, and how hard that is for it.
type Health struct {
	// Failed is why nothing is written any more, nil if all is well: [ErrClosed], or the failure of the disk, from which the
	// way back is to open the directory again. Reads go on meanwhile.
	Failed error
	// Forked is why this region takes no writes though this member leads it, as of the last tick of its clock: other regions have
	// events of this one's that it has lost itself. errors.Is says that it is [ErrForked], and its text what to do. Reads go on
	// meanwhile. nil if all is well, and on a member that doesn't lead.
	Forked error
	// Stranded is why this region stays behind others for ever unless somebody does something, which its text says: what it lacks nobody who is
	// reached can give it. Reads and writes go on meanwhile. nil if all is well, and on a member that doesn't lead.
	Stranded error
	// Behind is how much of the log, in bytes, isn't in the checkpoint yet, and would have to be applied if the process ended
	// now. It stays below Options.CheckpointLag, about.
	Behind int64
	// Lists are under way; Degradation is how much is left out for the next one, in the words of [RankStats].
	Lists       int
	Degradation string
}

// Health says how the database is. It takes no lock that writes or lists take, so it answers also while these wait.
func (db *DB) Health() Health {
	h := Health{Lists: int(db.ranking.Load()), Degradation: db.effort().String()}
	if db.closed.Load() {
		h.Failed = fault.ErrClosed
		return h
	}
	h.Failed, h.Behind, h.Forked = db.host.Failure(), db.host.Behind(), db.host.Forked()
	h.Stranded = db.host.Stranded()
	if db.reign != nil && h.Failed == nil {
		h.Failed = db.reign.failure()
	}
	return h
}
