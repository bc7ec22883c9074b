package algebra

import "testing"

func TestScanListReadsWhatDecodeReads(t *testing.T) {
	rng := dice(t)
	rule := KindRecents.List()
	for range 300 {
		var list TopN
		for range rng.IntN(80) {
			list = rule.Insert(list, randomInteraction(rng))
		}
		i := 0
		ScanList(list.AppendBinary(nil), func(m *Met) bool {
			want := &list[i]
			got := Interaction{ID: string(m.ID), Type: string(m.Type), Gen: m.Gen}
			got.Order = want.Order
			got.Time, got.Origin, got.Seq = m.Time, m.Origin, m.Seq
			if got != *want {
				t.Fatalf("entry %d is %+v, want %+v", i, got, *want)
			}
			i++
			return true
		})
		if i != len(list) {
			t.Fatalf("%d entries were read of %d", i, len(list))
		}
		stopped := 0
		ScanList(list.AppendBinary(nil), func(*Met) bool {
			stopped++
			return stopped < 3
		})
		if stopped != min(3, len(list)) {
			t.Fatalf("a walk that was ended at 3 went on to %d", stopped)
		}
	}
}

func BenchmarkScanList(b *testing.B) {
	rng := dice(b)
	rule := KindRecents.List()
	var list TopN
	for len(list) < rule.N {
		list = rule.Insert(list, Interaction{Order: randomOrder(rng), ID: "item-123456", Type: "view"})
	}
	data := list.AppendBinary(nil)
	b.ReportAllocs()
	sum := int64(0)
	for b.Loop() {
		ScanList(data, func(m *Met) bool {
			sum += m.Time
			return true
		})
	}
}
