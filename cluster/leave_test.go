package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal"
)

// number is a member's own.
func (f *fleet) number(address string) uint64 {
	f.t.Helper()
	s, err := f.members[address].Status(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return s.Number
}

// ends waits until a member does no work any more, and returns why.
func (f *fleet) ends(address string) error {
	f.t.Helper()
	m := f.members[address]
	select {
	case <-m.Done():
	case <-time.After(patience):
		f.t.Fatalf("%s goes on\n%s", address, f.picture())
	}
	return m.Err()
}

func TestARemovedMemberStops(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	out := f.others()[0]
	f.remove(f.members[f.others()[1]], f.number(out))
	if err := f.ends(out); !errors.Is(err, tidal.ErrRemoved) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("the member that was removed says %v", err)
	}
	if _, err := f.members[out].DB().Write(t.Context(), view("p", 2, "x")); !errors.Is(err, tidal.ErrRemoved) {
		t.Errorf("a write through it: %v", err)
	}
	_ = f.members[out].Close(t.Context()) // it says why it stopped
	delete(f.members, out)
	f.voters(2)
	f.write(view("p", 2, "x"))
	f.same()
	f.counts("x", 2)

	// Its directory is of no use any more; an empty one makes it another member.
	refused(t, f.config(out, f.others()...), func(err error) bool { return errors.Is(err, tidal.ErrRemoved) })
	f.dirs[out] = ""
	f.start(out, f.others()...)
	f.voters(3)
	f.same()
	if got := f.number(out); got != 4 {
		t.Errorf("it has number %d, and numbers aren't given twice", got)
	}
}

// Who was away when it was removed learns it when it comes back, and from nobody else.
func TestAMemberRemovedWhileItWasAwayStops(t *testing.T) {
	f := three(t)
	out := f.others()[0]
	number := f.number(out)
	f.kill(out)
	_, m := f.leader()
	f.remove(m, number)
	f.remove(m, number) // once more
	f.start(out)
	if err := f.ends(out); !errors.Is(err, tidal.ErrRemoved) {
		t.Errorf("it says %v", err)
	}
	_ = f.members[out].Close(t.Context())
	delete(f.members, out)
}

func TestALeaderCanBeRemoved(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	address, m := f.leader()
	f.remove(m, f.number(address))
	if err := f.ends(address); !errors.Is(err, tidal.ErrRemoved) {
		t.Errorf("it says %v", err)
	}
	_ = m.Close(t.Context())
	delete(f.members, address)
	f.voters(2)
	f.write(view("p", 2, "x"))
	f.same()
	f.counts("x", 2)
}

// A leader whom nobody is left to follow doesn't speak of a write when it can't hand over, and says what is wrong once.
func TestNobodyIsLeftToTakeOver(t *testing.T) {
	f := three(t)
	f.write(view("p", 1, "x"))
	lone, m := f.leader()
	for _, other := range f.others() {
		f.kill(other)
	}
	err := m.Transfer(t.Context(), 0) // it may have noticed already that it leads nobody
	kind := tidal.ErrNoSuccessor
	if errors.Is(err, tidal.ErrNotLeader) {
		kind = tidal.ErrNotLeader
	}
	if !errors.Is(err, kind) || errors.Is(err, tidal.ErrUnknown) || strings.Count(err.Error(), kind.Error()) != 1 {
		t.Errorf("%v", err)
	}
	f.kill(lone)
}

// With one of three dead, a living one can't be spared; the dead one can.
func TestTheLastMajorityIsKept(t *testing.T) {
	f := three(t)
	dead, alive := f.others()[0], f.others()[1]
	number, other := f.number(dead), f.number(alive)
	f.kill(dead)
	f.await("the dead one is missed", func() bool {
		_, m := f.leader() // who alone hears of all
		s, err := m.Status(t.Context())
		for _, x := range s.Members {
			if err == nil && x.Number == number {
				return x.Known && !x.Alive
			}
		}
		return false
	})
	remove := func(number uint64) error {
		return f.again("it's decided who is removed", func() error {
			_, m := f.leader()
			return m.Remove(t.Context(), number)
		})
	}
	if err := remove(other); !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "spared") {
		t.Errorf("removing the last but one: %v", err)
	}
	if err := remove(77); !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "no member") {
		t.Errorf("removing nobody: %v", err)
	}
	if err := remove(number); err != nil {
		t.Errorf("removing the dead one: %v", err)
	}
	f.write(view("p", 1, "x"))
}

// One byte of a member's log changes. It refuses to open, and comes back as another member with an empty directory.
func TestADamagedMemberComesBackAsAnother(t *testing.T) {
	f := three(t)
	for i := range uint64(20) {
		f.write(view("p", i+1, "x"))
	}
	hurt := f.others()[0]
	number := f.number(hurt)
	f.kill(hurt)
	flip(t, f.dirs[hurt])
	_, err := Start(f.config(hurt))
	var c *tidal.CorruptError
	if !errors.As(err, &c) || c.File == "" {
		t.Fatalf("with a byte flipped: %v", err)
	}
	_, m := f.leader()
	f.dirs[hurt] = "" // moved away
	_, err = Start(f.config(hurt, "a", "b", "c"))
	if !errors.Is(err, tidal.ErrInput) || !strings.Contains(err.Error(), "remove") {
		t.Errorf("joining while the address belongs to another number: %v", err)
	}
	f.remove(m, number)
	f.start(hurt, "a", "b", "c")
	f.voters(3)
	f.write(view("p", 1, "x")) // a retry
	f.same()
	f.counts("x", 20)
	if got := f.number(hurt); got != 4 {
		t.Errorf("it has number %d", got)
	}
}

// flip changes a byte in the middle of what the log of a directory holds.
func flip(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "wal", "*.seg"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the log: %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	last := len(b) - 1
	for last > 0 && b[last] == 0 {
		last--
	}
	b[last/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADirectoryOfAnotherClusterIsRefused(t *testing.T) {
	f := newFleet(t)
	f.start("a")
	f.start("x") // founds one of its own
	f.close("x")
	refused(t, f.config("x", "a"), func(err error) bool {
		return errors.Is(err, tidal.ErrForeign) && strings.Contains(err.Error(), "cluster")
	})
}

func TestAWrongClockIsRefused(t *testing.T) {
	f := newFleet(t)
	f.start("a")
	c := f.config("b", "a")
	c.Options.Now = func() time.Time { return time.Now().Add(time.Minute) }
	_, err := Start(c)
	if !errors.Is(err, tidal.ErrClock) || !strings.Contains(err.Error(), "NTP") {
		t.Errorf("joining with a clock a minute ahead: %v", err)
	}
	if _, err := os.Stat(filepath.Join(f.dirs["b"], "IDENTITY")); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}
