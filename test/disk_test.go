package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// smallDisk puts a disk of its own, of so many megabytes, behind a directory. It takes root and Linux.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a small disk takes root")
	}
	good(t, os.MkdirAll(dir, 0o755))
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tidal-test", dir).CombinedOutput(); err != nil {
		t.Skipf("this machine mounts no small disk for us: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v: %s", err, out)
		}
	})
}

// fill writes a file until the disk behind a directory is full. Removing the file makes room again.
func fill(t *testing.T, dir string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "ballast")
	f, err := os.Create(file)
	good(t, err)
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	t.Logf("the disk is full: %v", err)
	good(t, errors.Join(f.Close()))
	return file
}
