package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// Child is what [Env.Fresh] runs in another process. It prints one JSON object.
//
//	check DIR ACKS   opens DIR and compares it with the acknowledged requests: [Checked]
//	probe DIR        opens DIR and says how long that took and what memory it needs: [Probe]
func Child(args []string, out io.Writer) error {
	var answer any
	var err error
	switch {
	case len(args) == 3 && args[0] == "check":
		answer, err = check(args[1], args[2])
	case len(args) == 2 && args[0] == "probe":
		answer, err = probe(args[1])
	default:
		return fmt.Errorf("%q is nothing that a benchmark asks for", args)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(answer)
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
