package tidal_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tidaldb/tidal"
)

// backupChild in the environment names the directory that a process of its own writes to and backs up.
const backupChild = "TIDAL_TEST_BACKUP_CHILD"

// TestBackupChild is that process. It tells of each request that was acknowledged on its file 3, and writes a backup to
// its standard output meanwhile.
func TestBackupChild(t *testing.T) {
	dir := os.Getenv(backupChild)
	if dir == "" {
		t.Skip("this is a part of TestAKillInTheMiddleOfABackupLosesNothing")
	}
	db, err := tidal.Open(dir, testSchema(), &tidal.Options{CheckpointBytes: 64 << 10, SegmentBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	acks := os.NewFile(3, "acks")
	filled := make(chan struct{})
	go func() {
		for n := uint64(1); ; n++ {
			if n == 400 {
				close(filled)
			}
			if _, err := db.Write(ctx, killed(n)); err != nil {
				return
			}
			fmt.Fprintln(acks, n)
		}
	}()
	<-filled
	_, err = db.Backup(ctx, os.Stdout)
	t.Fatalf("the backup came to its end: %v", err)
}

// killed is request n of a process that will be killed.
func killed(n uint64) tidal.Request {
	r := tidal.Request{Lane: "app", Number: n}
	for i := range 10 {
		r.Records = append(r.Records, tidal.Signal{Type: "view", User: fmt.Sprint("u", n, "-", i), Item: fmt.Sprint("i", n)})
	}
	return r
}

// TestAKillInTheMiddleOfABackupLosesNothing kills a process that writes and is being backed up. What came of the backup is
// refused, what was acknowledged is there, and the next backup is as it should be.
func TestAKillInTheMiddleOfABackupLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	acksRead, acksWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := exec.CommandContext(ctx, exe, "-test.run=^TestBackupChild$")
	c.Env, c.ExtraFiles, c.Stderr = append(os.Environ(), backupChild+"="+dir), []*os.File{acksWrite}, os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := acksWrite.Close(); err != nil {
		t.Fatal(err)
	}
	acked := make(chan uint64, 1)
	go func() {
		var n, last uint64
		for in := bufio.NewReader(acksRead); ; last = n {
			if _, err := fmt.Fscan(in, &n); err != nil {
				acked <- last
				return
			}
		}
	}()
	part := make([]byte, 300<<10)
	if _, err := io.ReadFull(out, part); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out) // what was in the pipe
	_ = c.Wait()               // it was killed
	last := <-acked
	if err := acksRead.Close(); err != nil || last < 400 {
		t.Fatalf("%d requests were acknowledged; %v", last, err)
	}

	_, err = tidal.Restore(ctx, bytes.NewReader(append(part, rest...)), dir+"-part", nil)
	var damage *tidal.CorruptError
	if !errors.As(err, &damage) {
		t.Errorf("restored from a part of a backup: %v", err)
	}
	if _, err := os.Stat(dir + "-part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a part of a backup a directory was made: %v", err)
	}

	db := open(t, dir, nil, nil)
	if n, ok := db.Lane("app"); !ok || n < last {
		t.Errorf("requests up to %d were acknowledged, up to %d are there", last, n)
	}
	var b bytes.Buffer
	info, err := db.Backup(ctx, &b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tidal.Restore(ctx, &b, dir+"-whole", nil); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir+"-whole", nil, nil)
	if again.Digest() != info.Digest || info.Digest != db.Digest() {
		t.Error("what was restored has another digest")
	}
	if r, err := again.Write(ctx, killed(last)); err != nil || !r.Duplicate {
		t.Errorf("retry of the last request that was acknowledged: %+v, %v", r, err)
	}
}
