package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidaldb/tidal/internal/fault"
	"github.com/tidaldb/tidal/internal/id"
	"github.com/tidaldb/tidal/internal/state"
)

// Head says whose copy it is, and what follows.
type Head struct {
	// Cluster, Tenant, Region, Shard, Replica and Incarnation are those of the directory's identity.
	Cluster     [16]byte
	Tenant      string
	Region      id.Region
	Shard       id.Shard
	Replica     uint64
	Incarnation id.Incarnation
	// Stored is the entry that the checkpoint is the state after, 0 when there is none.
	Stored uint64
	// After is the entry behind which the log begins, of the term AfterTerm; both are 0 when it begins with the first one
	// of all.
	After, AfterTerm uint64
}

// Manifest says what a copy amounts to. It stands at the end, for then it is known.
type Manifest struct {
	// At is when the copy was of the present, to the microsecond, in UTC.
	At time.Time
	// Applied is the entry that it is the state after, Term that entry's term, and Current the group's term by then.
	Applied, Term, Current uint64
	// Vector is the set of events, Signals how many of them are signals.
	Vector  id.VersionVector
	Signals uint64
	// Digest and Cells are the digests of the state.
	Digest, Cells state.Digest
	// Entries is how many entries of the log there are.
	Entries uint64
	// Parts are the sums of all that comes before, by part. The writer fills them in.
	Parts []Sum
}

// Sum is what there is of a part.
type Sum struct {
	Part   Part
	Frames uint64
	Bytes  uint64   // of payload
	Hash   [32]byte // BLAKE3 of all payloads, one after the other
}

// headText is a head as it is written: JSON in one line.
type headText struct {
	Format      int            `json:"format"`
	Cluster     string         `json:"cluster"`
	Tenant      string         `json:"tenant"`
	Region      id.Region      `json:"region"`
	Shard       id.Shard       `json:"shard"`
	Replica     uint64         `json:"replica"`
	Incarnation id.Incarnation `json:"incarnation"`
	Stored      uint64         `json:"stored"`
	After       uint64         `json:"after"`
	AfterTerm   uint64         `json:"after_term"`
}

type manifestText struct {
	Format  int       `json:"format"`
	At      string    `json:"at"`
	Applied uint64    `json:"applied"`
	Term    uint64    `json:"term"`
	Current uint64    `json:"current_term"`
	Vector  string    `json:"vector"`
	Signals uint64    `json:"signals"`
	Entries uint64    `json:"entries"`
	Digest  string    `json:"digest"`
	Cells   string    `json:"digest_cells"`
	Parts   []sumText `json:"parts"`
}

type sumText struct {
	Part   string `json:"part"`
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
	Hash   string `json:"blake3"`
}

const timeForm = "2006-01-02T15:04:05.000000Z"

func (h *Head) encode() []byte {
	return line(headText{
		Format: Format, Cluster: hex.EncodeToString(h.Cluster[:]), Tenant: h.Tenant, Region: h.Region, Shard: h.Shard,
		Replica: h.Replica, Incarnation: h.Incarnation, Stored: h.Stored, After: h.After, AfterTerm: h.AfterTerm,
	})
}

func (m *Manifest) encode() []byte {
	t := manifestText{
		Format: Format, At: m.At.UTC().Format(timeForm), Applied: m.Applied, Term: m.Term, Current: m.Current,
		Vector: m.Vector.String(), Signals: m.Signals, Entries: m.Entries,
		Digest: m.Digest.String(), Cells: m.Cells.String(), Parts: []sumText{},
	}
	for _, s := range m.Parts {
		t.Parts = append(t.Parts, sumText{s.Part.String(), s.Frames, s.Bytes, hex.EncodeToString(s.Hash[:])})
	}
	return line(t)
}

func line(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("backup: encode: %v", err)) // they are numbers and texts
	}
	return append(b, '\n')
}

// decodeHead reads what encode wrote, and nothing else. The format comes first: what follows is that format's to define.
func decodeHead(b []byte) (h Head, err error) {
	var t headText
	if err := decodeText(b, &t, PartHead); err != nil {
		return h, err
	}
	cluster, err := hex.DecodeString(t.Cluster)
	if err != nil || len(cluster) != len(h.Cluster) {
		return h, fault.Damaged(inPart(PartHead), 0, "cluster %q is not 16 bytes in hex", t.Cluster)
	}
	h = Head{
		Tenant: t.Tenant, Region: t.Region, Shard: t.Shard, Replica: t.Replica, Incarnation: t.Incarnation,
		Stored: t.Stored, After: t.After, AfterTerm: t.AfterTerm,
	}
	copy(h.Cluster[:], cluster)
	return h, same(b, h.encode(), PartHead)
}

func decodeManifest(b []byte) (m Manifest, err error) {
	var t manifestText
	if err := decodeText(b, &t, PartManifest); err != nil {
		return m, err
	}
	bad := func(what string, err error) (Manifest, error) {
		return Manifest{}, fault.Damaged(inPart(PartManifest), 0, "%s: %v", what, err)
	}
	m = Manifest{Applied: t.Applied, Term: t.Term, Current: t.Current, Signals: t.Signals, Entries: t.Entries}
	if m.At, err = time.Parse(timeForm, t.At); err != nil {
		return bad("at", err)
	}
	if m.Vector, err = id.ParseVersionVector(t.Vector); err != nil {
		return bad("vector", err)
	}
	if m.Digest, err = state.ParseDigest(t.Digest); err != nil {
		return bad("digest", err)
	}
	if m.Cells, err = state.ParseDigest(t.Cells); err != nil {
		return bad("digest_cells", err)
	}
	for _, s := range t.Parts {
		sum := Sum{Frames: s.Frames, Bytes: s.Bytes}
		hash, err := state.ParseDigest(s.Hash) // as many digits
		if err != nil {
			return bad("blake3 of "+s.Part, err)
		}
		sum.Hash = hash
		for p := PartHead; p < PartManifest; p++ {
			if p.String() == s.Part {
				sum.Part = p
			}
		}
		m.Parts = append(m.Parts, sum)
	}
	return m, same(b, m.encode(), PartManifest)
}

func decodeText(b []byte, into any, p Part) error {
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(b, &format); err != nil {
		return fault.Damaged(inPart(p), 0, "it can't be read: %v", err)
	}
	if format.Format > Format {
		return fmt.Errorf("the backup has format %d, this program knows up to %d; restore it with a newer tidal: %w",
			format.Format, Format, fault.ErrFormatTooNew)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fault.Damaged(inPart(p), 0, "it can't be read: %v", err)
	}
	return nil
}

// same refuses what isn't written as we write it.
func same(got, want []byte, p Part) error {
	if !bytes.Equal(got, want) {
		return fault.Damaged(inPart(p), 0, "it isn't written as it should be")
	}
	return nil
}
