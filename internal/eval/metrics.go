package eval

import "math"

// NDCG is the normalised discounted cumulative gain of the first k places of a list, for gains of 0 and 1 (Järvelin and
// Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques", TOIS 2002): the sum of 1/log₂(place+1) over the
// places with a wanted item, divided by what a list with the wanted items first has. hits says which places hold one;
// wanted is how many there are, at least 1. It is in [0, 1].
func NDCG(hits []bool, wanted, k int) float64 {
	var got, ideal float64
	for i := range min(k, max(len(hits), wanted)) {
		gain := 1 / math.Log2(float64(i+2))
		if i < len(hits) && hits[i] {
			got += gain
		}
		if i < wanted {
			ideal += gain
		}
	}
	return got / ideal
}

// HitRate is 1 if one of the first k places holds a wanted item, and else 0. With one wanted item it is recall, too.
func HitRate(hits []bool, k int) float64 {
	for i := range min(k, len(hits)) {
		if hits[i] {
			return 1
		}
	}
	return 0
}

// ReciprocalRank is 1 divided by the first place with a wanted item, and 0 for a list without (Voorhees, "The TREC-8
// Question Answering Track Report", 1999).
func ReciprocalRank(hits []bool) float64 {
	for i, hit := range hits {
		if hit {
			return 1 / float64(i+1)
		}
	}
	return 0
}

// SelfInformation is how unexpected an item is that met of users have met, −log₂(met/users), in bits (Zhou, Kuscsik,
// Liu, Medo, Wakeling and Zhang, "Solving the Apparent Diversity-Accuracy Dilemma of Recommender Systems", PNAS 2010).
// An item that nobody met counts as met by one.
func SelfInformation(met, users int) float64 {
	return math.Log2(float64(max(users, 1)) / float64(max(met, 1)))
}
