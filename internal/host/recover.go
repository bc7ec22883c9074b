package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
	"github.com/tidaldb/tidal/internal/wal"
)

// A group that has lost its majority for good goes on with one of its members, as its only one, under a number that is new and
// an incarnation that is new: so nobody of before is heard any more, and no position is given out twice.
//
// What that member's log holds is in two parts. Up to the commit that is durably known everything was agreed upon. What lies
// behind may have been acknowledged, or not, or the others may have agreed on something else since: it's taken out of the log
// and written again, under the new incarnation, with its lanes and keys, so that retries are recognised and count once.
//
// In steps, of which each may be the last before a crash; the next call goes on:
//
//  1. The log that will be is made beside the old one: all up to the commit, then the changes of members that leave one.
//  2. The file RECOVERY says what is meant. From here on nothing else opens the directory.
//  3. The old log is put aside, the new one takes its place, and IDENTITY says who it is.
//  4. What was taken out is written again, through the ordinary door.
//  5. RECOVERY is removed.

// RecoverOptions say how a member is made the only one of its group.
type RecoverOptions struct {
	// FS is the file system; nil is the operating system's.
	FS  vfs.FS
	Dir string
	// AcceptLoss says that it's understood what may be lost. Without it nothing is changed, and the report says what would be.
	AcceptLoss bool
	// URL and Address are where the member is reached from then on; empty for where it was.
	URL, Address string
	// Options are for opening the directory while what was taken out is written again; FS and Dir in it don't count.
	Options Options
}

// Recovered says what was, or would be, done.
type Recovered struct {
	// Done says that it was. Before and Now are the group and its member before and behind it.
	Done                bool
	Before, Now         id.Origin
	BeforeNumber        uint64
	NowNumber           uint64
	Lost                []consensus.Member // the others, who aren't heard any more
	Commit, Last        uint64             // entries: the last that is known to be agreed upon, and the last that is here
	Requests, Records   int                // that lie between them: written again, or to be
	Again, Refused      int                // of the requests: those that were written before, and that can't be written any more
	Aside               string             // where the old log lies
	RefusedFor          []string           // why, for the first few
	Interrupted, Single bool               // an earlier recovery is gone on with; there is nothing to recover from
}

// maxRefusedFor bounds the reasons in a report.
const maxRefusedFor = 10

// Recover makes a member that is left the only one of its group. It's for a group whose majority is lost for good: what the
// others had acknowledged without this one is lost, and they must never be started again as they are (they would only be
// refused). The directory must not be open.
//
// In a database of several regions it's also for the only member of a group whose directory is older than what the other
// regions have of it, such as an old copy of a disk: what it lacks comes back from them, under the incarnation of before, and it
// stamps under a new one.
//
// Errors: fault.ErrLocked; a *fault.Corrupt for a directory that is damaged; a *fault.Input where there is nothing to recover
// from. After any error it can be called again.
func Recover(ctx context.Context, o RecoverOptions) (Recovered, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	x := &recovery{o: o, fs: o.FS, dir: o.Dir}
	lock, err := vfs.Lock(o.FS, o.Dir)
	if err != nil {
		return Recovered{}, err
	}
	err = x.prepare()
	if cerr := lock.Close(); err == nil {
		err = cerr
	}
	if err != nil || !o.AcceptLoss {
		return x.out, err
	}
	if err := x.writeAgain(ctx); err != nil {
		return x.out, fmt.Errorf("write again what lay above the commit: %w; recover once more to go on", err)
	}
	x.out.Done = true
	return x.out, removeRecovering(x.fs, x.dir)
}

// recovery is one call of [Recover].
type recovery struct {
	o    RecoverOptions
	fs   vfs.FS
	dir  string
	note recovering
	tail []consensus.Entry // what lay above the commit
	far  bool              // there are other regions, who may have more of this one than it has itself
	out  Recovered
}

func (x *recovery) now() time.Time {
	if x.o.Options.Now != nil {
		return x.o.Options.Now()
	}
	return time.Now()
}

// regions finds out whether the directory's database has others than its own.
func (x *recovery) regions() (bool, error) {
	o := x.o.Options
	o.FS, o.Dir, o.ReadOnly, o.Group = x.fs, x.dir, true, nil
	b, err := OpenBase(o)
	if err != nil {
		return false, err
	}
	return len(b.Engine.Regions()) > 1, b.Close()
}

func (x *recovery) path(name string) string { return x.fs.PathJoin(x.dir, name) }

