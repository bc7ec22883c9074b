package sim

import (
	"context"
	"maps"
	"regexp"
)

// numbers are what may differ between two violations of one kind.
var numbers = regexp.MustCompile(`[0-9]+`)

// kindOf is a violation without what differs from run to run.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	return numbers.ReplaceAllString(err.Error(), "#")
}

// Minimise runs a seed that breaks a promise again and again, each time with less that goes wrong, as long as the same
// promise is broken, and returns the last report and error that it is still broken with. It takes at most runs runs, and
// ends with ctx. What is left over is in the report's Schedule; no single mishap of it is in vain if the runs sufficed.
func (r *Room) Minimise(ctx context.Context, seed uint64, o ClusterOptions, runs int) (*ClusterReport, error) {
	o.Story = false
	report, err := r.Cluster(seed, o)
	want := kindOf(err)
	if err == nil {
		return report, nil
	}
	less := maps.Clone(o.Without)
	if less == nil {
		less = map[int]bool{}
	}
	try := func(without []int) bool {
		runs--
		attempt := maps.Clone(less)
		for _, i := range without {
			attempt[i] = true
		}
		o.Without = attempt
		again, aerr := r.Cluster(seed, o)
		if kindOf(aerr) != want {
			return false
		}
		less, report, err = attempt, again, aerr
		return true
	}
	// What comes behind the violation has no part in it.
	var late []int
	for i := range report.plan.faults {
		if report.plan.faults[i].at > report.Simulated {
			late = append(late, i)
		}
	}
	if runs > 0 && len(late) > 0 {
		try(late)
	}
	for size := max(1, len(report.plan.faults)/2); ; size /= 2 {
		shrunk := false
		for from := 0; from < len(report.plan.faults); from += size {
			part := rest(less, from, min(from+size, len(report.plan.faults)))
			if runs <= 0 || ctx.Err() != nil {
				return report, err
			}
			shrunk = len(part) > 0 && try(part) || shrunk
		}
		if size == 1 {
			if !shrunk {
				return report, err
			}
			size = 2 // once more: what was needed with others may be in vain without them
		}
	}
}

// rest are the places in a range that aren't left out yet.
func rest(without map[int]bool, from, to int) (out []int) {
	for i := from; i < to; i++ {
		if !without[i] {
			out = append(out, i)
		}
	}
	return out
}
