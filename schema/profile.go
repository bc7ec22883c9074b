package schema

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Profile is one version of a named way to rank: where candidates come from, what they are scored by, which of them may
// be shown, and how the list is mixed. A profile is data: it is part of the schema, so every replica ranks by the same
// one, and an older version stays usable beside a newer one, to compare them.
//
// Expressions are texts in the language of package rank, which compiles profiles and says what is wrong with them.
type Profile struct {
	// Name is the name that queries use; Version counts from 1. A version never changes: what ranks differently is
	// another version of the same name.
	Name    string
	Version uint32
	// Candidates are the sources that items are taken from; none means all items.
	Candidates []Source
	// First is the expression by which candidates are cut down before all features are computed; only cheap features may
	// stand in it. Empty takes the order of the sources.
	First string
	// Score is computed step by step, from 0.
	Score []Step
	// Gates are conditions; an item for which one of them is false isn't shown.
	Gates []string
	// Diversity mixes the list.
	Diversity Diversity
	// Explore gives places of the list to items that the score wouldn't have chosen.
	Explore []Slot
}

// SourceKind says where candidates come from. Its numbers are part of the encoding.
type SourceKind uint8

// The sources of candidates.
const (
	// FromAll takes every item.
	FromAll SourceKind = 1
	// FromHead takes the items with the highest decayed score of a signal type.
	FromHead SourceKind = 2
	// FromRising takes the items whose last hour stands out most from their last day.
	FromRising SourceKind = 3
	// FromNewest takes the newest items.
	FromNewest SourceKind = 4
	// FromFollowed takes the newest items of the creators whom the user follows.
	FromFollowed SourceKind = 5
	// FromInterests takes the items whose embeddings lie nearest to the user's interests.
	FromInterests SourceKind = 6
	// FromCoEngaged takes what those who liked the same items as the user liked beside them.
	FromCoEngaged SourceKind = 7
	// FromSimilar takes the items nearest to the query's item: by embedding, and by who met both.
	FromSimilar SourceKind = 8
	// FromSample draws items from all that pass the filter, by the query's seed. Which ones a seed gives is a replica's own.
	FromSample SourceKind = 9
	// FromMost takes the items with the most signals of a type since the beginning; none for a profile that counts within
	// windows.
	FromMost SourceKind = 10
)

// Source is one source of candidates.
type Source struct {
	Kind SourceKind
	// Signal and HalfLife name the order of [FromHead]: a type of the schema and one of its half-lives. An empty signal
	// stands for each positive type, and 0 for its first half-life. [FromRising] and [FromMost] take a signal alone.
	Signal   string
	HalfLife time.Duration
	// Limit is how many items are taken, from 1 to 10,000; 0 stands for 500. [FromAll] has no limit.
	Limit int
}

// StepOp says what a step does with the score so far. Its numbers are part of the encoding.
type StepOp uint8

// What a step does.
const (
	// Add adds the expression's value to the score.
	Add StepOp = 1
	// Multiply multiplies the score by it: above 1 boosts, below 1 penalises.
	Multiply StepOp = 2
)

// Step is one term of a score, named so that an explanation can say what it did.
type Step struct {
	Name string
	Op   StepOp
	// Expr is an expression whose value is a number.
	Expr string
}

// Diversity says how a list is mixed. It never makes a list shorter: what can't be kept is relaxed and reported.
type Diversity struct {
	// MaxPer bounds how many items of a list have the same value in a field.
	MaxPer []MaxPer
	// Shares bound the part of a list that has the same value in a field.
	Shares []Share
	// AtLeast asks for items with a value.
	AtLeast []AtLeast
	// Relevance is the λ of maximal marginal relevance, in (0, 1]: an item counts λ for its score and 1−λ against its
	// likeness to those before it. 0 is off, and so is 1.
	Relevance float64
	// Embedding is the slot that likeness is taken from; empty is the first one of items.
	Embedding string
}

