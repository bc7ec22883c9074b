package schema

import "time"

const day = 24 * time.Hour

// MovieLens is the schema of the MovieLens data sets: ratings of films, and the likes and dislikes that an importer
// makes of very good and very bad ones. A rating's weight is its number of stars.
func MovieLens() *Schema {
	windows := func() []Window { return []Window{Window1h, Window24h, Window7d, Window30d} }
	return builtin(&Schema{
		Name: "movielens",
		Signals: []SignalType{
			{Name: "rating", HalfLives: []time.Duration{7 * day}, Windows: windows(), Meaning: Positive, Seen: true},
			{
				Name: "like", HalfLives: []time.Duration{30 * day}, Windows: windows(), Meaning: Positive,
				Sets: []Mark{Liked},
			},
			{
				Name: "dislike", HalfLives: []time.Duration{30 * day}, Windows: windows(), Meaning: Negative,
				Clears: []Mark{Liked},
			},
		},
		Items: EntityType{Fields: []Field{
			{"title", TypeText}, {"genres", TypeTags}, {"released", TypeTime}, {"url", TypeKeyword},
		}},
		Users: EntityType{Fields: []Field{
			{"age", TypeInt}, {"gender", TypeKeyword}, {"occupation", TypeKeyword}, {"zip", TypeKeyword},
		}},
	})
}

// Events is the schema for imports of event tables (CSV, NDJSON) that come without one: the signals that most feeds
// have, and the fields that most catalogues have.
//
//	signal      half-lives  meaning        effect on (user, item)
//	view        1d, 7d      positive       seen
//	click       1d, 7d      positive       seen
//	like        30d         positive       sets liked
//	unlike      –           neutral        clears liked
//	save        30d         positive       sets saved
//	unsave      –           neutral        clears saved
//	share       7d, 30d     positive
//	skip        1d          negative       seen
//	hide        –           hard negative  hidden
//	start       1d          neutral        sets in progress, seen
//	complete    7d, 30d     positive       clears in progress, seen
//	purchase    30d         positive       seen; the sum of weights is kept
func Events() *Schema {
	windows := func() []Window { return []Window{Window1h, Window24h, Window7d, Window30d, WindowAll} }
	return builtin(&Schema{
		Name: "events",
		Signals: []SignalType{
			{
				Name: "view", HalfLives: []time.Duration{day, 7 * day}, Windows: windows(), Velocity: true,
				UniqueUsers: true, Meaning: Positive, Seen: true,
			},
			{
				Name: "click", HalfLives: []time.Duration{day, 7 * day}, Windows: windows(), Velocity: true,
				Meaning: Positive, Seen: true,
			},
			{
				Name: "like", HalfLives: []time.Duration{30 * day}, Windows: windows(), Velocity: true,
				Meaning: Positive, Sets: []Mark{Liked},
			},
			{Name: "unlike", Windows: []Window{Window24h, WindowAll}, Clears: []Mark{Liked}},
			{
				Name: "save", HalfLives: []time.Duration{30 * day}, Windows: windows(), Meaning: Positive,
				Sets: []Mark{Saved},
			},
			{Name: "unsave", Windows: []Window{Window24h, WindowAll}, Clears: []Mark{Saved}},
			{
				Name: "share", HalfLives: []time.Duration{7 * day, 30 * day}, Windows: windows(), Velocity: true,
				Meaning: Positive,
			},
			{Name: "skip", HalfLives: []time.Duration{day}, Windows: windows(), Meaning: Negative, Seen: true},
			{Name: "hide", Windows: []Window{Window24h, Window7d, WindowAll}, Meaning: HardNegative},
			{
				Name: "start", HalfLives: []time.Duration{day}, Windows: windows(), Seen: true,
				Sets: []Mark{InProgress},
			},
			{
				Name: "complete", HalfLives: []time.Duration{7 * day, 30 * day}, Windows: windows(), Meaning: Positive,
				Seen: true, Clears: []Mark{InProgress},
			},
			{
				Name: "purchase", HalfLives: []time.Duration{30 * day}, Permanent: true, Windows: windows(),
				Meaning: Positive, Seen: true,
			},
		},
		Items: EntityType{Fields: []Field{
			{"title", TypeText},
			{"body", TypeText},
			{CreatorField, TypeKeyword},
			{"category", TypeKeyword},
			{"tags", TypeTags},
			{"language", TypeKeyword},
			{"url", TypeKeyword},
			{"published", TypeTime},
			{"duration", TypeInt},
			{"price", TypeFloat},
		}},
		Users:    EntityType{Fields: []Field{{"language", TypeKeyword}, {"region", TypeKeyword}}},
		Creators: EntityType{Fields: []Field{{"name", TypeText}, {"verified", TypeBool}}},
	})
}

// builtin brings a schema of this file into normal form.
func builtin(s *Schema) *Schema {
	if err := s.Validate(); err != nil {
		panic("schema: the built-in schema " + s.Name + " isn't valid: " + err.Error())
	}
	return s
}

// Builtin returns the built-in schema of a name, "events" or "movielens"; ok is false for other names.
func Builtin(name string) (s *Schema, ok bool) {
	switch name {
	case "events":
		return Events(), true
	case "movielens":
		return MovieLens(), true
	}
	return nil, false
}
