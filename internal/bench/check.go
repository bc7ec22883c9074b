package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidaldb/tidal/internal/engine"
	"github.com/tidaldb/tidal/internal/host"
	"github.com/tidaldb/tidal/internal/workload"
)

// Checked says what a fresh process found when it compared a directory with what had been acknowledged.
type Checked struct {
	Signals int `json:"verified_signals"`
	// Cells counts the cells, of items and of cohorts, whose total, windows and score were compared.
	Cells int `json:"verified_cells"`
	// UserRecords counts the lists of what users met last, and the marks of users on items, that were compared.
	UserRecords int `json:"verified_user_records"`
	// ItemLists counts the lists of who met items last that were compared.
	ItemLists int `json:"verified_item_lists"`
	// Different counts the records that weren't as they had to be, those that were missing, and those that had no reason.
	Different int `json:"different"`
}

func (c *Checked) add(d Checked) {
	c.Signals += d.Signals
	c.Cells += d.Cells
	c.UserRecords += d.UserRecords
	c.ItemLists += d.ItemLists
	c.Different += d.Different
}

// acknowledged is what the writing process wrote down, apart from the database: enough to repeat every signal.
type acknowledged struct {
	Config workload.Config `json:"config"`
	Times  [][]int64       `json:"times"` // by connection, of the requests that were acknowledged
}

// check writes down what was acknowledged and lets a fresh process compare.
func (s *ingest) check(ctx context.Context, dir string) (Checked, error) {
	acks := acknowledged{Config: s.w.Config()}
	for _, c := range s.clients {
		acks.Times = append(acks.Times, c.times)
	}
	text, err := json.Marshal(acks)
	if err != nil {
		return Checked{}, err
	}
	file := filepath.Join(dir, "acknowledged.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return Checked{}, fmt.Errorf("write down what was acknowledged: %w", err)
	}
	got, err := ask[Checked](ctx, &s.Env, "check", s.dir, file)
	if err == nil && got.Signals != s.acknowledged() {
		err = fmt.Errorf("%d signals were acknowledged, %d are there", s.acknowledged(), got.Signals)
	}
	return got, err
}

// check is the fresh process's part.
func check(dir, file string) (c Checked, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	var acks acknowledged
	if err := json.Unmarshal(text, &acks); err != nil {
		return c, err
	}
	w, err := workload.New(acks.Config)
	if err != nil {
		return c, err
	}
	want := repeat(w, acks.Times)
	r, err := host.Open(context.Background(), host.Options{Dir: dir, MustExist: true, ReadOnly: true, Now: time.Now})
	if err != nil {
		return c, fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	err = r.Read(func(e *engine.Engine) error {
		c = want.compare(e)
		return nil
	})
	return c, err
}
