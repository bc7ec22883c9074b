package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine says where figures were measured.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"` // that Go uses
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Go    string `json:"go"`
}

// ThisMachine describes the machine. Where /proc/cpuinfo names no CPU it is "".
func ThisMachine() Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = field(string(text), "model name")
	}
	return m
}

// field returns the value of the first line "name: value".
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// processorTime is what this process has had so far, of all processors, to 10 ms. Only Linux says so.
func processorTime() (time.Duration, bool) { return processorTimeOf(os.Getpid()) }

// processorTimeOf is the same of another process.
func processorTimeOf(pid int) (time.Duration, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	// The second field is the program's name in parentheses; utime and stime are the 14th and 15th, in 1/100 s.
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, err == nil && err2 == nil
}
