package stall

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"
)

// Names and numbers of the kernel's interface, <linux/seccomp.h> and <linux/bpf_common.h>.
const (
	setNoNewPrivileges = 38 // prctl
	setModeFilter      = 1
	newListener        = 1 << 3

	receiveNotice = 0xc0502100 // ioctl
	sendAnswer    = 0xc0182101

	resultNotice = 0x7fc00000
	resultAllow  = 0x7fff0000

	answerContinue = 1
)

// callNumber is the seccomp system call's number, which package syscall doesn't have.
func callNumber() (uintptr, bool) {
	switch runtime.GOARCH {
	case "amd64":
		return 317, true
	case "arm64":
		return 277, true
	}
	return 0, false
}

// notice is struct seccomp_notif.
type notice struct {
	id    uint64
	pid   uint32
	flags uint32
	call  [64]byte // struct seccomp_data
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

type instruction struct {
	code            uint16
	whenSo, whenNot uint8 // instructions to pass over
	k               uint32
}

type program struct {
	length uint16
	first  *instruction
}

// Supported is nil where disks can be stalled, else an [ErrUnsupported] that says what is missing.
func Supported() error {
	if _, ok := callNumber(); !ok {
		return fmt.Errorf("%w: not on %s", ErrUnsupported, runtime.GOARCH)
	}
	actions, err := os.ReadFile("/proc/sys/kernel/seccomp/actions_avail")
	if err != nil || !slices.Contains(strings.Fields(string(actions)), "user_notif") {
		return fmt.Errorf("%w: this kernel's seccomp has no user_notif", ErrUnsupported)
	}
	return nil
}

// Exec puts a filter on this process, hands its other end over through the socket, and becomes the program file with args
// (args[0] is its name). It returns only if that failed.
func Exec(socket int, file string, args, env []string) error {
	// The filter is this thread's; execve ends all others, so that everything the program does is under it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	listener, err := filterSyncs()
	if err != nil {
		return fmt.Errorf("stall: %w", err)
	}
	err = syscall.Sendmsg(socket, []byte{0}, syscall.UnixRights(listener), nil, 0)
	err = errors.Join(err, syscall.Close(socket), syscall.Close(listener))
	if err != nil {
		return fmt.Errorf("stall: hand the disk over: %w", err)
	}
	return fmt.Errorf("stall: start %s: %w", file, syscall.Exec(file, args, env))
}

func filterSyncs() (listener int, err error) {
	number, ok := callNumber()
	if !ok {
		return 0, fmt.Errorf("%w: not on %s", ErrUnsupported, runtime.GOARCH)
	}
	// The number of the call lies at the beginning of what a filter sees.
	code := []instruction{
		{code: 0x20, k: 0}, // load it
		{code: 0x15, whenSo: 1, k: syscall.SYS_FSYNC},
		{code: 0x15, whenNot: 1, k: syscall.SYS_FDATASYNC},
		{code: 0x06, k: resultNotice},
		{code: 0x06, k: resultAllow},
	}
	p := program{length: uint16(len(code)), first: &code[0]}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivileges, 1, 0, 0, 0, 0); errno != 0 {
		return 0, fmt.Errorf("give up gaining privileges: %w", errno)
	}
	fd, _, errno := syscall.RawSyscall(number, setModeFilter, newListener, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return 0, fmt.Errorf("%w: the kernel takes no filter: %w", ErrUnsupported, errno)
	}
	return int(fd), nil
}

// receive gets the filter's other end from the process that is being started.
func receive(socket *os.File) (*os.File, error) {
	var data [1]byte
	rights := make([]byte, syscall.CmsgSpace(4))
	n, got, _, _, err := syscall.Recvmsg(int(socket.Fd()), data[:], rights, syscall.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	if n == 0 {
		return nil, errors.New("the process ended before it had started")
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:got])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("receive: %d messages: %w", len(messages), err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("receive: %d files: %w", len(fds), err)
	}
	// As a file that doesn't block it is waited for without a thread, and closing it ends the waiting.
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, errors.Join(fmt.Errorf("receive: %w", err), syscall.Close(fds[0]))
	}
	return os.NewFile(uintptr(fds[0]), "seccomp"), nil
}

// next waits for a sync and returns the kernel's number of it, io.EOF once the process has ended.
func next(listener *os.File) (id uint64, err error) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("wait for a sync: %w", err)
	}
	for {
		var n notice
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			switch waits, gone := poll(fd); {
			case gone:
				failed = io.EOF
				return true
			case !waits:
				return false
			}
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, receiveNotice, uintptr(unsafe.Pointer(&n))); errno != 0 {
				failed = errno
			}
			return true
		})
		switch {
		case err != nil:
			return 0, fmt.Errorf("wait for a sync: %w", err)
		case failed == nil:
			return n.id, nil
		case errors.Is(failed, syscall.ENOENT), errors.Is(failed, syscall.EINTR): // who wanted to sync was killed
		default:
			return 0, failed
		}
	}
}

// pass lets a sync happen. That its process has been killed meanwhile is no error.
func pass(listener *os.File, id uint64) {
	raw, err := listener.SyscallConn()
	if err != nil {
		return // it is closed, and so is the process
	}
	_ = raw.Control(func(fd uintptr) {
		a := answer{id: id, flags: answerContinue}
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, sendAnswer, uintptr(unsafe.Pointer(&a)))
	})
}

// poll looks, without waiting, whether a sync waits, and whether there's nobody left who could.
func poll(fd uintptr) (waits, gone bool) {
	type pollFD struct {
		fd          int32
		want, found int16
	}
	const in, hangUp, bad = 0x1, 0x10, 0x28
	p := pollFD{fd: int32(fd), want: in}
	var now syscall.Timespec
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	if errno != 0 {
		return false, errno != syscall.EINTR
	}
	return p.found&in != 0, p.found&in == 0 && p.found&(hangUp|bad) != 0
}