// prepare does everything up to step 3, if loss is accepted. The directory is locked.
func (x *recovery) prepare() error {
	note, found, err := readRecovering(x.fs, x.dir)
	if err != nil {
		return err
	}
	x.out.Interrupted = found
	if found {
		x.note = note
		if x.o.AcceptLoss {
			if err := x.exchange(); err != nil {
				return err
			}
		}
		return x.readAside()
	}
	if x.note.Old, err = readIdentity(x.fs, x.dir); err != nil {
		return err
	}
	if x.far, err = x.regions(); err != nil {
		return err
	}
	return x.plan()
}

// plan reads what is there, and makes the new log if loss is accepted.
func (x *recovery) plan() error {
	who, err := x.note.Old.wal()
	if err != nil {
		return err
	}
	log, _, err := wal.Open(wal.Options{FS: x.fs, Dir: x.path(logDir), Identity: who, ReadOnly: !x.o.AcceptLoss})
	if err != nil {
		return err
	}
	err = x.planWith(log)
	if cerr := log.Close(); err == nil {
		err = cerr
	}
	if err != nil || !x.o.AcceptLoss {
		return err
	}
	if err := x.note.write(x.fs, x.dir); err != nil {
		return err
	}
	return x.exchange()
}

func (x *recovery) planWith(log *wal.Log) error {
	stored, term, members, err := x.stored()
	if err != nil {
		return err
	}
	hs := log.HardState()
	commit := max(hs.Commit, stored)
	if log.LastIndex() < commit {
		return fault.Damaged(x.path(logDir), 0, "entry %d is agreed upon, and the log ends at %d", commit, log.LastIndex())
	}
	if got, err := log.Term(stored); err == nil && stored > 0 && got != term {
		return fmt.Errorf("the checkpoint is after entry %d of term %d, which the log has of term %d: %w", stored, term, got,
			fault.ErrOutOfStep)
	}
	highest := members.Highest()
	err = eachEntry(log, max(log.FirstIndex(), 1), func(e consensus.Entry) error {
		var err error
		switch {
		case e.Index > commit:
			x.tail = append(x.tail, e)
			if e.Kind == consensus.Configuration { // a number given there isn't given again
				if later, err := members.After(e); err == nil {
					highest = max(highest, later.Highest())
				}
			}
		case e.Index > stored:
			members, err = members.After(e)
		}
		return err
	})
	if err != nil {
		return err
	}
	return x.decide(log, members, commit, max(highest, members.Highest()))
}

// decide says who goes on, and makes its log.
func (x *recovery) decide(log *wal.Log, members consensus.Members, commit, highest uint64) error {
	old := x.note.Old
	self, _ := members.Get(old.Replica)
	switch voters := members.Voters(); {
	case len(voters) == 0:
		return fault.Refuse("dir", "%s belongs to a newcomer that has nothing yet; move it away, and recover from a member that has",
			x.dir)
	case len(voters) == 1 && voters[0] == old.Replica && !x.far:
		x.out.Single = true
		return fault.Refuse("dir", "%s belongs to the only voting member of its group, which needs nobody; start it", x.dir)
	}
	next := consensus.Member{Number: highest + 1, Address: or(x.o.Address, self.Address), URL: or(x.o.URL, self.URL)}
	x.note.Format, x.note.Commit = recoveringFormat, commit
	x.note.New = old
	x.note.New.Replica, x.note.New.Incarnation = next.Number, old.Incarnation+1
	if len(members.Voters()) == 1 {
		// An old copy of a directory may be recovered more than once, and no two may stamp alike.
		x.note.New.Incarnation = nextLife(old.Incarnation, x.now())
	}
	x.note.New.Joined, x.note.New.Members = true, nil // its log is never founded
	x.note.New.Format = max(old.Format, 2)
	x.note.Aside = fmt.Sprintf("%s.before-%d", logDir, x.note.New.Incarnation)
	for _, m := range members.List() {
		if m.Number != old.Replica {
			x.out.Lost = append(x.out.Lost, m)
		}
	}
	x.report(log.LastIndex())
	if !x.o.AcceptLoss {
		return nil
	}
	return x.makeLog(log, members, next)
}

// report fills in what is known before anything is done.
func (x *recovery) report(last uint64) {
	n := &x.note
	x.out.Before, x.out.Now = n.Old.origin(), n.New.origin()
	x.out.BeforeNumber, x.out.NowNumber = n.Old.Replica, n.New.Replica
	x.out.Commit, x.out.Last, x.out.Aside = n.Commit, last, x.path(n.Aside)
	x.out.Requests, x.out.Records = 0, 0
	for r := range requestsOf(x.tail, n.Old.origin()) {
		x.out.Requests++
		x.out.Records += len(r.Records)
	}
}

