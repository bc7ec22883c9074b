package engine_test

import (
	"testing"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/record"
)

// FuzzApply gives arbitrary payloads a header that is right for them: whatever is in them, apply returns. Batches of
// other origins that are refused have had no effect on the vector.
func FuzzApply(f *testing.F) {
	s := testSchema()
	far := newFeed(f, there, s)
	p := signal(view, "u", "i")
	p.Signal.Creator, p.Signal.Cohorts = "c", []string{"x"}
	for _, w := range []written{
		plain(p), plain(mark(record.MarkSaved, true, "u", "i")), plain(relation(record.FollowCreator, true, "u", "c")),
		plain(entity(record.KindPut, id.KindItem, "i", "title", "t")), plain(entity(record.KindDelete, id.KindUser,
			"u")),
		plain(compensate(there.At(9), 5, record.Signal{Item: "i", Weight: fixed.One},
			s.Hash())), plain(version(grown(s, "n"))),
	} {
		far.next = 1
		f.Add(uint64(1), far.batch(w)[record.HeaderSize:])
	}
	f.Fuzz(func(t *testing.T, count uint64, payload []byte) {
		h := record.Header{
			Version: record.Version, First: 1, Last: id.Seq(max(1, count)), Count: max(1, count), Region: there.Region,
		}
		data, err := record.EncodeHeader(nil, &h, payload)
		if err != nil {
			return
		}
		e, _, _, _ := start(t)
		res, err := e.Apply(append(data, payload...))
		if err != nil && e.Vector().Get(res.Origin) != 0 {
			t.Errorf("a batch that was refused (%v) moved the vector to %v", err, e.Vector())
		}
	})
}
