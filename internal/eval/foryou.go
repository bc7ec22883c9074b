package eval

import (
	"context"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/query"
)

// ForYou is the [Rank] under test: the newest version of the profile "for_you" with its own settings. Exploration is
// off: places that are filled by a draw say nothing of how well the others are ranked.
func ForYou(ctx context.Context, db *tidal.DB, user string, exclude []string, k int) ([]string, error) {
	none, seed := 0.0, uint64(1)
	answer, err := db.Rank(ctx, &query.Query{
		User: user, Profile: "for_you", Exclude: exclude, Limit: k, Explore: &none, Seed: &seed,
	})
	if err != nil {
		return nil, err
	}
	list := make([]string, len(answer.Items))
	for i := range answer.Items {
		list[i] = answer.Items[i].Item
	}
	return list, nil
}
