// Package schema says what a database holds: which signals applications write and what each of them does, which fields
// and embeddings items, users and creators have, the application's ways to rank, and its groups of users. It's the
// first thing that an application declares, and the one thing that every node must agree upon before it reads the log.
//
// Most programs keep the schema in a YAML file and read it once:
//
//	s, err := schema.ParseYAML("schema.yaml", data)
//
// The same in Go is a struct, checked by [Schema.Validate], which reports every problem with its path:
//
//	s := &schema.Schema{
//		Name: "video",
//		Signals: []schema.SignalType{
//			{Name: "view", HalfLives: []time.Duration{7 * 24 * time.Hour},
//				Windows: []schema.Window{schema.Window1h, schema.Window24h}, Seen: true},
//			{Name: "hide", Meaning: schema.HardNegative},
//		},
//		Items: schema.EntityType{Fields: []schema.Field{{Name: "title", Type: schema.TypeText}}},
//	}
//	err := s.Validate()
//
// A schema only grows. [Schema.Extend] makes the next version, [Extends] names what stands against it, and [Union]
// joins two additions that two regions made at the same time. Versions are told apart by their [Hash]; a record names
// the hash and the index of its signal type, so it has for ever the effects of the version that it was written under.
//
// A [Profile] is a way to rank and a [Cohort] a group of users. Both are data here: their expressions and filters are
// texts that packages rank and query understand. A version of a profile, and a cohort, is added and never changed;
// so is a [SessionPolicy].
//
// [Value] is one field of one entity: typed, immutable, comparable with ==, and with exactly one encoding.
//
// The package computes only. It reads no files and knows no clock, and it doesn't migrate data: nothing that was
// stored is changed by a new version.
package schema
