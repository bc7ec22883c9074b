package rank

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidaldb/tidal/schema"
)

// The constants of for_you. Each is the weight of a step whose value is about 0 to 1, or the half-life of one.
const (
	weightCoEngaged = 1.0
	weightInterest  = 0.5
	weightAffinity  = 0.2
	weightDisliked  = 0.5 // of this the score of what a disliked creator made is cut at most
	weightTrend     = 0.1
	weightFreshness = 0.2
	halfFreshness   = 7 * day

	// For a user of whom nothing is known; tidalDB states the weights.
	coldTrending   = 0.4
	coldCompletion = 0.3
	coldRecency    = 0.3
	halfRecency    = 7 * day

	exploreShare  = 0.1
	exploreWithin = day
)

// forYou is a feed for one user. What the user and others with like interests did comes first, then what's popular and
// fresh:
//
//	1.0 · co_engaged + 0.5 · max(interest, 0) + 0.2 · max(affinity, 0)/(1 + |affinity|) + 0.1 · trend,
//	times 1 + 0.5 · min(affinity, 0)/(1 + |affinity|)
//	times 1 + 0.2 · 2^(−age/7d), where items have the field published
//
// No step can make the score negative, since a boost would lower it then; what speaks against an item is a factor. For
// a user without a history it adds tidalDB's formula for cold users, 0.4 · velocity + 0.3 · completion rate + 0.3 ·
// recency, each brought into [0, 1]. Items that the user has seen aren't shown. A tenth of the list is given to items
// of the last day, whatever their score.
func forYou(s *schema.Schema) schema.Profile {
	velocity := saturated(velocityOf(s, "", "24h"))
	cheap := personalSteps(s)
	first := ""
	for i, step := range cheap {
		if i > 0 {
			first += " + "
		}
		first += step.Expr
	}
	steps := append(cheap, add("cold_start", fmt.Sprintf("if(known, 0, %v * %s + %v * %s + %v * %s)", coldTrending,
		velocity, coldCompletion, completionRate(s), coldRecency, fading(halfRecency))))
	if hasCreator(s) {
		steps = append(steps, times("disliked_creator",
			fmt.Sprintf("1 + %v * min(affinity, 0) / (1 + abs(affinity))", weightDisliked)))
	}
	if _, ok := s.Items.Field(schema.PublishedField); ok {
		steps = append(steps, times("freshness", fmt.Sprintf("1 + %v * %s", weightFreshness, fading(halfFreshness))))
	}
	sources := slices.Concat(personal(s), headsOf(s, "approval", 100), []schema.Source{newestItems(100)})
	p := profile("for_you", sources, steps...)
	p.First = first
	p.Gates = []string{"not seen"}
	p.Diversity = twoPerCreator(s)
	p.Explore = []schema.Slot{{Name: "fresh", Share: exploreShare, Pool: schema.PoolNew, Within: exploreWithin}}
	return p
}

// personalSteps are the steps of for_you that need cheap features alone.
func personalSteps(s *schema.Schema) []schema.Step {
	steps := []schema.Step{add("co_engagement", fmt.Sprintf("%v * co_engaged", weightCoEngaged))}
	if hasEmbedding(s) {
		steps = append(steps, add("interest", fmt.Sprintf("%v * max(interest, 0)", weightInterest)))
	}
	if hasCreator(s) {
		steps = append(steps, add("creator", fmt.Sprintf("%v * max(affinity, 0) / (1 + abs(affinity))", weightAffinity)))
	}
	return append(steps, add("trend", fmt.Sprintf("%v * trend", weightTrend)))
}

// saturated brings a number above 0 into [0, 1): ½ at 1.
func saturated(x string) string { return "(1 - 1 / (1 + " + x + "))" }

// fading is 1 for an item of this moment and halves with each half of age.
func fading(half time.Duration) string { return "2 ^ (-age / " + schema.FormatDuration(half) + ")" }

// completionRate is how many of those who began went on to the end; without such signals, the part of approving
// opinions.
func completionRate(s *schema.Schema) string {
	if hasSignal(s, "complete") {
		for _, begin := range []string{"start", "view"} {
			if hasSignal(s, begin) {
				return "wilson(total(complete), total(" + begin + "))"
			}
		}
	}
	return wilsonQuality
}

// following is the newest items of the creators whom the user follows, newest first.
func following(s *schema.Schema) schema.Profile {
	if !hasCreator(s) { // nobody can be followed; the list is empty
		p := profile("following", []schema.Source{newestItems(1)}, add("recency", "1 / (1 + age / 1h)"))
		p.Gates = []string{"false"}
		return p
	}
	p := profile("following", []schema.Source{{Kind: schema.FromFollowed, Limit: 1000}},
		add("recency", "1 / (1 + age / 1h)"))
	p.Gates = []string{"follows"}
	return p
}

// related is what goes with one item: by who met both, by likeness, and then by the user's interests:
//
//	(0.6 · co_similar + 0.4 · max(similar, 0)) · (1 + 0.2 · interest)
func related(s *schema.Schema) schema.Profile {
	steps := []schema.Step{add("met_by_the_same", "0.6 * co_similar")}
	if hasEmbedding(s) {
		steps = append(steps, add("alike", "0.4 * max(similar, 0)"), times("interest", "1 + 0.2 * interest"))
	}
	p := profile("related", []schema.Source{{Kind: schema.FromSimilar, Limit: 1000}}, steps...)
	p.Diversity = twoPerCreator(s)
	return p
}

// notification is what is worth interrupting somebody for: new, unseen, by a creator or about a thing that the user
// cares for. Its score halves every 12 hours:
//
//	(0.4 · follows + 0.3 · affinity/(1 + |affinity|) + 0.5 · interest + 1.0 · co_engaged) · 2^(−age/12h)
func notification(s *schema.Schema) schema.Profile {
	steps := []schema.Step{add("co_engagement", "co_engaged")}
	if hasEmbedding(s) {
		steps = append(steps, add("interest", "0.5 * max(interest, 0)"))
	}
	if hasCreator(s) {
		steps = append(steps, add("followed", "0.4 * follows"),
			add("creator", "0.3 * max(affinity, 0) / (1 + abs(affinity))"))
	}
	p := profile("notification", append(personal(s), newestItems(200)),
		append(steps, times("urgency", fading(12*time.Hour)))...)
	p.Gates = []string{"not seen"}
	p.Diversity = twoPerCreator(s)
	return p
}
