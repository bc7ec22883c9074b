package token

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/tidaldb/tidal/internal/fault"
)

func testKeys(ids ...uint32) Keys {
	var out Keys
	for _, id := range ids {
		k := Key{ID: id}
		for i := range k.Secret {
			k.Secret[i] = byte(int(id) + i)
		}
		out = append(out, k)
	}
	return out
}

func sampleRef() Ref {
	return Ref{
		Feed: 0x1122334455667788, Place: 7, Item: "jazz-101", Slot: "fresh", Propensity: 0.125,
		Profile: "for_you", Version: 3, Time: 1_700_000_000_123,
	}
}

func samplePinned() Pinned {
	return Pinned{
		Use: NextPage, Feed: 9, Page: 2, Before: 50, Time: -5, Seed: 1 << 63, Query: [16]byte{1, 2, 3}, Profile: "hot",
		Version: 1, Items: []PinnedItem{
			{ID: "a", Score: 1.5, Propensity: 1}, {ID: strings.Repeat("\xff", 512), Score: -0.25, Slot: "fresh", Propensity: 0.5},
		},
	}
}

// The bytes of a reference are a format: signals in the log hold them.
func TestRefKeepsItsBytes(t *testing.T) {
	r := sampleRef()
	b := AppendRef([]byte("x"), testKeys(1), &r)[1:]
	const want = "01720100000088776655443322110708086a617a7a2d31303105667265736800000" +
		"03e07666f725f796f7503f6a1abfef962"
	if got := hex.EncodeToString(b[:len(b)-macSize]); got != want {
		t.Errorf("reference is\n%s, want\n%s", got, want)
	}
	back, err := OpenRef(testKeys(2, 1), b)
	if err != nil || back != r {
		t.Errorf("came back as %+v, %v", back, err)
	}
	if !IsRef(b) || IsRef([]byte("my own")) || IsRef(nil) {
		t.Error("IsRef doesn't tell ours from others")
	}
}

func TestRefsOfLongNamesFitASignal(t *testing.T) {
	r := sampleRef()
	r.Item, r.Slot, r.Profile = strings.Repeat("i", 512), strings.Repeat("s", 63), strings.Repeat("p", 63)
	r.Version, r.Place, r.Time = 1<<32-1, 500, 1<<52
	b := AppendRef(nil, testKeys(1), &r)
	if len(b) > MaxRef {
		t.Errorf("it has %d bytes, a signal takes %d", len(b), MaxRef)
	}
	back, err := OpenRef(testKeys(1), b)
	if err != nil || !back.Of(r.Item) || back.Of("another") {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

func TestPinnedComesBack(t *testing.T) {
	p := samplePinned()
	back, err := OpenPinned(testKeys(1), NextPage, "cursor", p.Text(testKeys(1)))
	if err != nil || !reflect.DeepEqual(*back, p) {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

// Whatever single bit is changed, whatever is cut off: it is refused, under the field's name.
func TestWhatWasChangedIsRefused(t *testing.T) {
	r, p, keys := sampleRef(), samplePinned(), testKeys(1)
	ref := AppendRef(nil, keys, &r)
	pinned, _ := base64.RawURLEncoding.DecodeString(p.Text(keys))
	check := func(what, field string, err error) {
		var in *fault.Input
		if !errors.As(err, &in) || in.Field != field {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range 8 * len(ref) {
		b := append([]byte(nil), ref...)
		b[i/8] ^= 1 << (i % 8)
		_, err := OpenRef(keys, b)
		check("flipped reference", "ref", err)
	}
	for i := range 8 * len(pinned) {
		b := append([]byte(nil), pinned...)
		b[i/8] ^= 1 << (i % 8)
		_, err := OpenPinned(keys, NextPage, "cursor", base64.RawURLEncoding.EncodeToString(b))
		check("flipped list", "cursor", err)
	}
	for n := range len(ref) {
		_, err := OpenRef(keys, ref[:n])
		check("cut reference", "ref", err)
	}
	_, err := OpenRef(testKeys(2), ref)
	check("foreign reference", "ref", err)
	_, err = OpenPinned(keys, Again, "as_of", p.Text(keys))
	check("list of another use", "as_of", err)
	_, err = OpenPinned(keys, NextPage, "cursor", "***")
	check("no base64", "cursor", err)
	_, err = OpenPinned(keys, NextPage, "cursor", base64.RawURLEncoding.EncodeToString(ref))
	check("a reference for a list", "cursor", err)
}

func FuzzOpen(f *testing.F) {
	r, p, keys := sampleRef(), samplePinned(), testKeys(1)
	f.Add(AppendRef(nil, keys, &r))
	pinned, _ := base64.RawURLEncoding.DecodeString(p.Text(keys))
	f.Add(pinned)
	f.Fuzz(func(t *testing.T, b []byte) {
		// With the right seal on it, even nonsense must be refused and not panic.
		for _, kind := range []byte{kindRef, kindPinned, kindSeen} {
			sealed := seal(append(begin(nil, keys, kind), b...), 0, keys)
			if kind == kindSeen {
				text := base64.RawURLEncoding.EncodeToString(sealed)
				if s, err := OpenSeen(keys, text); err == nil && s.Text(keys) != text {
					t.Errorf("%x came back as %+v, which has another text", b, s)
				}
				continue
			}
			if kind == kindRef {
				if x, err := OpenRef(keys, sealed); err == nil && x.Place < 0 {
					t.Errorf("place %d", x.Place)
				}
				continue
			}
			if x, err := OpenPinned(keys, NextPage, "cursor", base64.RawURLEncoding.EncodeToString(sealed)); err == nil &&
				len(x.Items) > MaxPinned {
				t.Errorf("%d items", len(x.Items))
			}
		}
	})
}

func BenchmarkAppendRef(b *testing.B) {
	r, keys := sampleRef(), testKeys(1)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendRef(dst[:0], keys, &r)
	}
}
