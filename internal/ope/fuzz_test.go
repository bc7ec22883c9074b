package ope_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/ope"
)

// held says that rounds which were read can be estimated from, or that a refusal says why not: nothing in between.
func held(t *testing.T, rounds []ope.Round, err error) {
	t.Helper()
	if err == nil && len(rounds) > 0 {
		for _, target := range []ope.Policy{ope.Uniform(rounds), ope.Frequencies(rounds), ope.Greedy{}, ope.AsLogged{}} {
			var r *ope.Result
			if r, err = ope.Evaluate(rounds, target, ope.Options{}); err != nil {
				break
			}
			for _, e := range []ope.Estimate{r.IPS, r.SNIPS, r.DR, r.OnPolicy} {
				if !(e.Low >= 0 && e.Low <= e.High && e.High <= 1) || e.Value != e.Value || !(e.StdErr >= 0) {
					t.Fatalf("%+v", e)
				}
			}
		}
	}
	if err != nil && !errors.Is(err, fault.ErrInput) {
		t.Fatalf("%v", err)
	}
}

func FuzzReadOpenBandit(f *testing.F) {
	f.Add([]byte(banditHead + "0,t,2,2,0,0.045525,x\n1,t,9,3,1,0.059345,x\n2,t,9,2,1,0.5,x\n3,t,2,3,1,1e-300,x\n"))
	f.Add([]byte("item_id,position,click,propensity_score\na,1,1,1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rounds, err := ope.ReadOpenBandit(bytes.NewReader(data))
		held(t, rounds, err)
	})
}

func FuzzReadExport(f *testing.F) {
	f.Add([]byte(exportLine(1, "impression", "ada", "a", "f1", "new", 0.25, 0, "") + exportLine(2, "like", "bob", "b", "f2", "new", 0.25, 0, "") +
		exportLine(9999, "like", "ada", "a", "", "", 1, 0, "")))
	f.Add([]byte(`{"time":"2026-05-01T00:00:00Z","type":"x","item":"i","feed":"7","slot":"s","propensity":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := ope.ReadExport(bytes.NewReader(data), ope.Rewards{Types: []string{"like"}, ByUser: true})
		if err != nil {
			held(t, nil, err)
			return
		}
		held(t, x.Rounds, nil)
	})
}

func FuzzReadPolicy(f *testing.F) {
	f.Add([]byte("context,action,probability\n1,a,0.5\n1,b,0.5\n*,c,1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ope.ReadPolicy(bytes.NewReader(data))
		if err != nil {
			held(t, nil, err)
			return
		}
		choices, err := p.Choose("", "1", nil)
		if err != nil {
			held(t, nil, err)
			return
		}
		sum := 0.0
		for _, c := range choices {
			sum += c.Probability
		}
		if sum < 0.999999 || sum > 1.000001 {
			t.Fatalf("adds up to %v", sum)
		}
	})
}
