package rank

import (
	"math/bits"
	"strings"

	"github.com/tidaldb/tidal/schema"
)

// The profiles that are the same for everybody.

// trending is what is being passed on and looked at now:
//
//	0.5 · share velocity + 0.3 · view velocity + 0.2 · reach
//
// with velocities in signals per hour over the query's window, by default a day, and reach = log10(1 + views ever), so
// that a step up is ten times as many. The weights are those of tidalDB's ranking notes. Where the schema has no share or
// no view, the velocity of all positive types stands in. Different users would say more of reach than views do; to
// estimate them took longer than all the rest, for a difference that the logarithm makes little of.
func trending(s *schema.Schema) schema.Profile {
	reach := "total(positive)"
	if _, _, ok := s.Signal("view"); ok {
		reach = "total(view)"
	}
	p := profile("trending", trendingSources(s),
		add("share_velocity", "0.5 * "+velocityOf(s, "share", "window(24h)")),
		add("view_velocity", "0.3 * "+velocityOf(s, "view", "window(24h)")),
		add("reach", "0.2 * log10(1 + "+reach+")"),
	)
	p.First = "0.5 * " + pace(s, "share") + " + 0.3 * " + pace(s, "view") + " + 0.2 * log10(1 + " + reach + ")"
	return p
}

// trendingSources are the heads and the risers of the types that trending is about.
func trendingSources(s *schema.Schema) []schema.Source {
	const limit = 150
	var sources []schema.Source
	for _, name := range []string{"share", "view"} {
		_, t, ok := s.Signal(name)
		if !ok || len(t.Windows) == 0 || len(t.HalfLives) == 0 {
			return ranked(s, "positive", limit, append(risingOf(s, limit), newestItems(limit))...)
		}
		for i, h := range t.HalfLives {
			if i == 0 || i == len(t.HalfLives)-1 {
				sources = append(sources, schema.Source{Kind: schema.FromHead, Signal: name, HalfLife: h, Limit: limit})
			}
		}
	}
	return append(sources, schema.Source{Kind: schema.FromRising, Signal: "view", Limit: limit / 2})
}

// rising is what stands out of its own day: with c the positive signals of the last hour and m the mean of the last 24
// hours,
//
//	max(c − m, 0) / √(m + 1) · (1 + 2^(−age/24h))
//
// Signals that come by chance at a rate of m an hour deviate from it by √m (S. D. Poisson, 1837), so the fraction says
// by how many deviations the hour is too busy to be chance; 1 is added to keep one signal from making an item without
// history rise. The last factor counts a new item up to twice. A ten-thousandth is added to the fraction, so that items
// which don't stand out, and fill a short list up, come newest first.
func rising(s *schema.Schema) schema.Profile {
	if !keeps(s, "positive", Feature{Kind: FeatureCount}) {
		// Without counts by hour the nearest is a high score for its age.
		return profile("rising", ranked(s, "positive", 500, newestItems(500)),
			add("standing_out", popularity(s)+" / sqrt(1 + age / 1h)"),
			times("youth", "1 + 2 ^ (-age / 24h)"))
	}
	p := profile("rising", append(risingOf(s, 1000), newestItems(500)),
		add("standing_out", "max(count(positive, 1h) - count(positive, 24h) / 24, 0) / sqrt(count(positive, 24h) / 24 + 1) + 0.0001"),
		times("youth", "1 + 2 ^ (-age / 24h)"))
	p.First = "(rising + 0.0001) * (1 + 2 ^ (-age / 24h))"
	return p
}

// hot is votes against age, with approval as votes for and negative signals as votes against:
//
//	log10(max(for − against, 1)) / (age in hours + 2)^0.5
//
// The logarithm is that of Reddit's "hot" (its open-source release of 2008), the denominator that of Hacker News (P.
// Graham's news.arc), which divides votes by it and not their logarithm: its gravity of 1.8 would put three votes of the
// last minutes above hundreds of this morning. Of the first 25 of real posts, with 0.5 at least 17 are also Reddit's and 24
// Hacker News', and a stream of posts with three votes takes fewer places than by either; docs/evaluation.md has other
// exponents. tidalDB states |for − against|, by which what everybody dislikes is hot, too; here it isn't. A ten-thousandth
// is added to the logarithm, so that items without votes come newest first.
func hot(s *schema.Schema) schema.Profile {
	return profile("hot", hotSources(s),
		add("votes", "log10(max(total(approval) - total(negative), 1)) + 0.0001"),
		times("gravity", "1 / (age / 1h + 2) ^ 0.5"))
}

