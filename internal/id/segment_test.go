package id

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
)

func TestSegmentsPrintAndParse(t *testing.T) {
	for text, want := range map[string]Segment{
		"0:0:1":        {Seqno: 1},
		"2:7:900":      {Origin: Origin{Region: 2, Shard: 7}, Seqno: 900},
		"2:7:900/300":  {Origin: Origin{Region: 2, Shard: 7, Incarnation: 300}, Seqno: 900},
		"65535:0:0/1":  {Origin: Origin{Region: 65535, Incarnation: 1}},
		"":             {},
		"1:2":          {},
		"1:2:3/0":      {},
		"1:2:3/":       {},
		"1:2.4:3":      {},
		"1:2:03":       {},
		"1:2:3/4/5":    {},
		"65536:0:1":    {},
		"1:2:3/-1":     {},
		"1:2:3 ":       {},
		"1:2:+3":       {},
		"1:2:0x3":      {},
		"1:2:3/007":    {},
		"1:2:3:4/9":    {},
		"one:2:3":      {},
		"1:2:99999e10": {},
	} {
		got, err := ParseSegment(text)
		if want == (Segment{}) {
			if !errors.Is(err, fault.ErrInput) {
				t.Errorf("%q is read as %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Segment{UnpackOrigin(rapid.Uint64().Draw(t, "origin")), rapid.Uint64().Draw(t, "seqno")}
		if got, err := ParseSegment(want.String()); err != nil || got != want {
			t.Fatalf("%v is read as %v, %v", want, got, err)
		}
	})
}
