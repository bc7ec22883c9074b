package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/vfs"
)

// What other regions reported is kept in a file, so that it's known after a restart where one stands that is dead by then. It is a
// lower bound: it says what a region had once. So the file may be old, and may be missing; it's written beside the log, never on the
// way of a write. See docs/decisions/0048-what-regions-lack-is-kept-in-pieces.md.

const (
	// reportsName is the file's.
	reportsName   = "REPORTS"
	reportsFormat = 1
	// reportsEvery is how long lies between two writes of it while what is known goes on changing.
	reportsEvery = 10 * time.Second
)

// storedReport is what is kept of what a region said: what it held, when, in Unix milliseconds, and whether it's firm, as in
// [Reported].
type storedReport struct {
	region id.Region
	vector id.VersionVector
	at     int64
	firm   bool
}

func (r storedReport) equal(o storedReport) bool {
	return r.region == o.region && r.firm == o.firm && r.vector.Equal(o.vector)
}

// reportsFile is the content, as JSON.
type reportsFile struct {
	Format  int          `json:"format"`
	Cluster string       `json:"cluster"`
	Regions []reportText `json:"regions"` // by number
	// Sum is CRC-32C, in hex, of the file with an empty sum.
	Sum string `json:"sum"`
}

type reportText struct {
	Region id.Region `json:"region"`
	At     int64     `json:"at"`
	Firm   bool      `json:"firm"`
	Vector string    `json:"vector"`
}

func (f reportsFile) sum() string {
	f.Sum = ""
	return sumNote(f)
}

// encodeReports returns the file's bytes.
func encodeReports(cluster string, list []storedReport) []byte {
	f := reportsFile{Format: reportsFormat, Cluster: cluster, Regions: []reportText{}}
	for i := range list {
		r := &list[i]
		f.Regions = append(f.Regions, reportText{Region: r.region, At: r.at, Firm: r.firm, Vector: r.vector.String()})
	}
	f.Sum = f.sum()
	return encodeNote(f)
}

// decodeReports reads the file's bytes: those alone that [encodeReports] makes.
func decodeReports(path string, b []byte) (cluster string, list []storedReport, err error) {
	var f reportsFile
	if err := decodeNote(path, b, reportsFormat, "it holds no reports", &f); err != nil {
		return "", nil, err
	}
	if f.Sum != f.sum() {
		return "", nil, fault.Damaged(path, 0, "checksum is %q, the fields give %s", f.Sum, f.sum())
	}
	for i, r := range f.Regions {
		if i > 0 && r.Region <= f.Regions[i-1].Region {
			return "", nil, fault.Damaged(path, 0, "region %d stands behind region %d", r.Region, f.Regions[i-1].Region)
		}
		v, err := id.ParseVersionVector(r.Vector)
		if err != nil {
			return "", nil, fault.Damaged(path, 0, "vector of region %d: %v", r.Region, err)
		}
		list = append(list, storedReport{region: r.Region, vector: v, at: r.At, firm: r.Firm})
	}
	if !bytes.Equal(encodeReports(f.Cluster, list), b) {
		return "", nil, fault.Damaged(path, 0, "it isn't written as it would be")
	}
	return f.Cluster, list, nil
}

// readReports reads the file of a directory; there may be none.
func readReports(fsys vfs.FS, dir, cluster string) ([]storedReport, error) {
	path := fsys.PathJoin(dir, reportsName)
	b, _, err := readUpTo(fsys, path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	whose, list, err := decodeReports(path, b)
	if err == nil && whose != cluster {
		err = fmt.Errorf("%s is of database %q: %w", path, whose, fault.ErrForeign)
	}
	return list, err
}

// recallReports reads what was reported before this replica was started. A file that is damaged, or another database's, is as good as
// none: what regions lack is kept then as if they hadn't been heard of, and the next write replaces it.
func (b *Base) recallReports() error {
	b.opened, b.openedAt = b.Log.HardState().Term, b.opts.Now()
	if b.opts.ReadOnly {
		return nil
	}
	list, err := readReports(b.opts.FS, b.opts.Dir, b.identity.Cluster)
	if errors.Is(err, fault.ErrCorrupt) || errors.Is(err, fault.ErrForeign) {
		return nil
	}
	b.recalled, b.keptReports = list, list
	return err
}

// keepReports writes what is known of other regions if that is more, or other, than what the file has: not more often than bounded,
// unless it's for the last time. One goroutine at a time calls it.
func (b *Base) keepReports(last bool) error {
	if b.reported.Load() == nil {
		return nil // nothing was heard since the start, so the file is as good
	}
	var list []storedReport
	for _, x := range b.standings() {
		if x.at.Len() > 0 {
			list = append(list, x.said)
		}
	}
	now := b.opts.Now()
	since := now.Sub(b.keptAt)
	if slices.EqualFunc(list, b.keptReports, storedReport.equal) || !last && since >= 0 && since < reportsEvery {
		return nil
	}
	b.keptAt = now
	path := b.opts.FS.PathJoin(b.opts.Dir, reportsName)
	switch err := vfs.WriteFileAtomic(b.opts.FS, path, encodeReports(b.identity.Cluster, list)); {
	case errors.Is(err, syscall.ENOSPC): // the file of before is whole, and says less; nobody has to stop for that
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", fault.ErrDisk, err)
	}
	b.keptReports = list
	return nil
}

// VerifyReports reads what a directory keeps of what other regions reported, without taking its lock or changing anything. The error
// says what is wrong with it. To a database that is opened such a file is as good as none.
func VerifyReports(fsys vfs.FS, dir string) error {
	who, err := readIdentity(fsys, dir)
	if err != nil {
		return err
	}
	_, err = readReports(fsys, dir, who.Cluster)
	return err
}
