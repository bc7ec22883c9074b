package eval

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/tidaldb/tidal"
)

// Rank asks a database for the list of at most k items, up to 500, that it would show to a user now, best first. The
// items to exclude, up to 1,000, are those that the user met in training, each once, the newest ones if there are more.
type Rank func(ctx context.Context, db *tidal.DB, user string, exclude []string, k int) ([]string, error)

// database is a [Recommender] that asks a database of the training events.
type database struct {
	name     string
	db       *tidal.DB
	dir      string
	rank     Rank
	data     *Data
	training *Training
}

// openDatabase writes the training events into a temporary directory below parent; empty is the system's.
func openDatabase(ctx context.Context, parent, name string, rank Rank, d *Data, s *Split, t *Training, step Step) (
	*database, error,
) {
	dir, err := os.MkdirTemp(parent, "tidal-eval-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the training events: %w", err)
	}
	db, err := Refold(ctx, dir, d, s, t, step)
	if err != nil {
		_ = os.RemoveAll(dir) // the error that matters is the other one
		return nil, err
	}
	return &database{name, db, dir, rank, d, t}, nil
}

func (r *database) Name() string { return r.name }

// maxExclude is how many items a query excludes at most.
const maxExclude = 1000

func (r *database) Recommend(ctx context.Context, user uint32, k int) ([]string, error) {
	met := r.training.MetBy(user)
	names := make([]string, len(met))
	for i, item := range met {
		names[i] = r.training.Items[item]
	}
	old := names[:max(0, len(names)-maxExclude)]
	list, err := r.rank(ctx, r.db, r.data.Users[user], names[len(old):], min(maxK, k+len(old)))
	if err != nil {
		return nil, fmt.Errorf("rank for user %q: %w", r.data.Users[user], err)
	}
	if len(old) == 0 {
		return list, nil
	}
	// What a query has no room to exclude is taken out afterwards.
	list = slices.DeleteFunc(slices.Clone(list), func(item string) bool { return slices.Contains(old, item) })
	return list[:min(k, len(list))], nil
}

// close gives up the database and removes its directory.
func (r *database) close() error {
	err := r.db.Close()
	if gone := os.RemoveAll(r.dir); err == nil {
		err = gone
	}
	if err != nil {
		return fmt.Errorf("remove the database of the training events: %w", err)
	}
	return nil
}
