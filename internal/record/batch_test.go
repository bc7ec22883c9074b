package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

func TestWhatWasAddedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := headOfLevel3()
		head.First = id.Seq(rapid.Uint64Range(1, 1<<63).Draw(t, "first"))
		metas := drawMetas(t, head.Base, rapid.IntRange(1, 12).Draw(t, "records"))
		var bodies []Proposed
		b := NewBuilder()
		if err := b.Reset(head); err != nil {
			t.Fatal(err)
		}
		for i := range metas {
			p := drawProposed(t)
			if err := b.AddProposed(&metas[i], &p); err != nil {
				t.Fatalf("%v %+v: %v", p.Kind, metas[i], err)
			}
			bodies = append(bodies, p)
		}
		data, err := b.Finish(nil)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Verify(); err != nil {
			t.Fatal(err)
		}
		if got := batch.Head(); got != head {
			t.Fatalf("head is %+v, was %+v", got, head)
		}
		i := 0
		for rec, err := range batch.Records() {
			if err != nil {
				t.Fatal(err)
			}
			var p Proposed
			if err := p.DecodeBody(rec.Kind, rec.Body); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p, bodies[i]) || rec.Meta != metas[i] || rec.Seq != head.First+id.Seq(i) {
				t.Fatalf("record %d is %+v %+v\nwas %+v %+v", i, rec.Meta, p, metas[i], bodies[i])
			}
			i++
		}
		if again := rebuild(t, &batch); !bytes.Equal(again, data) {
			t.Fatalf("rebuilt from its records the batch differs:\n%x\n%x", again, data)
		}
	})
}

// rebuild copies a batch record by record.
func rebuild(t interface{ Fatal(...any) }, batch *Batch) []byte {
	b := NewBuilder()
	if err := b.Reset(batch.Head()); err != nil {
		t.Fatal(err)
	}
	for rec, err := range batch.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if err := b.AddRecord(&rec); err != nil {
			t.Fatal(err)
		}
	}
	data, err := b.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEverySingleBitFlipIsRefused(t *testing.T) {
	v2 := sampleBatch(t)
	for _, tc := range []struct {
		name string
		data []byte
	}{{"v2", v2}, {"v1", versionOneOf(t, v2)}} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Open(tc.data); err != nil {
				t.Fatal(err)
			}
			for bit := range len(tc.data) * 8 {
				tc.data[bit/8] ^= 1 << (bit % 8)
				if _, err := Open(tc.data); !errors.Is(err, fault.ErrCorrupt) {
					t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
				}
				tc.data[bit/8] ^= 1 << (bit % 8)
			}
		})
	}
}

