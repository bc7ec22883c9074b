package workload

import (
	"time"

	"github.com/tidaldb/tidal/schema"
)

// likes is the number of the type "like" in either version.
const likes = 1

// Schemas returns the versions that [Generate] uses, oldest first; each extends the one before.
func Schemas() []*schema.Schema { return schemas() }

// schemas returns the two versions: the second adds a type, a half-life, windows, unique users and a field.
func schemas() []*schema.Schema {
	const d = 24 * time.Hour
	first := &schema.Schema{
		Name:    "sim",
		Version: 1,
		Signals: []schema.SignalType{
			{
				Name: "view", HalfLives: []time.Duration{6 * time.Hour, 7 * d}, Seen: true, UniqueUsers: true,
				Windows: []schema.Window{schema.Window1h, schema.Window24h, schema.WindowAll},
			},
			{
				Name: "like", HalfLives: []time.Duration{d}, Meaning: schema.Positive, Sets: []schema.Mark{schema.Liked},
				Windows: []schema.Window{schema.Window30d},
			},
			{Name: "skip", HalfLives: []time.Duration{time.Minute}, Permanent: true, Meaning: schema.Negative},
			{Name: "hide", Meaning: schema.HardNegative},
			{
				Name: "save", Permanent: true, Meaning: schema.Positive, Seen: true, Sets: []schema.Mark{schema.Saved},
				Clears: []schema.Mark{schema.InProgress}, Windows: []schema.Window{schema.Window7d},
			},
			{Name: "ping"},
			{Name: "unlike", Meaning: schema.Negative, Clears: []schema.Mark{schema.Liked}},
		},
		Items: schema.EntityType{Fields: []schema.Field{
			{Name: "title", Type: schema.TypeText},
			{Name: "price", Type: schema.TypeInt},
			{Name: schema.CreatorField, Type: schema.TypeKeyword},
		}},
	}
	must(first.Validate())
	second, err := first.Extend(func(next *schema.Schema) {
		like, skip, save := &next.Signals[1], &next.Signals[2], &next.Signals[4]
		like.HalfLives = []time.Duration{time.Hour, d}
		skip.Windows = []schema.Window{schema.Window1h, schema.Window30d}
		save.UniqueUsers = true
		next.Signals = append(next.Signals, schema.SignalType{
			Name: "share", HalfLives: []time.Duration{30 * d}, Permanent: true, Meaning: schema.Positive,
			Windows: []schema.Window{schema.Window24h},
		})
		next.Items.Fields = append(next.Items.Fields, schema.Field{Name: "language", Type: schema.TypeKeyword})
	})
	must(err)
	return []*schema.Schema{first, second}
}
