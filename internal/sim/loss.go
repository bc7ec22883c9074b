package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/host"
)

// strikeMember makes the group lose a member for good. It gets another one, under a new number.
func (f *fleet) strikeMember(x *mishap, m *machine) {
	r := &f.report.Faults
	switch x.kind {
	case replaced:
		r.Replace++
		m.leaving = true
	case diskLost:
		r.DiskLost++
		m.lose("disk lost")
	case bitRot:
		if m.up() {
			m.rots = 1 + x.n
			m.process.close()
		}
	}
}

// lose ends the process, and puts an empty disk in.
func (m *machine) lose(why string) {
	f := m.f
	f.tell(m, why, m.number, 0, "")
	if p := m.process; p != nil {
		p.leave(false)
		m.process = nil
	}
	m.wipe(f.rng.Uint64())
	m.join()
}

// rot flips a bit of the log after an orderly end, when every byte of it is proven, and opens it. Damage to what was
// written must be named, and then the member is lost; where nothing was written it must do no harm.
func (m *machine) rot() {
	f := m.f
	n := m.rots
	m.rots = 0
	m.disk.Calm()
	name, err := m.segment(n)
	if err == nil && name != "" {
		var info interface{ Size() int64 }
		if info, err = m.disk.Stat(name); err == nil {
			err = m.disk.Rot(name, m.rng.Int64N(info.Size()), uint8(m.rng.IntN(8)))
		}
	}
	if err != nil {
		f.breaks(fmt.Errorf("%s: rot: %w", m.name, err))
		return
	}
	f.report.Faults.Rot++
	f.tell(m, "rot", 0, 0, name)
	f.acting = m
	base, err := host.OpenBase(m.options())
	var damage *fault.Corrupt
	switch {
	case err == nil:
		if err := base.Close(); err != nil {
			f.breaks(fmt.Errorf("%s: close: %w", m.name, err))
			return
		}
		m.off(false)
	case errors.As(err, &damage) && damage.File == name:
		f.report.Faults.Named++
		m.disk.Crash(false)
		m.lose("damaged")
	default:
		f.breaks(fmt.Errorf("%s: one bit of %s was flipped: %w", m.name, name, err))
	}
}

// segment picks a file of the log.
func (m *machine) segment(n uint64) (string, error) {
	names, err := m.disk.List(directory + "/wal")
	if err != nil {
		return "", err
	}
	names = slices.DeleteFunc(names, func(s string) bool { return !strings.HasSuffix(s, ".seg") })
	return directory + "/wal/" + names[n%uint64(len(names))], nil
}
