package schema

import (
	"cmp"
	"slices"
	"time"

	"github.com/tidaldb/tidal/internal/id"
)

// Limits of a schema. They bound what a node keeps per item and per user.
const (
	// MaxName is the longest name of a schema, signal type, field or embedding slot, in bytes.
	MaxName = 63

	maxSignals    = 64
	maxHalfLives  = 3
	maxFields     = 256
	maxEmbeddings = 8
	maxDimensions = 4096

	minHalfLife = time.Minute
	maxHalfLife = 100 * 365 * 24 * time.Hour

	defaultFutureBound = 2 * time.Second
	maxFutureBound     = 24 * time.Hour
)

// Limits of profiles and cohorts.
const (
	// MaxExpression is the longest expression of a profile and the longest filter of a cohort, in bytes.
	MaxExpression = 4 << 10

	maxProfiles = 256 // versions of all names together
	maxCohorts  = 64
	maxSources  = 16
	maxSteps    = 64
	maxGates    = 32
	maxRules    = 16 // of each kind of diversity
	maxSlots    = 8

	// All profiles together, and all cohorts, as encoded; and what profiles consist of: sources, steps, gates, rules of
	// diversity and slots. They keep a schema within the record that carries it, and its YAML within what is read.
	maxProfileBytes = 96 << 10
	maxCohortBytes  = 32 << 10
	maxParts        = 3072

	maxTaken      = 10_000 // items that a source takes, and that a rule of diversity counts
	maxSlotShares = 0.5    // what a profile's slots take of a list
	maxSlotWithin = maxHalfLife
)

// CreatorField is the name of the item field that holds the id of the item's creator. It's optional; where it's
// declared it's a keyword. Signals on an item without it have no effect on a creator.
const CreatorField = "creator"

// Schema is one version of what a database holds.
//
// The order of signals, fields and slots is kept and is part of the hash; profiles, cohorts and policies of sessions are
// sets and stand in order of name and version. A valid schema that nobody changes any more
// may be shared between goroutines.
type Schema struct {
	// Name is the name of the schema: a lower-case letter, then letters, digits and underscores, at most [MaxName].
	Name string
	// Version counts from 1; 0 stands for 1. [Schema.Extend] raises it.
	Version uint32
	// Parent is the hash of the version that this one adds to; zero for version 1.
	Parent Hash
	// Signals are the signal types, at most 64. Records refer to them by index.
	Signals []SignalType
	// Items, Users and Creators say what the three kinds of entities hold.
	Items, Users, Creators EntityType
	// FutureBound is how far ahead of the stamping leader's clock an event time may lie before it's set back to that
	// bound; whole milliseconds, at most 24 hours. 0 stands for 2 seconds.
	FutureBound time.Duration
	// Profiles are the ways to rank that the application defines, beside the built-in ones; at most 256 versions.
	Profiles []Profile
	// Cohorts are the groups of users that signals count for by themselves, at most 64.
	Cohorts []Cohort
	// SessionPolicies are the rules that sessions can be begun under, at most 64.
	SessionPolicies []SessionPolicy
}

// SignalType declares one kind of signal: what's kept about it per item, and what it means for its user.
//
// The zero value of all but the name is a signal of which only the total number is known.
type SignalType struct {
	// Name is the name that applications write, such as "view".
	Name string
	// HalfLives are the half-lives of the decayed scores that are kept: at most 3, each from a minute to 100 years
	// (of 365 days) in whole milliseconds. None means that no decayed score is kept.
	HalfLives []time.Duration
	// Permanent keeps the plain sum of all weights, too.
	Permanent bool
	// Windows are the spans for which counts are kept. None means that only the total is.
	Windows []Window
	// Velocity offers counts per unit of time as a ranking feature. It needs a window other than [WindowAll].
	Velocity bool
	// UniqueUsers keeps an estimate of how many different users sent this signal.
	UniqueUsers bool
	// Meaning is what the signal says about the user's liking of the item. Zero is [Neutral].
	Meaning Meaning
	// Seen marks the item as seen by the user.
	Seen bool
	// Sets and Clears are marks on (user, item) that the signal sets and clears. A mark can't be in both.
	Sets, Clears []Mark
}

// EntityType declares what entities of one kind hold. Names are unique over fields and embeddings together.
type EntityType struct {
	// Fields are the typed fields, at most 256.
	Fields []Field
	// Embeddings are the slots for vectors, at most 8.
	Embeddings []Embedding
}

