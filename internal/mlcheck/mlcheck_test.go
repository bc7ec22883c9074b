package mlcheck

import (
	"math"
	"strings"
	"testing"
)

// The answers here were worked out by hand: the checker is checked by somebody else.
func TestAnswersWorkedOutByHand(t *testing.T) {
	const week = 7 * day
	f, err := Read(strings.NewReader("1\t9\t5\t0\n2\t9\t4\t604800\n3\t9\t1\t604800\n4\t8\t3\t604799\n"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Rows() != 4 || f.Newest() != week || strings.Join(f.Items(), " ") != "8 9" {
		t.Fatalf("rows %d, newest %d, items %v", f.Rows(), f.Newest(), f.Items())
	}
	for _, c := range []struct {
		item, signal           string
		at                     int64
		total                  int64
		hour, day, week, month int64
		half                   string
		score                  float64
	}{
		// One rating of 5 a half-life old, and 4 and 1 at this moment.
		{"9", "rating", week, 3, 2, 2, 2, 3, "7d", 5.0/2 + 4 + 1},
		// An hour later the minute of the two has just left the window.
		{"9", "rating", week + hour, 3, 0, 2, 2, 3, "7d", 5*math.Exp2(-1-1.0/168) + 5*math.Exp2(-1.0/168)},
		{
			"9", "rating", week + hour - 1, 3, 2, 2, 2, 3, "7d",
			5*math.Exp2(-float64(week+hour-1)/float64(week)) + 5*math.Exp2(-float64(hour-1)/float64(week)),
		},
		{"9", "like", 30 * day, 2, 0, 0, 0, 1, "30d", 0.5 + math.Exp2(-23.0/30)},
		{"9", "dislike", week, 1, 1, 1, 1, 1, "30d", 1},
		{"8", "like", week, 0, 0, 0, 0, 0, "30d", 0},
		{"8", "rating", week, 1, 1, 1, 1, 1, "7d", 3 * math.Exp2(-1000/float64(week))},
	} {
		got := f.Answer(c.item, c.signal, c.at)
		w := got.Windows
		if got.Total != c.total || w["1h"] != c.hour || w["24h"] != c.day || w["7d"] != c.week || w["30d"] != c.month {
			t.Errorf("%s %s at %d: %+v, want %+v", c.item, c.signal, c.at, got, c)
		}
		if score, ok := got.Scores[c.half]; !ok || math.Abs(score-c.score) > 1e-12 {
			t.Errorf("%s %s at %d: scores %v, want %s: %v", c.item, c.signal, c.at, got.Scores, c.half, c.score)
		}
	}
}

func TestALineThatIsNoRatingIsAnError(t *testing.T) {
	for _, line := range []string{"1\t2\t3", "1\t2\tx\t4", "1\t2\t3\tx"} {
		if _, err := Read(strings.NewReader(line)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
