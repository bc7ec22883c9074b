package rows

import (
	"bufio"
	"strings"
	"time"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// Ordered lists have no times, and order is what they're about. So the n-th line of a file happened n steps after the
// epoch: late enough to be no date by mistake, and so early that 80 million lines end before 2026. What would lie in
// the future the database sets back to the present, and counts as clamped.
const (
	orderedEpoch = 946_684_800 // 2000-01-01T00:00:00Z, in Unix seconds
	orderedStep  = 10          // seconds
)

// ordered reads lines of a user and an item, separated by spaces or tabs, in the order in which they were bought.
type ordered struct{ lines }

func openOrdered(file string, r *bufio.Reader) Source {
	return &ordered{lines{r: r, Place: Place{File: file}}}
}

func (o *ordered) Next() (Row, error) {
	line, err := o.nextFilled()
	if err != nil {
		return Row{}, err
	}
	columns := strings.Fields(string(line))
	if len(columns) != 2 {
		return Row{}, o.bad(causeColumns, "%d columns; want 2, separated by spaces: user, item", len(columns))
	}
	return Row{o.Place, []tidal.Record{tidal.Signal{
		Type: "purchase", User: columns[0], Item: columns[1], Weight: 1,
		Time: time.Unix(orderedEpoch+orderedStep*int64(o.Line), 0),
	}}}, nil
}

// orderedSchema declares purchases.
func orderedSchema() *schema.Schema {
	const day = 24 * time.Hour
	return valid(&schema.Schema{
		Name: "ordered",
		Signals: []schema.SignalType{{
			Name: "purchase", HalfLives: []time.Duration{7 * day, 30 * day}, Permanent: true, Meaning: schema.Positive,
			Windows: []schema.Window{schema.Window24h, schema.Window7d, schema.Window30d, schema.WindowAll}, Seen: true,
		}},
	})
}

// valid brings a schema of this package into normal form.
func valid(s *schema.Schema) *schema.Schema {
	if err := s.Validate(); err != nil {
		panic("rows: the built-in schema " + s.Name + " isn't valid: " + err.Error())
	}
	return s
}
