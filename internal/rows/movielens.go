package rows

import (
	"bufio"
	"strconv"
	"strings"

	"github.com/tidaldb/tidal"
)

// A MovieLens rating at or above likeFrom is a like as well, one at or below dislikeTo a dislike.
const (
	likeFrom  = 4
	dislikeTo = 2
	maxRating = 5
)

// movieLens reads u.data of MovieLens 100K: user, item, rating, Unix seconds, separated by tabs.
type movieLens struct{ lines }

func openMovieLens(file string, r *bufio.Reader) Source {
	return &movieLens{lines{r: r, Place: Place{File: file}}}
}

func (m *movieLens) Next() (Row, error) {
	line, err := m.nextFilled()
	if err != nil {
		return Row{}, err
	}
	columns := strings.Split(string(line), "\t")
	if len(columns) != 4 {
		return Row{}, m.bad(causeColumns, "%d columns; want 4, separated by tabs: user, item, rating, Unix seconds",
			len(columns))
	}
	rating, err := strconv.ParseFloat(columns[2], 64)
	if err != nil || !(rating > 0 && rating <= maxRating) {
		return Row{}, m.bad(causeWeight, "rating %q is not a number above 0 and up to %d", columns[2], maxRating)
	}
	at, err := ParseUnix(columns[3])
	if err != nil {
		return Row{}, m.bad(causeTime, "%v", err)
	}
	signal := func(name string, weight float64) tidal.Record {
		return tidal.Signal{Type: name, User: columns[0], Item: columns[1], Weight: weight, Time: at}
	}
	out := Row{m.Place, []tidal.Record{signal("rating", rating)}}
	switch {
	case columns[0] == "":
		return Row{}, m.bad(causeID, "the user is empty")
	case rating >= likeFrom:
		out.Records = append(out.Records, signal("like", 1))
	case rating <= dislikeTo:
		out.Records = append(out.Records, signal("dislike", 1))
	}
	return out, nil
}
