package metrics_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/metrics"
)

// waiting is what the oracle knows of a user: the first signal that no list has shown.
type waiting struct {
	at  time.Time
	seq int
}

// With so few users that none takes another's place, the table answers as a map does that remembers everything.
func TestReactionsAreThoseOfAnOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, oracle := metrics.NewReactions(), map[string]waiting{}
		now, seq := time.Unix(1000, 0), 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "seconds")) * time.Second)
			user := fmt.Sprintf("user-%d", rapid.IntRange(0, 3).Draw(t, "user"))
			if rapid.Bool().Draw(t, "signal") {
				seq++
				r.Accepted(user, now, position(seq))
				if w, ok := oracle[user]; !ok || now.Sub(w.at) >= 10*time.Minute {
					oracle[user] = waiting{now, seq}
				}
				continue
			}
			seen := rapid.IntRange(0, seq).Draw(t, "seen")
			took, ok := r.Listed(user, now, vector(seen))
			w, there := oracle[user]
			has := there && seen >= w.seq
			if has {
				delete(oracle, user)
			}
			want := has && now.Sub(w.at) < 10*time.Minute
			if ok != want || ok && took != now.Sub(w.at) {
				t.Fatalf("%s has seen %d: %s %v, want %v since %v", user, seen, took, ok, want, w)
			}
		}
		if r.Lost() != 0 {
			t.Fatalf("%d lost", r.Lost())
		}
	})
}

// More users than there are places: what is lost is counted, and nobody gets another's time.
func TestMoreUsersThanPlacesAreLostAndCounted(t *testing.T) {
	r := metrics.NewReactions()
	begin := time.Unix(1000, 0)
	const users = 3 * metrics.MaxReactions
	for i := range users {
		r.Accepted(fmt.Sprintf("user-%d", i), begin.Add(time.Duration(i)), position(i+1))
	}
	found := 0
	for i := range users {
		if took, ok := r.Listed(fmt.Sprintf("user-%d", i), begin.Add(time.Second), vector(users)); ok {
			found++
			if want := time.Second - time.Duration(i); took != want {
				t.Fatalf("user %d: %s, want %s", i, took, want)
			}
		}
	}
	if found+int(r.Lost()) != users || found < metrics.MaxReactions/2 || found > metrics.MaxReactions {
		t.Errorf("%d found, %d lost of %d", found, r.Lost(), users)
	}
	if _, ok := r.Listed("", begin, vector(1)); ok {
		t.Error("nobody reacts")
	}
}

func position(seq int) tidal.Position { return tidal.Position{Seq: id.Seq(seq)} }

func vector(seq int) tidal.VersionVector {
	return tidal.VersionVector{}.With(tidal.Position{}.Origin(), id.Seq(seq))
}