// Field declares one typed field.
type Field struct {
	Name string
	Type FieldType
}

// Embedding declares one slot for a vector of 32-bit floating point numbers.
type Embedding struct {
	Name string
	// Dimensions is the exact length of each vector, from 1 to 4096.
	Dimensions int
}

// Signal returns index and declaration of the signal type called name.
// The pointer leads into s; what it points at must not be changed once s is shared.
func (s *Schema) Signal(name string) (int, *SignalType, bool) {
	for i := range s.Signals {
		if s.Signals[i].Name == name {
			return i, &s.Signals[i], true
		}
	}
	return 0, nil, false
}

// Entity returns what entities of a kind hold, nil for a kind that doesn't exist.
func (s *Schema) Entity(kind id.Kind) *EntityType {
	switch kind {
	case id.KindItem:
		return &s.Items
	case id.KindUser:
		return &s.Users
	case id.KindCreator:
		return &s.Creators
	}
	return nil
}

// Field returns the field called name.
func (e *EntityType) Field(name string) (Field, bool) {
	for _, f := range e.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return Field{}, false
}

// Embedding returns the embedding slot called name.
func (e *EntityType) Embedding(name string) (Embedding, bool) {
	for _, m := range e.Embeddings {
		if m.Name == name {
			return m, true
		}
	}
	return Embedding{}, false
}

// Clone returns a copy that shares nothing with s.
func (s *Schema) Clone() *Schema {
	c := *s
	c.Signals = slices.Clone(s.Signals)
	for i := range c.Signals {
		c.Signals[i] = c.Signals[i].clone()
	}
	c.Items, c.Users, c.Creators = s.Items.clone(), s.Users.clone(), s.Creators.clone()
	c.Profiles = slices.Clone(s.Profiles)
	for i := range c.Profiles {
		c.Profiles[i] = c.Profiles[i].clone()
	}
	c.Cohorts = slices.Clone(s.Cohorts)
	c.SessionPolicies = slices.Clone(s.SessionPolicies)
	for i := range c.SessionPolicies {
		c.SessionPolicies[i] = c.SessionPolicies[i].clone()
	}
	return &c
}

func (t SignalType) clone() SignalType {
	t.HalfLives = slices.Clone(t.HalfLives)
	t.Windows = slices.Clone(t.Windows)
	t.Sets, t.Clears = slices.Clone(t.Sets), slices.Clone(t.Clears)
	return t
}

func (e EntityType) clone() EntityType {
	return EntityType{Fields: slices.Clone(e.Fields), Embeddings: slices.Clone(e.Embeddings)}
}

// normalise brings s into the form that is encoded: defaults filled in, sets ascending, empty lists nil.
// It writes only where something differs, so that a normal schema may be validated while it's shared.
func (s *Schema) normalise() {
	if s.Version == 0 {
		s.Version = 1
	}
	if s.FutureBound == 0 {
		s.FutureBound = defaultFutureBound
	}
	dropEmpty(&s.Signals)
	for i := range s.Signals {
		t := &s.Signals[i]
		sortSet(&t.HalfLives)
		sortSet(&t.Windows)
		sortSet(&t.Sets)
		sortSet(&t.Clears)
	}
	for _, kind := range []id.Kind{id.KindItem, id.KindUser, id.KindCreator} {
		e := s.Entity(kind)
		dropEmpty(&e.Fields)
		dropEmpty(&e.Embeddings)
	}
	dropEmpty(&s.Profiles)
	for i := range s.Profiles {
		s.Profiles[i].normalise()
	}
	if !slices.IsSortedFunc(s.Profiles, compareProfiles) {
		slices.SortStableFunc(s.Profiles, compareProfiles)
	}
	dropEmpty(&s.Cohorts)
	if !slices.IsSortedFunc(s.Cohorts, compareCohorts) {
		slices.SortStableFunc(s.Cohorts, compareCohorts)
	}
	dropEmpty(&s.SessionPolicies)
	for i := range s.SessionPolicies {
		sortSet(&s.SessionPolicies[i].Types)
	}
	if !slices.IsSortedFunc(s.SessionPolicies, comparePolicies) {
		slices.SortStableFunc(s.SessionPolicies, comparePolicies)
	}
}

func sortSet[T cmp.Ordered](set *[]T) {
	if !slices.IsSorted(*set) {
		slices.Sort(*set)
	}
	dropEmpty(set)
}

func dropEmpty[T any](list *[]T) {
	if len(*list) == 0 && *list != nil {
		*list = nil
	}
}
