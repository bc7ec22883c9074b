package ope

import (
	"maps"
	"slices"
)

// Model says what an action brings in a place: the mean of its rewards there, drawn towards the mean of the place the
// more the fewer rewards there are, and the less the more the actions of a place differ.
//
// How much is by the variances within and between actions, which are estimated by their mean squares (C. R. Henderson,
// Estimation of Variance and Covariance Components, Biometrics 9, 1953); the drawn mean is the best linear unbiased
// predictor of such a model (G. K. Robinson, That BLUP is a Good Thing, Statistical Science 6, 1991).
type Model struct {
	places map[string]*placeModel
	mean   float64
}

type placeModel struct {
	actions []string // in order
	means   map[string]float64
	mean    float64
}

// Mean is the estimated reward of an action in a place; that of the place for an action that was never seen there, and
// that of everything for a place that wasn't.
func (m *Model) Mean(place, action string) float64 {
	p, ok := m.places[place]
	if !ok {
		return m.mean
	}
	if mean, ok := p.means[action]; ok {
		return mean
	}
	return p.mean
}

// Actions are those seen in a place, in the order of their names. The caller must not change them.
func (m *Model) Actions(place string) []string {
	if p, ok := m.places[place]; ok {
		return p.actions
	}
	return nil
}

// tally counts rewards.
type tally struct{ n, sum, squares float64 }

func (t *tally) add(reward float64) {
	t.n++
	t.sum += reward
	t.squares += reward * reward
}

func (t *tally) minus(u tally) tally { return tally{t.n - u.n, t.sum - u.sum, t.squares - u.squares} }

func (t *tally) mean() float64 { return t.sum / max(1, t.n) }

// tallies are rewards by place and action.
type tallies map[string]map[string]*tally

func (t tallies) add(r *Round) {
	place := t[r.Place]
	if place == nil {
		place = map[string]*tally{}
		t[r.Place] = place
	}
	one := place[r.Action]
	if one == nil {
		one = &tally{}
		place[r.Action] = one
	}
	one.add(r.Reward)
}

// fitAll returns a model for each fold, fitted on the rounds of all other folds.
func fitAll(rounds []Round, fold []int, folds int) []*Model {
	all, parts := tallies{}, make([]tallies, folds)
	for k := range parts {
		parts[k] = tallies{}
	}
	for i := range rounds {
		all.add(&rounds[i])
		parts[fold[i]].add(&rounds[i])
	}
	models := make([]*Model, folds)
	for k := range models {
		models[k] = fit(all, parts[k])
	}
	return models
}

// fit makes a model of what is in all and not in without.
func fit(all, without tallies) *Model {
	m := &Model{places: map[string]*placeModel{}}
	var total tally
	for _, place := range slices.Sorted(maps.Keys(all)) {
		var rest []tally
		p := &placeModel{means: map[string]float64{}}
		var sum tally
		for _, action := range slices.Sorted(maps.Keys(all[place])) {
			t := *all[place][action]
			if out := without[place][action]; out != nil {
				t = t.minus(*out)
			}
			if t.n == 0 {
				continue
			}
			p.actions = append(p.actions, action)
			rest = append(rest, t)
			sum.n, sum.sum, sum.squares = sum.n+t.n, sum.sum+t.sum, sum.squares+t.squares
		}
		if sum.n == 0 {
			continue
		}
		total.n, total.sum = total.n+sum.n, total.sum+sum.sum
		p.mean = sum.mean()
		within, between := variances(rest, sum)
		for i, action := range p.actions {
			p.means[action] = p.mean + (rest[i].mean()-p.mean)*trust(rest[i].n, within, between)
		}
		m.places[place] = p
	}
	m.mean = total.mean()
	return m
}

// variances estimates those of rewards within an action, and of actions' means.
func variances(actions []tally, sum tally) (within, between float64) {
	count := float64(len(actions))
	if count < 2 || sum.n <= count {
		return 0, 0
	}
	inside, squares, spread := 0.0, 0.0, 0.0
	for i := range actions {
		t := &actions[i]
		inside += max(0, t.squares-t.sum*t.sum/t.n)
		squares += t.n * t.n
		spread += t.n * (t.mean() - sum.mean()) * (t.mean() - sum.mean())
	}
	within = inside / (sum.n - count)
	between = max(0, (spread-(count-1)*within)/(sum.n-squares/sum.n))
	return within, between
}

// trust is the part of what an action's own mean says that is believed.
func trust(n, within, between float64) float64 {
	if between == 0 {
		return 0
	}
	return between / (between + within/n)
}