func TestEveryCutIsRefused(t *testing.T) {
	data := sampleBatch(t)
	for n := range data {
		if _, err := Open(data[:n:n]); !errors.Is(err, fault.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := Open(append(bytes.Clone(data), 0)); !errors.Is(err, fault.ErrCorrupt) {
		t.Fatalf("one byte behind the batch: %v", err)
	}
}

// versionOneOf writes the same payload under a header of version 1.
func versionOneOf(t testing.TB, data []byte) []byte {
	t.Helper()
	h, err := DecodeHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	h.Version, h.Shard, h.Region = 1, 0, 0
	out, err := EncodeHeader(nil, &h, data[HeaderSize:])
	if err != nil {
		t.Fatal(err)
	}
	return append(out, data[HeaderSize:]...)
}

func TestVersionOneReadsAsShardAndRegionZero(t *testing.T) {
	data := versionOneOf(t, sampleBatch(t))
	b := mustOpen(t, data)
	if want := (id.Origin{Incarnation: 1}); b.Origin() != want {
		t.Fatalf("origin is %v, want %v", b.Origin(), want)
	}
	if err := b.Verify(); err != nil {
		t.Fatal(err)
	}
	// The checksum of version 1 leaves out bytes 60–63.
	sum := blake3.Sum256(append(bytes.Clone(data[:56]), data[64:]...))
	if got, want := data[56:60], sum[:4]; !bytes.Equal(got, want) {
		t.Fatalf("checksum is %x, want %x", got, want)
	}
}

func TestChecksumIsBlake3OverAllButItself(t *testing.T) {
	data := sampleBatch(t)
	sum := blake3.Sum256(append(bytes.Clone(data[:56]), data[60:]...))
	if got, want := data[56:60], sum[:4]; !bytes.Equal(got, want) {
		t.Fatalf("checksum is %x, want %x", got, want)
	}
}

// reseal gives data a checksum that holds, by the rule of version 2.
func reseal(data []byte) []byte {
	binary.LittleEndian.PutUint32(data[56:], checksum(data, data[HeaderSize:], blake3.New()))
	return data
}

func TestANewerVersionIsNotCalledDamage(t *testing.T) {
	data := sampleBatch(t)
	data[4] = 3
	if _, err := Open(reseal(data)); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Fatalf("version 3: %v", err)
	}
	data = sampleBatch(t)
	data[HeaderSize+1] = 2 // behind one byte of length
	if _, err := Open(reseal(data)); !errors.Is(err, fault.ErrFormatTooNew) {
		t.Fatalf("extension of version 2: %v", err)
	}
}

func TestAHeaderThatDoesNotHoldTogetherIsRefused(t *testing.T) {
	good := Header{Version: 2, First: 10, Last: 12, Count: 3}
	for name, change := range map[string]func(*Header){
		"version 0":               func(h *Header) { h.Version = 0 },
		"version 3":               func(h *Header) { h.Version = 3 },
		"version 1 with a shard":  func(h *Header) { h.Version, h.Shard = 1, 4 },
		"version 1 with a region": func(h *Header) { h.Version, h.Region = 1, 4 },
		"first 0":                 func(h *Header) { h.First = 0 },
		"last below first":        func(h *Header) { h.Last = 9 },
		"more than the range":     func(h *Header) { h.Count = 4 },
		"too many records":        func(h *Header) { h.Last, h.Count = 1<<20, MaxRecords+1 },
	} {
		h := good
		change(&h)
		if _, err := EncodeHeader(nil, &h, nil); !errors.Is(err, fault.ErrInput) {
			t.Errorf("encode %s: %v", name, err)
		}
		if h.check() == nil {
			t.Errorf("%s passes the check that decoding asks", name)
		}
	}
	if _, err := EncodeHeader(nil, &good, make([]byte, MaxBatch-HeaderSize+1)); !errors.Is(err, fault.ErrInput) {
		t.Errorf("encode a batch above the limit: %v", err)
	}
	data, err := EncodeHeader(nil, &good, []byte("payload"))
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(data[32:], 8) // uncompressed ≠ compressed
	if _, err := DecodeHeader(data); !errors.Is(err, fault.ErrCorrupt) {
		t.Errorf("decode unequal sizes: %v", err)
	}
}

func TestUnknownKinds(t *testing.T) {
	patched := func(kind byte) []byte {
		data := build(t, sampleHead(), func(b *Builder) {
			for i := range 3 {
				m := sampleMeta(i)
				p := Proposed{Kind: KindErase, Erase: Erase{User: "u"}}
				if err := b.AddProposed(&m, &p); err != nil {
					t.Fatal(err)
				}
			}
		})
		b := mustOpen(t, data)
		at := b.records + int(data[b.records]) + 1 + 1 // kind of the second record
		data[at] = kind
		return reseal(data)
	}
	read := func(data []byte) (seen []string, failed error) {
		b := mustOpen(t, data)
		for rec, err := range b.Records() {
			if err != nil {
				failed = err
			}
			seen = append(seen, rec.Kind.String())
		}
		if err := b.Verify(); !errors.Is(err, failed) && fmt.Sprint(err) != fmt.Sprint(failed) {
			t.Fatalf("Verify says %v, Records said %v", err, failed)
		}
		return seen, failed
	}

	seen, err := read(patched(200))
	if err != nil || strings.Join(seen, " ") != "erase kind(200) erase" {
		t.Errorf("an unknown stateless kind is to be passed on: %v, %v", seen, err)
	}
	seen, err = read(patched(99))
	if !errors.Is(err, fault.ErrFormatTooNew) || strings.Join(seen, " ") != "erase kind(99)" {
		t.Errorf("an unknown stateful kind is to stop: %v, %v", seen, err)
	}
	for _, kind := range []byte{0, 0x80} {
		if _, err := read(patched(kind)); !errors.Is(err, fault.ErrCorrupt) {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}

func TestAProjectionKeepsPositionsAndMayBeEmpty(t *testing.T) {
	whole := mustOpen(t, sampleBatch(t))
	project := func(keep func(Kind) bool) Batch {
		head := whole.Head()
		head.Projection, head.Last = true, whole.Header.Last
		return mustOpen(t, build(t, head, func(b *Builder) {
			for rec, err := range whole.Records() {
				if err != nil {
					t.Fatal(err)
				}
				if !keep(rec.Kind) {
					continue
				}
				if err := b.AddRecord(&rec); err != nil {
					t.Fatal(err)
				}
			}
		}))
	}

	some := project(func(k Kind) bool { return k == KindSignal || k == KindPut || k == KindAnnotation })
	var got []string
	for rec, err := range some.Records() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v@%d", rec.Kind, rec.Seq))
	}
	if want := "signal@1000 put@1003 annotation@1010"; strings.Join(got, " ") != want {
		t.Errorf("projection holds %v, want %s", got, want)
	}
	if some.Origin() != whole.Origin() || some.Header.First != 1000 || some.Header.Last != 1010 {
		t.Errorf("projection covers %v %d–%d", some.Origin(), some.Header.First, some.Header.Last)
	}
	if err := some.Verify(); err != nil {
		t.Error(err)
	}

	none := project(func(Kind) bool { return false })
	if none.Header.Count != 0 || none.Header.Last != 1010 {
		t.Errorf("empty projection has %d records up to %d", none.Header.Count, none.Header.Last)
	}
	for range none.Records() {
		t.Error("an empty projection yields a record")
	}
}

func TestRecordsAliasTheBatch(t *testing.T) {
	data := sampleBatch(t)
	_, bodies := readAll(t, data)
	signal := bodies[0].Signal
	at := bytes.Index(data, []byte(signal.Item))
	data[at] = 'X' // what nobody may do
	if signal.Item[0] != 'X' {
		t.Fatal("the item was copied")
	}
}

func TestABatchGivesBackItsBytes(t *testing.T) {
	data := sampleBatch(t)
	b := mustOpen(t, data)
	if !bytes.Equal(b.Data(), data) || b.Header.Size() != len(data) {
		t.Fatalf("%d bytes of %d, by its header %d", len(b.Data()), len(data), b.Header.Size())
	}
}

func TestReadingStopsWhenAsked(t *testing.T) {
	b := mustOpen(t, sampleBatch(t))
	n := 0
	for range b.Records() {
		n++
		if n == 2 {
			break
		}
	}
	if n != 2 {
		t.Fatalf("read %d records", n)
	}
}

func TestStampsRiseInABatch(t *testing.T) {
	b := NewBuilder()
	if err := b.Reset(sampleHead()); err != nil {
		t.Fatal(err)
	}
	p := Proposed{Kind: KindErase, Erase: Erase{User: "u"}}
	for _, tc := range []struct {
		hlc  hlc.Timestamp
		good bool
	}{{sampleHead().Base - 1, false}, {sampleHead().Base, true}, {sampleHead().Base, false}, {sampleHead().Base + 1, true}} {
		m := sampleMeta(0)
		m.HLC = tc.hlc
		if err := b.AddProposed(&m, &p); (err == nil) != tc.good {
			t.Errorf("stamp %v: %v", tc.hlc, err)
		}
	}
}
