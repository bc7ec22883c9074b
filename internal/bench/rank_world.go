package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// The world of [Rank]: what there is, and who does what.
const (
	worldCreators   = 10_000
	worldCategories = 20
	worldTags       = 200
	worldLanguages  = 8
	publishedSpan   = 90 * 24 * time.Hour
	signalSpan      = 30 * 24 * time.Hour
	// bucketItems is how many items have the same value in bucketField. A filter on it leaves few enough for every one of
	// them to be scored and listed, which is how all items are scored through the public API.
	bucketItems = 400
	bucketField = "bucket"
)

// world invents items, users and signals from a seed. It never changes and may be used from any goroutine.
//
// Items are numbered in the order in which they were published, so that those which exist at a time are the first ones;
// the remainder by worldCategories is an item's category.
type world struct {
	seed         uint64
	items, users int
	dimensions   int
	end          int64 // Unix milliseconds: the newest item's time, and the newest signal's before anything is measured
	centres      [worldCategories][]float32
}

func newWorld(o *RankOptions, end int64) *world {
	w := &world{seed: o.Seed, items: o.Items, users: o.Users, dimensions: o.Dimensions, end: end}
	rng := w.dice(1 << 60)
	for c := range w.centres {
		w.centres[c] = direction(rng, w.dimensions)
	}
	return w
}

// dice returns the random numbers of one thing.
func (w *world) dice(of uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, of)) }

