package algebra

import (
	"fmt"
	"slices"
	"testing"
)

// TestScanEntityReadsWhatDecodeReads: of entities that were written, patched and deleted in any order.
func TestScanEntityReadsWhatDecodeReads(t *testing.T) {
	rng := dice(t)
	exist := 0
	for range 3000 {
		var x Entity
		for range rng.IntN(6) {
			stamp := randomStamp(rng)
			var changes []Change
			for n := range 5 {
				if c := (Change{Name: fmt.Sprint("field ", n), Value: randomBytes(rng, 300)}); rng.IntN(2) == 0 {
					if rng.IntN(4) == 0 {
						c.Value = nil
					}
					changes = append(changes, c)
				}
			}
			switch rng.IntN(5) {
			case 0:
				x = x.ApplyDelete(stamp)
			case 1, 2:
				x = x.ApplyPut(stamp, changes)
			default:
				x = x.ApplyPatch(stamp, changes)
			}
		}
		encoded := x.AppendBinary(nil)
		if _, err := DecodeEntity(encoded); err != nil {
			t.Fatal(err)
		}
		var want, got []string
		if x.Exists() {
			exist++
			for _, f := range x.Fields {
				if f.Set {
					want = append(want, fmt.Sprintf("%s=%x", f.Name, f.Value))
				}
			}
		}
		ScanEntity(encoded, func(name, value []byte) { got = append(got, fmt.Sprintf("%s=%x", name, value)) })
		if !slices.Equal(got, want) {
			t.Fatalf("%+v has\n%v\nwant\n%v", x, got, want)
		}
	}
	if exist < 500 {
		t.Errorf("only %d entities existed", exist)
	}
}
