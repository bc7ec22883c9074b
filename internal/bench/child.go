package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/tidaldb/tidal/internal/stall"
)

// Child is what [Env.Fresh] runs in another process. It prints one JSON object.
//
//	check DIR ACKS   opens DIR and compares it with the acknowledged requests: [Checked]
//	probe DIR        opens DIR and says how long that took and what memory it needs: [Probe]
//
//	events DIR CONFIG N   writes N events and leaves DIR's checkpoint alone
//
//	after-kill DIR ROWS ITEMS ACKED SENT   opens DIR and looks for what must and what may be there of ROWS
//
//	stalled FD ARGS…   becomes this program with ARGS, its syncs in the hands of who holds the socket FD
func Child(args []string, out io.Writer) error {
	var answer any
	var err error
	switch {
	case len(args) == 3 && args[0] == "check":
		answer, err = check(args[1], args[2])
	case len(args) == 2 && args[0] == "probe":
		answer, err = probe(args[1])
	case len(args) == 4 && args[0] == "events":
		var n int
		if n, err = strconv.Atoi(args[3]); err == nil {
			answer, err = writeBehind(args[1], args[2], n)
		}
	case len(args) == 6 && args[0] == "after-kill":
		var numbers [3]int
		for i, text := range args[3:] {
			if numbers[i], err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("%q is no number: %w", text, err)
			}
		}
		answer, err = checkKilled(args[1], args[2], numbers[0], numbers[1], numbers[2])
	case len(args) > 2 && args[0] == "stalled":
		return becomeStalled(args[1], args[2:])
	default:
		return fmt.Errorf("%q is nothing that a benchmark asks for", args)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
}

// ChildStalled are the arguments of the command that calls [Child] so that it becomes a program whose disk can be stalled.
func ChildStalled() []string { return []string{"bench-child", "stalled", "--"} }

// becomeStalled returns only if it can't.
func becomeStalled(fd string, args []string) error {
	socket, err := strconv.Atoi(fd)
	if err != nil {
		return fmt.Errorf("%q is no number: %w", fd, err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return stall.Exec(socket, self, append([]string{self}, args...), os.Environ())
}

// ask runs a child and decodes its answer.
func ask[T any](ctx context.Context, e *Env, args ...string) (answer T, err error) {
	text, err := e.Fresh(ctx, args...)
	if err != nil {
		return answer, fmt.Errorf("%s in a process of its own: %w", args[0], err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("%s in a process of its own answers %q: %w", args[0], text, err)
	}
	return answer, nil
}