func direction(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// schema is that of event tables with an embedding, and with the field that cuts the items into parts.
func (w *world) schema() *schema.Schema {
	s := schema.Events()
	s.Name = "bench"
	s.Items.Fields = append(s.Items.Fields, schema.Field{Name: bucketField, Type: schema.TypeKeyword})
	if w.dimensions > 0 {
		s.Items.Embeddings = []schema.Embedding{{Name: "content", Dimensions: w.dimensions}}
	}
	if err := s.Validate(); err != nil {
		panic("bench: the schema isn't valid: " + err.Error())
	}
	return s
}

func itemName(i int) string     { return fmt.Sprintf("item-%07d", i) }
func userName(u int) string     { return fmt.Sprintf("user-%07d", u) }
func creatorName(c int) string  { return fmt.Sprintf("creator-%05d", c) }
func categoryName(c int) string { return fmt.Sprintf("category-%02d", c) }
func bucketName(b int) string   { return fmt.Sprintf("%05d", b) }

// buckets is how many parts the items are cut into; bucketOf is an item's.
func (w *world) buckets() int       { return (w.items + bucketItems - 1) / bucketItems }
func (w *world) bucketOf(i int) int { return i % w.buckets() }

// published is when an item was: the density rises steadily from none, publishedSpan ago, to twice the mean at the end.
func (w *world) published(i int) int64 {
	u := (float64(w.items-1-i) + 0.5) / float64(w.items)
	return w.end - int64((1-math.Sqrt(1-u))*float64(publishedSpan.Milliseconds()))
}

// existing is how many items were published at a time; the inverse of published.
func (w *world) existing(t int64) int {
	age := min(1, max(0, float64(w.end-t)/float64(publishedSpan.Milliseconds())))
	return max(worldCategories, int(float64(w.items)*(1-age)*(1-age)))
}

// creatorOf draws by Zipf's law who made an item.
func (w *world) creatorOf(i int) int { return zipfDraw(w.dice(uint64(i)), worldCreators) }

// item is what is put of an item.
func (w *world) item(i int) tidal.Put {
	rng := w.dice(uint64(i))
	creator := zipfDraw(rng, worldCreators)
	category := i % worldCategories
	tags := []string{
		fmt.Sprintf("tag-%03d", category*worldTags/worldCategories+rng.IntN(worldTags/worldCategories)),
		fmt.Sprintf("tag-%03d", zipfDraw(rng, worldTags)),
	}
	fields := tidal.Fields{
		"creator": schema.String(creatorName(creator)), "category": schema.String(categoryName(category)),
		"tags": schema.Tags(tags), bucketField: schema.String(bucketName(w.bucketOf(i))),
		"language":  schema.String(fmt.Sprintf("language-%d", zipfDraw(rng, worldLanguages))),
		"published": schema.Time(w.published(i)), "duration": schema.Int(15 + int64(rng.ExpFloat64()*240)),
		"price": schema.Float(math.Round(100*math.Exp(rng.NormFloat64()+2)) / 100),
	}
	if w.dimensions > 0 {
		v := direction(rng, w.dimensions)
		for k := range v {
			v[k] = w.centres[category][k] + 0.7*v[k]
		}
		fields["content"] = schema.Vector(v)
	}
	return tidal.Put{Kind: tidal.Item, ID: itemName(i), Fields: fields}
}

// zipfDraw draws 0 … n−1 nearly by Zipf's law with exponent 1: the logarithm of the rank is uniform.
func zipfDraw(rng *rand.Rand, n int) int {
	return min(n-1, int(math.Exp(rng.Float64()*math.Log(float64(n+1))))-1)
}

// userDraw draws who acts, or asks for a list: the k-th most active user comes 1/√k times as often as the first.
func (w *world) userDraw(rng *rand.Rand) int {
	u := rng.Float64()
	return min(w.users-1, int(u*u*float64(w.users)))
}

// tasteOf draws one of a user's three categories, which have 60, 25 and 15 in 100 of what they look for.
func (w *world) tasteOf(user int, rng *rand.Rand) int {
	x := rng.Float64()
	which := 0
	if x > 0.6 {
		which++
	}
	if x > 0.85 {
		which++
	}
	return w.dice(1<<59 + uint64(3*user+which)).IntN(worldCategories)
}

// itemDraw draws what a user meets at a time. Of 100 items 80 are of the user's categories, 60 are new ones — the k-th
// newest comes 1/k times as often as the newest, and of three drawn so the best is taken — and the others are popular
// ones of all times, by Zipf's law.
func (w *world) itemDraw(user int, t int64, rng *rand.Rand) (item int, liked bool) {
	liked = rng.Float64() < 0.8
	category := rng.IntN(worldCategories)
	if liked {
		category = w.tasteOf(user, rng)
	}
	n := w.existing(t) / worldCategories
	row := 0
	if rng.Float64() < 0.6 {
		best := -1.0
		for range 3 {
			at := n - 1 - zipfDraw(rng, n)
			if q := quality(at*worldCategories + category); q > best {
				row, best = at, q
			}
		}
	} else {
		// Which ones are popular doesn't depend on the time, and is spread over all ages: a prime scatters the ranks.
		all := w.items / worldCategories
		row = n
		for range 8 {
			if row = zipfDraw(rng, all) * 611_953 % all; row < n {
				break
			}
		}
		row %= n // after eight that aren't published yet, any
	}
	return row*worldCategories + category, liked
}

// quality is in [0, 1) and depends on the item alone (SplitMix64's finaliser).
func quality(item int) float64 {
	x := uint64(item) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// deed is a signal type with how often it comes, of 100 signals on items that the user likes, and of other ones.
var deeds = [...]struct {
	name         string
	liked, other int
}{
	{"view", 58, 54},
	{"click", 13, 6},
	{"like", 10, 2},
	{"complete", 8, 2},
	{"share", 4, 1},
	{"save", 3, 1},
	{"purchase", 1, 0},
	{"skip", 3, 34},
}

// signal invents a signal at a time.
func (w *world) signal(t int64, rng *rand.Rand) tidal.Signal {
	user := w.userDraw(rng)
	item, liked := w.itemDraw(user, t, rng)
	x := rng.IntN(100)
	name := ""
	for _, d := range deeds {
		share := d.other
		if liked {
			share = d.liked
		}
		if name = d.name; x < share {
			break
		}
		x -= share
	}
	return tidal.Signal{Type: name, Item: itemName(item), User: userName(user), Time: time.UnixMilli(t)}
}

// decisions are what a user has decided before anything is measured: up to 20 creators that they follow, and, of one
// user in ten, an item that they hid and a creator whom they blocked.
func (w *world) decisions(user int) (out []tidal.Record) {
	rng := w.dice(1<<58 + uint64(user))
	for range rng.IntN(21) {
		out = append(out, tidal.Relate{
			User: userName(user), What: tidal.Follows, Target: creatorName(zipfDraw(rng, worldCreators)),
		})
	}
	if user%10 == 0 {
		item, _ := w.itemDraw(user, w.end, rng)
		out = append(out, tidal.Relate{User: userName(user), What: tidal.Hides, Target: itemName(item)},
			tidal.Relate{User: userName(user), What: tidal.Blocks, Target: creatorName(zipfDraw(rng, worldCreators))})
	}
	return out
}
