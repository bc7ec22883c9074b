package host

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidaldb/tidal/internal/consensus"
	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
)

func someQuestions() map[string]question {
	return map[string]question{
		"join":      {Kind: questionJoin, Wall: 1_790_000_000_123, Address: "10.0.0.2:7400", URL: "https://10.0.0.2:4200"},
		"where":     {Kind: questionWhere, Incarnation: 3, Number: 2, Wall: -1},
		"remove":    {Kind: questionRemove, Hops: 2, Force: true, Incarnation: 1<<32 - 1, Number: 1<<64 - 1},
		"transfer":  {Kind: questionTransfer},
		"readdress": {Kind: questionReaddress, Number: 300, Address: "b:1"},
		"region":    {Kind: questionRegion, Hops: 6, Wall: 7, Address: "10.1.0.1:7400", URL: "https://x", Name: "eu-west", Follower: true},
		"promote":   {Kind: questionPromote, Name: "eu-west"},
		"forget":    {Kind: questionForget, Force: true, Name: "eu-west", Successor: "home"},
		"regions":   {Kind: questionRegions},
	}
}

func someAnswers() map[string]answer {
	return map[string]answer{
		"done": {
			Code: answerDone, Wall: 1_790_000_000_456, Leader: 1, Highest: 5,
			Joined: Joined{
				Cluster: [16]byte{1, 2, 3, 15: 16}, Tenant: "t", Region: 7, Shard: 65535, Incarnation: 9, Replica: 5,
				Members: []consensus.Member{
					{Number: 1, Address: "10.0.0.1:7400", URL: "https://10.0.0.1:4200"}, {Number: 5, Address: "x:1", Learner: true},
				},
			},
		},
		"regions": {
			Code: answerDone, Wall: 1, Joined: Joined{Region: 2},
			Regions: []RegionStatus{
				{Name: "home", Role: RegionHome, Own: true, Members: []RegionMember{{Number: 1, Address: "a:1", URL: "http://a"}}},
				{
					Number: 65535, Name: "eu-west", Role: RegionFollower, Known: true, Heard: time.Second, Source: 3, Done: 5, Total: 6,
					TheyLack: Lag{Batches: 1, Events: 300, Time: time.Hour}, WeLack: Lag{Events: 1 << 60},
					Vector:  id.VersionVector{}.With(id.Origin{Region: 2, Incarnation: 1}, 77),
					Refused: map[string]uint64{"checksum": 1, "gap": 2},
				},
				{Number: 4, Name: "old", Unreachable: true, Role: RegionRemoved, Successor: 65535},
			},
		},
		"refused": {Code: answerRefused, Text: "the clock is wrong", Wall: -5},
	}
}

var updateGolden = flag.Bool("update-internal", false, "rewrite the golden files of internal tests")

// golden holds bytes against a file.
func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	path := filepath.Join("testdata", "question", name+".hex")
	if *updateGolden {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(hex.Dump(b)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path) //nolint:gosec // a path of this test
	if err != nil {
		t.Fatal(err)
	}
	if hex.Dump(b) != string(want) {
		t.Errorf("%s is\n%swant\n%s", name, hex.Dump(b), want)
	}
}

func TestQuestionsAndAnswersKeepTheirBytes(t *testing.T) {
	for name, q := range someQuestions() {
		b := q.encode()
		golden(t, "question-"+name, b)
		if got, err := decodeQuestion(b); err != nil || got != q {
			t.Errorf("%s comes back as %+v, %v", name, got, err)
		}
	}
	for name, a := range someAnswers() {
		b := a.encode()
		golden(t, "answer-"+name, b)
		if got, err := decodeAnswer(b); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%s comes back as %+v, %v", name, got, err)
		}
	}
}

// Whatever is cut short, has something behind it, or is of another version is refused.
func TestDamagedQuestionsAreRefused(t *testing.T) {
	q, a := someQuestions()["join"], someAnswers()["done"]
	region, regions := someQuestions()["region"], someAnswers()["regions"]
	decoders := map[string]struct {
		whole  []byte
		decode func([]byte) error
	}{
		"question": {q.encode(), func(b []byte) error { _, err := decodeQuestion(b); return err }},
		"region":   {region.encode(), func(b []byte) error { _, err := decodeQuestion(b); return err }},
		"answer":   {a.encode(), func(b []byte) error { _, err := decodeAnswer(b); return err }},
	}
	bare := regions
	bare.Regions = nil
	for n, whole, least := 0, regions.encode(), len(bare.encode()); n < len(whole); n++ {
		if _, err := decodeAnswer(whole[:n]); n != least && !errors.Is(err, fault.ErrInput) {
			t.Errorf("an answer with regions of %d bytes: %v", n, err)
		}
	}
	for name, d := range decoders {
		for n := range d.whole {
			if err := d.decode(d.whole[:n]); !errors.Is(err, fault.ErrInput) {
				t.Errorf("%s of %d bytes: %v", name, n, err)
			}
		}
		if err := d.decode(append(bytes.Clone(d.whole), 0)); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s with a byte behind it: %v", name, err)
		}
		other := bytes.Clone(d.whole)
		other[0]++
		if err := d.decode(other); err == nil || !strings.Contains(err.Error(), "versions of tidal") {
			t.Errorf("%s of another version: %v", name, err)
		}
	}
}

