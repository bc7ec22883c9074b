package stall_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidaldb/tidal/internal/stall"
)

// The test's own program is what is started: with "launch" it becomes, under the filter, the program that syncs.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "launch":
		self, err := os.Executable()
		if err == nil {
			err = stall.Exec(3, self, append([]string{self}, os.Args[3:]...), os.Environ())
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case len(os.Args) == 3 && os.Args[1] == "sync":
		if err := syncs(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// syncs makes a file safe whenever a line comes in, and says so.
func syncs(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if _, err := f.Write(lines.Bytes()); err != nil {
			return err
		}
		fmt.Println("written")
		if err := f.Sync(); err != nil {
			return err
		}
		fmt.Println("synced", lines.Text())
	}
	return nil
}

func TestSyncsWaitWhileTheDiskIsStalled(t *testing.T) {
	if err := stall.Supported(); err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "sync", filepath.Join(t.TempDir(), "file"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	disk, err := stall.Command(cmd, "launch")
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Started(cmd.Start()); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for out := bufio.NewScanner(pipe); out.Scan(); {
			lines <- out.Text()
		}
	}()
	says := func(want ...string) {
		t.Helper()
		for _, w := range want {
			select {
			case got := <-lines:
				if got != w {
					t.Fatalf("says %q, want %q", got, w)
				}
			case <-time.After(time.Minute):
				t.Fatalf("doesn't say %q", w)
			}
		}
	}
	send := func(text string) { fmt.Fprintln(in, text) }
	send("one")
	says("written", "synced one")
	for range 2 {
		disk.Stall()
		send("two")
		says("written")
		<-disk.Bitten()
		select {
		case got := <-lines:
			t.Fatalf("says %q on a stalled disk", got)
		default:
		}
		disk.Resume()
		says("synced two")
	}
	disk.Stall()
	send("three")
	<-disk.Bitten()
	says("written")
	if err := cmd.Process.Kill(); err != nil { // who waits for the disk can be killed
		t.Fatal(err)
	}
	for range lines {
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}

func TestAProgramThatCannotBeStartedIsSaid(t *testing.T) {
	if err := stall.Supported(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(filepath.Join(t.TempDir(), "nothing"))
	disk, err := stall.Command(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Started(cmd.Start()); err == nil {
		t.Error("it has started")
	}
	cmd = exec.Command("/bin/true") // starts and hands nothing over
	if disk, err = stall.Command(cmd); err != nil {
		t.Fatal(err)
	}
	if err := disk.Started(cmd.Start()); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}
