package refold

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples are those of docs/format/values.md.
func TestCellsAreReadAsTheirPageSays(t *testing.T) {
	const at = 1_767_225_600_000 // 2026-01-01T00:00:00Z
	for text, want := range map[string]cell{
		"0380a0d5edee6602":                     {mark: at, total: 1},
		"0780a0d5edee660280808010":             {mark: at, total: 1, permanent: wide{0, 1 << 24}},
		"0180a0d5edee66":                       {mark: at},
		"":                                     {},
		"04" + strings.Repeat("ff", 20) + "01": {},
		"0380a0d5edee6602ff":                   {},
		"0880a0d5edee66":                       {},
		"2005":                                 {},
		"20ffffffffffffffffff01":               {},
		"1b80a0d5edee6601ffffffffff":           {},
	} {
		got, err := readCell(unhex(t, text))
		if want.mark == 0 {
			if err == nil {
				t.Errorf("%s is read as %+v", text, got)
			}
			continue
		}
		if err != nil || got.mark != want.mark || got.total != want.total || got.permanent != want.permanent || got.sums != nil {
			t.Errorf("%s: %+v %v, want %+v", text, got, err, want)
		}
	}
	// A compensation ahead of its event: everything is negative.
	got, err := readCell(unhex(t, "1b80a0d5edee66010280dddb0101ffffff0f80dbbd2701ffffffff07013b010000"))
	if err != nil || got.total != -1 || len(got.sums) != 2 || got.sums[0].value.hi != -1 || got.sums[0].value.float() >= 0 ||
		!slices.Equal(got.buckets[0], []bucket{{at / minute, -1}}) || got.buckets[1] != nil {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRegistersAreReadInBothForms(t *testing.T) {
	sparse := &reader{b: []byte{2, 0x47, 0xc1, 0x01}} // 1·64 + 7, then 3·64 + 1
	if got := sparse.registers(); sparse.failed || !slices.Equal(got, []register{{1, 7}, {5, 1}}) {
		t.Errorf("%v", got)
	}
	dense := make([]byte, 2, 2+allRegisters*6/8)
	dense[0], dense[1] = 0x81, 0x04 // 513 of them
	dense = append(dense, 0x7f, 0x00, 0x00)
	dense = append(dense, make([]byte, allRegisters*6/8-3)...)
	dense[len(dense)-1] = 0x10 // the last register's lowest bit but two
	r := &reader{b: dense}
	if got := r.registers(); r.failed || len(r.b) > 0 || !slices.Equal(got, []register{{0, 63}, {1, 1}, {2047, 4}}) {
		t.Errorf("%v", got)
	}
}

func FuzzReadCell(f *testing.F) {
	for _, text := range []string{
		"", "0380a0d5edee6602", "0780a0d5edee660280808010",
		"1b80a0d5edee66010280dddb0101ffffff0f80dbbd2701ffffffff07013b010000", "20024701c1",
	} {
		f.Add(unhex(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readCell(b)
		if err == nil && len(b) > 0 && b[0]&0x02 == 0 && c.total != 0 {
			t.Errorf("%x: %+v", b, c)
		}
	})
}
