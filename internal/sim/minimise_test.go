package sim_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/sim"
)

// TestAViolationIsLeftWithWhatItTakes: of a schedule in which one kind of mishap breaks the run, one of that kind is left.
func TestAViolationIsLeftWithWhatItTakes(t *testing.T) {
	const name = "killed"
	o := sim.Taboo(sim.ClusterOptions{Nodes: 3, Seconds: 8}, name)
	var room sim.Room
	minimised := 0
	for seed := uint64(1); seed <= 40 && minimised < 3; seed++ {
		whole, err := room.Cluster(seed, o)
		if err == nil || len(whole.Schedule) < 3 {
			continue
		}
		minimised++
		r, again := room.Minimise(context.Background(), seed, o, 100)
		if again == nil || !strings.Contains(again.Error(), name) {
			t.Errorf("seed %d broke with %v, and minimised with %v", seed, err, again)
		}
		if len(r.Schedule) != 1 || !strings.Contains(r.Schedule[0], name) {
			t.Errorf("seed %d takes %q of %q", seed, r.Schedule, whole.Schedule)
		}
		if r, again = room.Minimise(context.Background(), seed, o, 0); kind(again) != kind(err) || len(r.Schedule) != len(whole.Schedule) {
			t.Errorf("seed %d without runs to minimise: %v, %q", seed, again, r.Schedule)
		}
	}
	if minimised < 3 {
		t.Errorf("%d runs were broken", minimised)
	}
	if _, err := room.Minimise(context.Background(), 1, sim.ClusterOptions{Nodes: 3, Seconds: 2}, 10); err != nil {
		t.Errorf("a seed that keeps its promises breaks %v", err)
	}
}

// kind is what an error says before its numbers.
func kind(err error) string {
	if err == nil {
		return ""
	}
	_, what, _ := strings.Cut(err.Error(), " s: ")
	return what
}
