package eval

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Figures say how good the lists of one way to rank are, on average over the users under test.
type Figures struct {
	// K are the list lengths that NDCG and HitRate are taken at, ascending.
	K             []int
	NDCG, HitRate []float64
	// MRR is the mean reciprocal rank of the first hit within lists of the last K.
	MRR float64
	// The following look at the first K[0] places. Coverage is the part of the items that can be served which is in any
	// list. Novelty is the mean self-information of the places, in bits. IntraListDiversity is the mean distance of two
	// items of a list.
	Coverage, Novelty, IntraListDiversity float64
	// Users is how many lists were made.
	Users int
	// Seconds is what it took to make and score them, with all preparation.
	Seconds float64
}

// MarshalJSON names the figures "ndcg_at_10", "hr_at_10" and so on for each K, then "mrr", "coverage", "novelty",
// "intra_list_diversity", "users" and "seconds".
func (f *Figures) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, k := range f.K {
		fmt.Fprintf(&b, `"ndcg_at_%d":%s,"hr_at_%d":%s,`, k, round(f.NDCG[i]), k, round(f.HitRate[i]))
	}
	fmt.Fprintf(&b, `"mrr":%s,"coverage":%s,"novelty":%s,"intra_list_diversity":%s,"users":%d,"seconds":%s}`,
		round(f.MRR), round(f.Coverage), round(f.Novelty), round(f.IntraListDiversity), f.Users,
		strconv.FormatFloat(f.Seconds, 'f', 3, 64))
	return []byte(b.String()), nil
}

// round writes six digits behind the point, which is more than any of these means.
func round(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }

// MarshalJSON writes six digits behind the point.
func (i Interval) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"mean":%s,"low":%s,"high":%s}`, round(i.Mean), round(i.Low), round(i.High)), nil
}

var (
	_ json.Marshaler = (*Figures)(nil)
	_ json.Marshaler = Interval{}
)

// Seen is what each side of a split holds.
type Seen struct {
	// Now is the time of the newest training event, at which lists are made; RFC 3339.
	Now string `json:"now"`
	// Users and Items are those with training events; Served is how many items lists can hold.
	Users  int `json:"users"`
	Items  int `json:"items"`
	Served int `json:"served"`
	// TrainingEvents are the signals that everybody who ranks sees. TestEvents belong to what lists should foresee, and
	// AsideEvents are those later ones that nobody sees and nobody is asked about.
	TrainingEvents int `json:"training_events"`
	TestEvents     int `json:"test_events"`
	AsideEvents    int `json:"aside_events"`
	// TestUsers are the users with something to foresee; Ranked of them, drawn by the seed, got lists. Wanted is how
	// many items their lists should hold together, Unreachable how many of these can't be in any list, because nothing
	// is known of them in training.
	TestUsers   int `json:"test_users"`
	Ranked      int `json:"ranked"`
	Wanted      int `json:"wanted"`
	Unreachable int `json:"unreachable"`
}

// Outcome is what one split gave.
type Outcome struct {
	Popularity   *Figures `json:"popularity"`
	ItemKNN      *Figures `json:"item_knn"`
	ItemKNNDecay *Figures `json:"item_knn_decay"`
	// ForYou is missing if there was nothing to ask.
	ForYou *Figures `json:"for_you,omitempty"`
	// Above is by how much the users' NDCG at the first K of for_you lies above that of item_knn_decay.
	Above *Interval `json:"for_you_above_item_knn_decay,omitempty"`
	Split Seen      `json:"split"`
	// DistanceBy says what intra-list diversity is measured by.
	DistanceBy string `json:"distance_by"`
}

// Result is what [Run] found. The figures of leave-last-out stand at the top.
type Result struct {
	*Outcome
	Temporal *Outcome `json:"temporal,omitempty"`
	// Explored is what came of places that exploration filled, by slot; none where no signal echoes a reference to one.
	Explored []SlotReport `json:"explored,omitempty"`
	// LogFrom is the first entry of the log; above 1 older events were let go, and weren't looked at.
	LogFrom uint64 `json:"log_from"`
	// Events is the number of events read.
	Events int `json:"events"`
	// Positive is the rule by which events count as positive, and PositiveBy "auto" or "flag".
	Positive   string `json:"positive"`
	PositiveBy string `json:"positive_by"`
	Seed       uint64 `json:"seed"`
	// Notes say what couldn't be measured.
	Notes []string `json:"notes,omitempty"`
}