// MaxPer is at most N items with the same value in Field. An item without the field is alone with it.
type MaxPer struct {
	Field string
	N     int
}

// Share is at most the part Max, in (0, 1], of the list with the same value in Field.
type Share struct {
	Field string
	Max   float64
}

// AtLeast is N items or more whose Field has, or for tags contains, Value.
type AtLeast struct {
	Field, Value string
	N            int
}

// Pool is what an exploration slot draws from. Its numbers are part of the encoding.
type Pool uint8

// The pools of exploration.
const (
	// PoolNew is items younger than a span, by [Slot.Within].
	PoolNew Pool = 1
	// PoolUnfollowed is candidates by creators whom the user doesn't follow.
	PoolUnfollowed Pool = 2
	// PoolCandidates is all candidates that passed filters and gates.
	PoolCandidates Pool = 3
	// PoolAll is every item that passes filters and gates.
	PoolAll Pool = 4
)

// Slot is a named kind of place in a list that is filled by a uniform draw from a pool.
type Slot struct {
	Name string
	// Share is the part of the list's places, in (0, 0.5]; a list of n has ⌊n·Share⌋ of them, and one more with the
	// probability of what is left.
	Share float64
	Pool  Pool
	// Within is how old an item of [PoolNew] is at most; 0 stands for 24 hours.
	Within time.Duration
}

// Cohort is a named group of users, defined by what their fields hold: users match it rather than join it. A signal
// counts for the cohorts that its user matches when it is stamped.
type Cohort struct {
	Name string
	// Where is a filter over the fields of users in the language of package query, such as `region = "US" AND age < 25`.
	Where string
}

// Names of item fields with a meaning of their own; each is optional.
const (
	// ExpiresField is a time from which on the item is served no more.
	ExpiresField = "expires"
	// PublishedField is the time that an item's age counts from. An item without it is as old as its last put or patch.
	PublishedField = "published"
)

// Profile returns a version of the profile called name, for 0 the newest.
// The pointer leads into s; what it points at must not be changed once s is shared.
func (s *Schema) Profile(name string, version uint32) (*Profile, bool) {
	var found *Profile
	for i := range s.Profiles {
		p := &s.Profiles[i]
		if p.Name == name && (version == 0 || p.Version == version) && (found == nil || p.Version > found.Version) {
			found = p
		}
	}
	return found, found != nil
}

// Cohort returns the cohort called name.
func (s *Schema) Cohort(name string) (Cohort, bool) {
	for _, c := range s.Cohorts {
		if c.Name == name {
			return c, true
		}
	}
	return Cohort{}, false
}

// compareProfiles orders the versions of all profiles: by name, then by version.
func compareProfiles(a, b Profile) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

func compareCohorts(a, b Cohort) int { return strings.Compare(a.Name, b.Name) }

func (p Profile) clone() Profile {
	p.Candidates, p.Score = slices.Clone(p.Candidates), slices.Clone(p.Score)
	p.Gates, p.Explore = slices.Clone(p.Gates), slices.Clone(p.Explore)
	d := &p.Diversity
	d.MaxPer, d.Shares, d.AtLeast = slices.Clone(d.MaxPer), slices.Clone(d.Shares), slices.Clone(d.AtLeast)
	return p
}

// normalise writes only where something differs; see [Schema.normalise].
func (p *Profile) normalise() {
	dropEmpty(&p.Candidates)
	dropEmpty(&p.Score)
	dropEmpty(&p.Gates)
	dropEmpty(&p.Diversity.MaxPer)
	dropEmpty(&p.Diversity.Shares)
	dropEmpty(&p.Diversity.AtLeast)
	dropEmpty(&p.Explore)
}

// parts is the number of things that the profile consists of.
func (p *Profile) parts() int {
	d := &p.Diversity
	return len(p.Candidates) + len(p.Score) + len(p.Gates) + len(d.MaxPer) + len(d.Shares) + len(d.AtLeast) +
		len(p.Explore)
}
