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
	ended chan struct{}
}

// diskQueue bounds what may wait for the disk. The core has at most a few appends under way.
const diskQueue = 64

func startDisk(j *Journal) *disk {
	d := &disk{
		Journal: j,
		in:      make(chan *consensus.Append, diskQueue), out: make(chan []Written, diskQueue), ended: make(chan struct{}),
	}
	go d.run()
	return d
}

func (d *disk) run() {
	defer close(d.ended)
	for a := range d.in {
		group := []Written{d.Write(a)}
	more:
		for {
			select {
			case a, ok := <-d.in:
				if !ok {
					break more
				}
				group = append(group, d.Write(a))
			default:
				break more
			}
		}
		d.Sync(group)
		d.out <- group
		if len(d.in) == 0 {
			d.Mark()
		}
	}
	d.Finish()
}

// close ends the goroutine once it has answered everything, and returns the disk's failure. The caller keeps
// receiving from out until then.
func (d *disk) close() { close(d.in) }

// since returns a clock of nanoseconds that never goes back.
func since(start time.Time) func() int64 { return func() int64 { return int64(time.Since(start)) } }