// hotSources are the newest items, those with most approval, and those in between, whose approval came in the last hours.
func hotSources(s *schema.Schema) []schema.Source {
	sources := ranked(s, "approval", 1000, newestItems(8000))
	if sources == nil || !keeps(s, "approval", Feature{Kind: FeatureCount}) {
		return sources
	}
	for set := meaning(s, "approval"); set != 0; set &= set - 1 {
		if t := &s.Signals[bits.TrailingZeros64(set)]; len(t.Windows) > 0 {
			sources = append(sources, schema.Source{Kind: schema.FromRising, Signal: t.Name, Limit: 500})
		}
	}
	return sources
}

// newest is the newest items first. The score is 1 for an item of this moment and ½ for one of an hour; that it falls
// steadily is all that matters, and that it stays above 0 lets boosts work.
func newest(*schema.Schema) schema.Profile {
	return profile("new", []schema.Source{newestItems(1000)}, add("recency", "1 / (1 + age / 1h)"))
}

// top is the positive signals within the query's window, by default a week, less the negative ones. Where no positive
// type keeps counts, it is their number since the beginning.
func top(s *schema.Schema) schema.Profile {
	positive, negative := "count(positive, window)", "count(negative, window)"
	counts := Feature{Kind: FeatureCount}
	if !keeps(s, "positive", counts) {
		positive, negative = "total(positive)", "total(negative)"
	}
	// What is met most isn't what is left most of: where nearly half is against, the best by the difference may stand at
	// place 1,003 of 3,524 by positive signals (docs/evaluation.md).
	p := profile("top", ranked(s, "positive", 400, mostMet("positive", 3000)), add("positive", positive))
	if strings.HasPrefix(negative, "total") || keeps(s, "negative", counts) {
		p.Score = append(p.Score, add("negative", "-min("+negative+", "+positive+")"))
	}
	p.First = popularity(s)
	return p
}

// most is how often the query's signal came within its window, by default ever: most viewed, most liked, most shared.
func most(*schema.Schema) schema.Profile {
	p := profile("most", []schema.Source{{Kind: schema.FromHead, Signal: "signal", Limit: 1000}, mostMet("signal", 500)},
		add("count", "count(signal, window(all))"))
	p.First = "score(signal)"
	return p
}

// controversial is what users are divided about:
//
//	for · against / (for + against)² · log10(1 + for + against)
//
// The fraction is tidalDB's: ¼ where opinions are even, 0 where they are one. By itself it puts one vote against one
// above a thousand against nine hundred; Reddit's "controversy" has the number of votes to the power of their balance
// for that reason. The logarithm as a factor serves the same end and leaves the fraction readable.
func controversial(s *schema.Schema) schema.Profile {
	sources := ranked(s, "negative", 1000, append(headsOf(s, "approval", 500), mostMet("negative", 500))...)
	return profile("controversial", sources,
		add("balance", "total(approval) * total(negative) / (total(approval) + total(negative)) ^ 2"),
		times("volume", "log10(1 + total(approval) + total(negative))"))
}

// hiddenGems is what few have seen and those few approve of:
//
//	quality / log10(views + 10)
//
// as tidalDB states, with quality as Wilson's lower bound (see wilson) of approval among opinions.
func hiddenGems(s *schema.Schema) schema.Profile {
	views := "total(positive) + total(negative)"
	if hasSignal(s, "view") {
		views = "total(view)"
	}
	return profile("hidden_gems", ranked(s, "approval", 1000, newestItems(500), sampled(10_000)),
		add("quality", wilsonQuality),
		times("hidden", "1 / log10("+views+" + 10)"))
}

// shuffle is a random order that good items lead more often:
//
//	random · √quality
//
// as tidalDB states, with quality by the rule of succession, so that items without opinions take part. It isn't
// sampling in proportion to quality; that would be random^(1/quality) (P. Efraimidis and P. Spirakis, "Weighted random
// sampling with a reservoir", 2006), in which a good item leads far more often.
func shuffle(*schema.Schema) schema.Profile {
	return profile("shuffle", []schema.Source{{Kind: schema.FromSample, Limit: 2000}},
		add("random", "random"),
		times("quality", "sqrt("+laplaceQuality+")"))
}
