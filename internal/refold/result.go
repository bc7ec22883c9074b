package refold

import "fmt"

// maxDifferences is how many differences are put into words.
const maxDifferences = 20

// Result says what was compared, and what differed.
type Result struct {
	// Signals is the number of events that items' cells counted: in the database, not in the fold.
	Signals int64 `json:"verified_signals"`
	// Cells counts the cells, of items, of cohorts and of users' creators, that were compared.
	Cells int `json:"verified_cells"`
	// UserRecords counts what was compared of users: lists of what they met last, marks and hides.
	UserRecords int `json:"verified_user_records"`
	// ItemLists counts the lists of who met items last that were compared.
	ItemLists int `json:"verified_item_lists"`
	// Entities counts those whose fields were compared.
	Entities int `json:"verified_entities"`
	// Untimed counts the events whose time is unknown; see [Event].
	Untimed int `json:"untimed_signals"`
	// Lost counts the events that items' cells should have counted and didn't, Double those that they counted beyond that.
	Lost   int64 `json:"lost"`
	Double int64 `json:"double"`
	// Different counts the records that aren't as they have to be: Missing of them aren't there, and Unexpected ones no
	// event accounts for.
	Different  int `json:"different"`
	Missing    int `json:"missing"`
	Unexpected int `json:"unexpected"`
	// Differences are the first of them, in words.
	Differences []string `json:"differences,omitempty"`
}

// Add adds the counts of another comparison.
func (r *Result) Add(o Result) {
	r.Signals += o.Signals
	r.Cells += o.Cells
	r.UserRecords += o.UserRecords
	r.ItemLists += o.ItemLists
	r.Entities += o.Entities
	r.Untimed += o.Untimed
	r.Lost += o.Lost
	r.Double += o.Double
	r.Different += o.Different
	r.Missing += o.Missing
	r.Unexpected += o.Unexpected
	for _, d := range o.Differences {
		if len(r.Differences) < maxDifferences {
			r.Differences = append(r.Differences, d)
		}
	}
}

func (r *Result) differ(format string, args ...any) {
	r.Different++
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}
