package host

import (
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
)

// disk is the goroutine that writes the log. It takes what has come in the meantime as one group. Appends are
// answered in order.
type disk struct {
	*Journal
	in    chan *consensus.Append // closed by the loop
	out   chan []Written
	tidy  chan struct{} // has room for one: the log has something to tidy, however idle it is
	do    chan func()   // done between two groups
	ended chan struct{}
}

// diskQueue bounds what may wait for the disk: a leader has a few appends under way; a follower whose disk hangs has what its
// leader may have on the way to it, and a few more.
const diskQueue = 256

func startDisk(j *Journal) *disk {
	d := &disk{
		Journal: j,
		in:      make(chan *consensus.Append, diskQueue), out: make(chan []Written, diskQueue),
		tidy: make(chan struct{}, 1), do: make(chan func()), ended: make(chan struct{}),
	}
	go d.run()
	return d
}

func (d *disk) run() {
	defer close(d.ended)
	for open := true; open; {
		select {
		case a, ok := <-d.in:
			if open = ok; ok {
				open = d.group(a)
			}
		case <-d.tidy:
			d.Tidy()
		case f := <-d.do:
			f()
		}
	}
	d.Finish()
}

// group writes an append and all that wait behind it, syncs them as one, and reports whether there may be more.
func (d *disk) group(a *consensus.Append) (open bool) {
	group := []Written{d.Write(a)}
more:
	for open = true; open; {
		select {
		case a, open = <-d.in:
			if open {
				group = append(group, d.Write(a))
			}
		default:
			break more
		}
	}
	d.Sync(group)
	d.out <- group
	if len(d.in) == 0 {
		d.Mark()
	}
	return open
}

// tidied asks for the log to be tidied soon.
func (d *disk) tidied() {
	select {
	case d.tidy <- struct{}{}:
	default:
	}
}

// reset is [Journal.Reset], done where the log is written.
func (d *disk) reset(index, term uint64) error {
	done := make(chan error, 1)
	d.do <- func() {
		done <- d.Reset(index, term)
		d.tidied()
	}
	return <-done
}

// close ends the goroutine once it has answered everything, and returns the disk's failure. The caller keeps
// receiving from out until then.
func (d *disk) close() { close(d.in) }

// since returns a clock of nanoseconds that never goes back.
func since(start time.Time) func() int64 { return func() int64 { return int64(time.Since(start)) } }