// stored is what the checkpoint says: its entry, that one's term, and who were members.
func (x *recovery) stored() (index, term uint64, m consensus.Members, err error) {
	who, err := x.note.Old.store()
	if err != nil {
		return 0, 0, m, err
	}
	meta, found, err := checkpointMeta(x.fs, x.dir, who)
	if err != nil || !found {
		return 0, 0, m, err
	}
	if len(meta.Configuration) > 0 {
		m, err = consensus.DecodeMembers(meta.Configuration)
	}
	return meta.Applied, meta.Term, m, err
}

// logNext is where the log is made that will be.
const logNext = logDir + ".next"

// makeLog copies the log up to the commit, under the new number, and lets the changes follow that leave one member.
func (x *recovery) makeLog(from *wal.Log, members consensus.Members, self consensus.Member) error {
	if err := x.fs.RemoveAll(x.path(logNext)); err != nil {
		return fmt.Errorf("remove %s: %w: %w", x.path(logNext), fault.ErrDisk, err)
	}
	who, err := x.note.New.wal()
	if err != nil {
		return err
	}
	to, _, err := wal.Open(wal.Options{FS: x.fs, Dir: x.path(logNext), Identity: who})
	if err != nil {
		return err
	}
	err = x.copyLog(from, to, members, self)
	return errors.Join(err, to.Close())
}

func (x *recovery) copyLog(from, to *wal.Log, members consensus.Members, self consensus.Member) error {
	if before := from.FirstIndex() - 1; before > 0 {
		term, err := from.Term(before)
		if err != nil {
			return err
		}
		if err := to.Reset(before, term); err != nil {
			return err
		}
	}
	for next := from.FirstIndex(); next <= x.note.Commit; {
		entries, err := from.Entries(next, x.note.Commit+1, replayBytes)
		if err != nil {
			return fmt.Errorf("read log at entry %d: %w", next, err)
		}
		if err := to.Append(entries, nil); err != nil {
			return err
		}
		next += uint64(len(entries))
	}
	hs := from.HardState()
	term := hs.Term + 1
	changes, err := consensus.Alone(members, self, x.note.Commit, term)
	if err != nil {
		return err
	}
	entries := make([]wal.Entry, len(changes))
	for i, e := range changes {
		entries[i] = wal.Entry{Kind: toLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}
	}
	err = to.Append(entries, &wal.HardState{Term: term, Commit: x.note.Commit + uint64(len(entries))})
	if err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	return to.Release(from.FirstIndex()) // the file with which it began holds nothing
}

// exchange puts the new log in the place of the old one. It may have done so before, or in part.
func (x *recovery) exchange() error {
	if there, err := x.exists(logNext); err != nil {
		return err
	} else if there {
		aside, err := x.exists(x.note.Aside)
		if err == nil && !aside {
			err = x.rename(logDir, x.note.Aside)
		}
		if err == nil {
			err = x.rename(logNext, logDir)
		}
		if err != nil {
			return err
		}
	}
	return x.note.New.write(x.fs, x.dir)
}

func (x *recovery) exists(name string) (bool, error) {
	_, err := x.fs.Stat(x.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w: %w", x.path(name), fault.ErrDisk, err)
	}
	return true, nil
}

func (x *recovery) rename(from, to string) error {
	err := x.fs.Rename(x.path(from), x.path(to))
	if err == nil {
		err = vfs.SyncDir(x.fs, x.dir)
	}
	if err != nil {
		return fmt.Errorf("rename %s: %w: %w", x.path(from), fault.ErrDisk, err)
	}
	return nil
}

// readAside reads what lay above the commit from the log that was put aside, or that still is to be.
func (x *recovery) readAside() error {
	who, err := x.note.Old.wal()
	if err != nil {
		return err
	}
	where := x.note.Aside
	if aside, err := x.exists(where); err != nil {
		return err
	} else if !aside {
		where = logDir
	}
	log, _, err := wal.Open(wal.Options{FS: x.fs, Dir: x.path(where), Identity: who, ReadOnly: true})
	if err != nil {
		return err
	}
	err = eachEntry(log, x.note.Commit+1, func(e consensus.Entry) error {
		x.tail = append(x.tail, e)
		return nil
	})
	x.report(log.LastIndex())
	return errors.Join(err, log.Close())
}

// eachEntry calls f with the entries of a log from an index on.
func eachEntry(log *wal.Log, from uint64, f func(consensus.Entry) error) error {
	for next := max(from, log.FirstIndex()); next <= log.LastIndex(); {
		entries, err := log.Entries(next, log.LastIndex()+1, replayBytes)
		if err != nil {
			return fmt.Errorf("read log at entry %d: %w", next, err)
		}
		for _, e := range entries {
			if err := f(consensus.Entry{Kind: fromLog(e.Kind), Term: e.Term, Index: e.Index, Data: e.Data}); err != nil {
				return err
			}
		}
		next += uint64(len(entries))
	}
	return nil
}

// or is the first of two texts that isn't empty.
func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
