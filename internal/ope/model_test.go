package ope

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// slowModel is the model by its definition, from the rounds one by one.
func slowModel(rounds []Round) func(place, action string) float64 {
	mean := func(keep func(*Round) bool) (m, n float64) {
		for i := range rounds {
			if keep(&rounds[i]) {
				m += rounds[i].Reward
				n++
			}
		}
		return m / max(1, n), n
	}
	return func(place, action string) float64 {
		everywhere, _ := mean(func(*Round) bool { return true })
		here, n := mean(func(r *Round) bool { return r.Place == place })
		if n == 0 {
			return everywhere
		}
		own, count := mean(func(r *Round) bool { return r.Place == place && r.Action == action })
		if count == 0 {
			return here
		}
		counts := map[string]float64{}
		for i := range rounds {
			if rounds[i].Place == place {
				counts[rounds[i].Action]++
			}
		}
		groups, inside, outside, sizes := float64(len(counts)), 0.0, 0.0, 0.0
		for i := range rounds {
			if r := &rounds[i]; r.Place == place {
				m, _ := mean(func(s *Round) bool { return s.Place == place && s.Action == r.Action })
				inside += (r.Reward - m) * (r.Reward - m)
				outside += (m - here) * (m - here)
				sizes += counts[r.Action] // of each action its square
			}
		}
		if groups < 2 || n <= groups {
			return here
		}
		within := inside / (n - groups)
		between := (outside - (groups-1)*within) / (n - sizes/n)
		if between <= 0 {
			return here
		}
		return here + (own-here)*between/(between+within/count)
	}
}

// The model of a fold is what the rounds of all others say, and DR is the model's value with the weighted rest.
func TestDRIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rounds []Round
		target := frequencies{}
		for p := range rapid.IntRange(1, 3).Draw(t, "places") {
			place := fmt.Sprint("p", p)
			for a := range 3 {
				target[place] = append(target[place], Choice{fmt.Sprint("a", a), []float64{0.5, 0.3, 0.2}[a]})
				for range rapid.IntRange(1, 8).Draw(t, "rounds") {
					rounds = append(rounds, Round{
						Place: place, Context: place, Action: fmt.Sprint("a", a), Propensity: 1.0 / 3,
						Reward:  float64(rapid.IntRange(0, 3).Draw(t, "reward")) / 3,
						Cluster: rapid.SampledFrom([]string{"", "", "u", "v"}).Draw(t, "cluster"),
					})
				}
			}
		}
		folds := rapid.IntRange(2, 4).Draw(t, "folds")
		seed := rapid.Uint64().Draw(t, "seed")
		of, count := clusters(rounds)
		if count < folds {
			t.Skip("too few clusters")
		}
		r, err := Evaluate(rounds, target, Options{Folds: folds, Seed: seed, Missing: 0.999999})
		if err != nil {
			t.Skip(err)
		}
		fold := foldsOf(of, count, folds, seed)
		value := 0.0
		for i, x := range rounds {
			var others []Round
			for j := range rounds {
				if fold[j] != fold[i] {
					others = append(others, rounds[j])
				}
			}
			q := slowModel(others)
			for _, c := range target[x.Place] {
				value += c.Probability * q(x.Place, c.Action)
				if c.Action == x.Action {
					value += c.Probability / x.Propensity * (x.Reward - q(x.Place, x.Action))
				}
			}
		}
		if value /= float64(len(rounds)); math.Abs(r.DR.Value-value) > 1e-9 {
			t.Fatalf("DR is %v, want %v", r.DR.Value, value)
		}
	})
}

// Rounds of one cluster are in one fold, and folds are of nearly the same number of clusters.
func TestFoldsKeepClustersTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(2, 50).Draw(t, "clusters")
		folds := rapid.IntRange(2, min(count, 7)).Draw(t, "folds")
		cluster := make([]int, 3*count)
		for i := range cluster {
			cluster[i] = i % count
		}
		sizes := make([]int, folds)
		for i, k := range foldsOf(cluster, count, folds, rapid.Uint64().Draw(t, "seed")) {
			sizes[k]++
			if first := foldsOf(cluster, count, folds, 1)[i%count]; first != foldsOf(cluster, count, folds, 1)[i] {
				t.Fatalf("cluster %d is in folds %d and another", i%count, first)
			}
		}
		for _, n := range sizes {
			if n/3 < count/folds || n/3 > (count+folds-1)/folds {
				t.Fatalf("folds of %v rounds", sizes)
			}
		}
	})
}

// Where actions don't differ more than chance makes them, the model says the place's mean; where they do and rounds are
// many, each action's own.
func TestTheModelBelievesWhatRoundsSay(t *testing.T) {
	var alike, apart []Round
	for i := range 400 {
		x := Round{Place: "p", Action: fmt.Sprint("a", i%4), Reward: float64(i / 4 % 2)}
		alike = append(alike, x)
		x.Reward = 0
		if i/4%10 <= 2*(i%4) {
			x.Reward = 1
		}
		apart = append(apart, x)
	}
	of := func(rounds []Round) *Model {
		return fitAll(append(rounds, Round{Place: "q", Action: "b"}), folded(len(rounds)+1), 2)[1]
	}
	for a := range 4 {
		action := fmt.Sprint("a", a)
		if got := of(alike).Mean("p", action); got != 0.5 {
			t.Errorf("alike: %s is %v", action, got)
		}
		if got, own := of(apart).Mean("p", action), 0.1+0.2*float64(a); math.Abs(got-own) > 0.01 {
			t.Errorf("apart: %s is %v, its own mean %v", action, got, own)
		}
	}
	m := of(apart)
	if got := m.Mean("p", "never"); got != m.places["p"].mean {
		t.Errorf("an action never seen is %v", got)
	}
	if got := m.Mean("nowhere", "a0"); got != m.mean {
		t.Errorf("a place never seen is %v", got)
	}
	if got, _ := (Greedy{}).Choose("p", "", m); len(got) != 1 || got[0] != (Choice{"a3", 1}) {
		t.Errorf("greedy chooses %v", got)
	}
}

// folded puts all rounds but the last one into fold 0, so that the model of fold 1 is of them.
func folded(n int) []int {
	fold := make([]int, n)
	fold[n-1] = 1
	return fold
}