func FuzzQuestion(f *testing.F) {
	for _, q := range someQuestions() {
		f.Add(q.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := decodeQuestion(b)
		if err == nil && !bytes.Equal(q.encode(), b) {
			t.Errorf("%x comes back as %x", b, q.encode())
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, a := range someAnswers() {
		f.Add(a.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeAnswer(b)
		if err == nil && !bytes.Equal(a.encode(), b) {
			t.Errorf("%x comes back as %x", b, a.encode())
		}
		if err == nil && (a.err() == nil) != (a.Code == answerDone) {
			t.Errorf("%d amounts to %v", a.Code, a.err())
		}
	})
}

func someCopies() (map[string]wanted, map[string]piece) {
	wants := map[string]wanted{
		"begin": {Region: 7},
		"next":  {Region: 65535, Copy: 1<<64 - 1, Offset: 1<<63 - 1},
	}
	pieces := map[string]piece{
		"data": {Code: pieceData, Copy: 300, Offset: 1 << 21, Data: []byte("TDBK")},
		"end":  {Code: pieceData, Copy: 300, Offset: 1<<21 + 4, Last: true},
		"busy": {Code: pieceBusy, Text: "this member is giving a copy to region 3"},
	}
	return wants, pieces
}

func TestCopiesKeepTheirBytes(t *testing.T) {
	ws, ps := someCopies()
	for name, w := range ws {
		b := w.encode()
		golden(t, "copy-"+name, b)
		if got, err := decodeWanted(b); err != nil || got != w {
			t.Errorf("%s comes back as %+v, %v", name, got, err)
		}
		cutShort(t, name, b, func(b []byte) error { _, err := decodeWanted(b); return err })
	}
	for name, p := range ps {
		b := p.encode()
		golden(t, "piece-"+name, b)
		if got, err := decodePiece(b); err != nil || !bytes.Equal(got.encode(), b) {
			t.Errorf("%s comes back as %+v, %v", name, got, err)
		}
		cutShort(t, name, b, func(b []byte) error { _, err := decodePiece(b); return err })
	}
}

// cutShort decodes what is cut short or too long, which is refused.
func cutShort(t *testing.T, name string, whole []byte, decode func([]byte) error) {
	t.Helper()
	for n := range whole {
		if err := decode(whole[:n]); !errors.Is(err, fault.ErrInput) {
			t.Errorf("%s of %d bytes: %v", name, n, err)
		}
	}
	if err := decode(append(bytes.Clone(whole), 0)); !errors.Is(err, fault.ErrInput) {
		t.Errorf("%s with a byte behind it: %v", name, err)
	}
}

func FuzzCopy(f *testing.F) {
	ws, ps := someCopies()
	for _, w := range ws {
		f.Add(w.encode())
	}
	for _, p := range ps {
		f.Add(p.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, err := decodeWanted(b); err == nil && !bytes.Equal(w.encode(), b) {
			t.Errorf("%x comes back as %x", b, w.encode())
		}
		p, err := decodePiece(b)
		if err == nil && !bytes.Equal(p.encode(), b) {
			t.Errorf("%x comes back as %x", b, p.encode())
		}
		if err == nil && (p.err() == nil) != (p.Code == pieceData || p.Code == pieceLater) {
			t.Errorf("%d amounts to %v", p.Code, p.err())
		}
	})
}

// An error that travels says what it is once, however many members pass it on.
func TestAnErrorThatTravelsSaysItOnce(t *testing.T) {
	for _, is := range []error{
		fault.ErrChanging, fault.ErrNotLeader, fault.ErrForeign, fault.ErrClock, fault.ErrRemoved, fault.ErrUnknown, fault.ErrNoSuccessor,
	} {
		for _, err := range []error{is, fmt.Errorf("in front: %w", is), fmt.Errorf("%w: behind", is)} {
			want := err.Error()
			for range 3 {
				a := answer{}.with(err)
				got, decoded := decodeAnswer(a.encode())
				if decoded != nil {
					t.Fatal(decoded)
				}
				err = got.err()
			}
			if err.Error() != want || !errors.Is(err, is) {
				t.Errorf("%q came as %q", want, err)
			}
		}
	}
	a := answer{Code: answerNoLeader, Text: "this member is about to open its directory"}
	if err := a.err(); !errors.Is(err, fault.ErrNotLeader) || !strings.Contains(err.Error(), fault.ErrNotLeader.Error()) {
		t.Errorf("%v", err)
	}
}
