package record

import (
	"flag"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidaldb/tidal/internal/fixed"
	"github.com/tidaldb/tidal/internal/hlc"
	"github.com/tidaldb/tidal/internal/id"
)

// The moment of all samples: 2026-03-01T12:00:00.250Z.
const (
	sampleMillis = 1_772_366_400_250
	sampleNanos  = sampleMillis*nanosPerMilli + 123_456
)

func TestMain(m *testing.M) {
	// More runs per property than the library's default; the flag still rules.
	if err := flag.Set("rapid.checks", "400"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func sampleHead() Head {
	return Head{
		Origin:    id.Origin{Region: 2, Shard: 7, Incarnation: 1},
		First:     1000,
		Timestamp: sampleNanos,
		Base:      hlc.Make(sampleMillis, 3),
		Schema:    [16]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf},
		Epoch:     5,
		Level:     1,
	}
}

// sampleMeta is the meta of the nth record of a batch without anything optional.
func sampleMeta(n int) Meta {
	return Meta{Time: sampleMillis - int64(n)*1000, HLC: sampleHead().Base + hlc.Timestamp(n)}
}

// fullMeta has everything that a meta can have.
func fullMeta(n int) Meta {
	m := sampleMeta(n)
	m.Stamp = m.HLC + 9
	m.TimeClamped = true
	m.Lane = Lane{Producer: "phone-17", Request: 42}
	m.Content, m.Count = 0x1122334455667788, 1
	m.Key = "order-9"
	m.Trace = [16]byte{15: 1}
	return m
}

func sampleSignal() Signal {
	return Signal{
		Type:    3,
		Weight:  fixed.One + fixed.One/2,
		Item:    "item-0042",
		ItemGen: hlc.Make(sampleMillis-5000, 1),
		User:    "user-7",
		Creator: "studio",
		Cohorts: []string{"de", "new"},
		Ref:     "f:9:3",
	}
}

// samples holds one proposal of every kind.
func samples() []Proposed {
	gen := hlc.Make(sampleMillis-7000, 2)
	value := func(s string) []byte { return []byte(s) }
	return []Proposed{
		{Kind: KindSignal, Signal: sampleSignal()},
		{Kind: KindMark, Mark: Mark{Which: MarkSaved, On: true, User: "user-7", UserGen: gen, Item: "item-0042"}},
		{Kind: KindRelation, Relation: Relation{Which: MuteCreator, On: true, User: "user-7", Target: "studio"}},
		{Kind: KindPut, Entity: Entity{Kind: id.KindItem, ID: "item-0042", Fields: []Field{
			{Name: "price", Value: value("\x03\x2a")}, {Name: "title", Value: value("\x01Tides")},
		}}},
		{Kind: KindPatch, Entity: Entity{Kind: id.KindUser, ID: "user-7", Fields: []Field{
			{Name: "country", Value: value("\x01de")}, {Name: "nickname"},
		}}},
		{Kind: KindDelete, Entity: Entity{Kind: id.KindCreator, ID: "studio"}},
		{Kind: KindErase, Erase: Erase{User: "user-7"}},
		{Kind: KindCompensate, Compensation: Compensation{
			Original: id.Position{Region: 2, Shard: 7, Seq: 900}, Time: sampleMillis - 60_000,
			Schema: sampleHead().Schema, Signal: sampleSignal(),
		}},
		{Kind: KindSchemaVersion, Schema: SchemaVersion{Parent: sampleHead().Schema, Encoded: value("schema bytes")}},
		{Kind: KindFormatLevel, Level: FormatLevel{Level: 1}},
		{Kind: KindAnnotation, Annotation: Annotation{Name: "maintenance", Note: value("moved to new disks")}},
	}
}

// samplesOfLevel2 holds proposals of the kinds that came with format level 2.
func samplesOfLevel2() []Proposed {
	session := func(s Session) Proposed {
		s.User, s.UserGen, s.ID = "user-7", hlc.Make(sampleMillis-7000, 2), "s-1"
		s.Place, s.Opened = 3, sampleMillis-9000
		return Proposed{Kind: KindSession, Session: &s}
	}
	secret := []byte("a secret that nothing may print!")
	return []Proposed{
		session(Session{
			What: SessionOpens, Agent: "helper", Policy: "careful", Until: sampleMillis + 60_000, Idle: 30_000,
			Taste: []byte{127, 129, 0},
		}),
		session(Session{What: SessionWrites, Signals: []SessionCount{{1, 2}, {300, 1}}, Others: 3, Refused: 4}),
		session(Session{What: SessionNotes, Name: "mood", Text: "wants something calm"}),
		session(Session{What: SessionSearches, Text: "slow jazz", Results: []string{"item-0042", "item-7"}}),
		session(Session{What: SessionCloses, At: sampleMillis, Auto: true, Refused: 5, Taste: []byte{1}}),
		{Kind: KindSealingKey, SealingKey: SealingKey{ID: 0xfeedbeef, Created: sampleMillis, Secret: secret}},
		{Kind: KindSealingKey, SealingKey: SealingKey{ID: 0xfeedbeef, Created: sampleMillis}},
	}
}

// samplesOfLevel3 holds proposals of the kinds that came with format level 3, by the name of their golden file.
func samplesOfLevel3() map[string]Proposed {
	original := id.Position{Region: 2, Shard: 7, Incarnation: 300, Seq: 900}
	return map[string]Proposed{
		"undo":      {Kind: KindUndo, Undo: Undo{Original: original}},
		"undo_void": {Kind: KindUndo, Undo: Undo{Original: original, Void: true}},
		"region":    {Kind: KindRegion, Region: RegionInfo{Number: 300, Name: "ap-south", Follower: true}},
		"region_removed": {Kind: KindRegion, Region: RegionInfo{
			Number: 2, Name: "us-east", Removed: true, Successor: 300,
		}},
		"endpoints": {Kind: KindEndpoints, Endpoints: Endpoints{Number: 2, Members: []Endpoint{
			{Replica: 1, Address: "10.0.0.1:7100", URL: "https://one.example:7000"}, {Replica: 300},
		}}},
		"home": {Kind: KindHome, Home: Home{Number: 2}},
		"duplicate": {Kind: KindDuplicate, Compensation: Compensation{
			Original: original, Time: sampleMillis - 60_000, Schema: sampleHead().Schema, Signal: sampleSignal(),
		}},
	}
}

func headOfLevel3() Head {
	h := sampleHead()
	h.Level = 3
	return h
}

func headOfLevel2() Head {
	h := sampleHead()
	h.Level = 2
	return h
}

// collected puts an item into a collection.
func collected() Proposed {
	return Proposed{Kind: KindRelation, Relation: Relation{
		Which: CollectItem, On: true, User: "user-7", Target: CollectionTarget("later", "item-0042"),
	}}
}

func build(t testing.TB, head Head, fill func(*Builder)) []byte {
	t.Helper()
	b := NewBuilder()
	if err := b.Reset(head); err != nil {
		t.Fatal(err)
	}
	fill(b)
	size := b.Size()
	data, err := b.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != size {
		t.Fatalf("Size said %d, the batch has %d bytes", size, len(data))
	}
	return data
}

// sampleBatch holds one record of every kind.
func sampleBatch(t testing.TB) []byte {
	return build(t, sampleHead(), func(b *Builder) {
		for i, p := range samples() {
			m := sampleMeta(i)
			if i == 0 {
				m = fullMeta(i)
			}
			if err := b.AddProposed(&m, &p); err != nil {
				t.Fatalf("%v: %v", p.Kind, err)
			}
		}
	})
}

func mustOpen(t testing.TB, data []byte) Batch {
	t.Helper()
	b, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readAll decodes every record back into what was proposed, with its meta. Facts come along.
func readAll(t testing.TB, data []byte) (metas []Meta, bodies []Proposed) {
	t.Helper()
	b := mustOpen(t, data)
	for rec, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		var p Proposed
		if err := p.DecodeBody(rec.Kind, rec.Body); err != nil {
			t.Fatal(err)
		}
		metas, bodies = append(metas, rec.Meta), append(bodies, p)
	}
	return metas, bodies
}

// Generators.

func drawText(t *rapid.T, name string, minLen, maxLen int) string {
	n := rapid.OneOf(rapid.IntRange(minLen, min(maxLen, minLen+12)), rapid.IntRange(minLen, maxLen)).Draw(t, name+" length")
	return string(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name))
}

func drawGen(t *rapid.T) hlc.Timestamp {
	return rapid.OneOf(rapid.Just(hlc.Timestamp(0)), rapid.Custom(func(t *rapid.T) hlc.Timestamp {
		return hlc.Timestamp(rapid.Uint64().Draw(t, "g"))
	})).Draw(t, "generation")
}

func drawSorted(t *rapid.T, name string, n, maxLen int) []string {
	var list []string
	for range n {
		list = append(list, drawText(t, name, 1, maxLen))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func drawSignal(t *rapid.T) Signal {
	s := Signal{
		Type:    rapid.Uint16().Draw(t, "type"),
		Weight:  fixed.Weight(rapid.Int64Range(1, int64(fixed.MaxWeight)).Draw(t, "weight")),
		Item:    drawText(t, "item", 1, id.MaxLen),
		ItemGen: drawGen(t),
		User:    drawText(t, "user", 0, id.MaxLen),
		Creator: drawText(t, "creator", 0, id.MaxLen),
		Cohorts: drawSorted(t, "cohort", rapid.IntRange(0, MaxCohorts).Draw(t, "cohorts"), MaxCohort),
		Ref:     drawText(t, "ref", 0, MaxRef),
	}
	if s.User != "" {
		s.UserGen = drawGen(t)
	}
	return s
}

func drawCollected(t *rapid.T) string {
	letters := rapid.SliceOfN(rapid.SampledFrom([]rune("a \u00e4\u8996\U0001F30A\"")), 1, 16).Draw(t, "collection")
	name := string(letters)
	return CollectionTarget(name, drawText(t, "item", 1, id.MaxLen-1-len(name)))
}

func drawEntity(t *rapid.T, kind Kind) Entity {
	e := Entity{Kind: id.Kind(rapid.IntRange(1, id.Kinds).Draw(t, "entity kind")), ID: drawText(t, "id", 1, id.MaxLen)}
	if kind == KindDelete {
		return e
	}
	for _, name := range drawSorted(t, "field", rapid.IntRange(0, 5).Draw(t, "fields"), MaxFieldName) {
		f := Field{Name: name, Value: []byte(drawText(t, "value", 1, 200))}
		if kind == KindPatch && rapid.Bool().Draw(t, "clear") {
			f.Value = nil
		}
		e.Fields = append(e.Fields, f)
	}
	return e
}

func drawTime(t *rapid.T) int64 {
	near, anywhere := rapid.Int64Range(sampleMillis-1000, sampleMillis+1000), rapid.Int64Range(MinTime, MaxTime)
	return rapid.OneOf(near, anywhere).Draw(t, "time")
}

func drawProposed(t *rapid.T) Proposed {
	kinds := []Kind{
		KindSignal, KindSignal, KindMark, KindRelation, KindPut, KindPatch, KindDelete, KindErase,
		KindCompensate, KindSchemaVersion, KindFormatLevel, KindAnnotation, KindSession, KindSealingKey,
		KindUndo, KindRegion, KindEndpoints, KindHome, KindDuplicate,
	}
	p := Proposed{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
	user := func() string { return drawText(t, "user", 1, id.MaxLen) }
	switch p.Kind {
	case KindSignal:
		p.Signal = drawSignal(t)
	case KindMark:
		p.Mark = Mark{
			Which: MarkKind(rapid.IntRange(1, 4).Draw(t, "mark")), On: rapid.Bool().Draw(t, "on"),
			User: user(), UserGen: drawGen(t), Item: user(), ItemGen: drawGen(t),
		}
	case KindRelation:
		p.Relation = Relation{
			Which: RelationKind(rapid.IntRange(1, 5).Draw(t, "relation")),
			On:    rapid.Bool().Draw(t, "on"), User: user(), UserGen: drawGen(t), Target: user(),
		}
		if p.Relation.Which == CollectItem {
			p.Relation.Target = drawCollected(t)
		}
	case KindPut, KindPatch, KindDelete:
		p.Entity = drawEntity(t, p.Kind)
	case KindErase:
		p.Erase.User = user()
	case KindCompensate, KindDuplicate:
		p.Compensation = Compensation{
			Time: drawTime(t), Signal: drawSignal(t), Schema: sampleHead().Schema,
			Original: id.UnpackOrigin(rapid.Uint64().Draw(t, "origin")).At(id.Seq(rapid.Uint64Min(1).Draw(t, "seq"))),
		}
	case KindSchemaVersion:
		p.Schema = SchemaVersion{Encoded: []byte(drawText(t, "schema", 1, 300))}
	case KindFormatLevel:
		p.Level.Level = rapid.Uint32Min(1).Draw(t, "level")
	case KindSession:
		p.Session = drawSession(t)
	case KindSealingKey:
		p.SealingKey = SealingKey{ID: rapid.Uint32().Draw(t, "id"), Created: rapid.Int64Range(1, MaxTime).Draw(t, "created")}
		if rapid.Bool().Draw(t, "secret") {
			p.SealingKey.Secret = []byte(drawText(t, "secret", SecretSize, SecretSize))
		}
	case KindUndo:
		p.Undo = Undo{
			Original: id.UnpackOrigin(rapid.Uint64().Draw(t, "origin")).At(id.Seq(rapid.Uint64Min(1).Draw(t, "seq"))),
			Void:     rapid.Bool().Draw(t, "void"),
		}
	case KindRegion, KindEndpoints, KindHome:
		drawRegion(t, &p)
	case KindAnnotation:
		p.Annotation = Annotation{Name: drawText(t, "name", 1, MaxNoteName)}
		if note := drawText(t, "note", 0, 100); note != "" {
			p.Annotation.Note = []byte(note)
		}
	}
	return p
}

func drawRegion(t *rapid.T, p *Proposed) {
	number := id.Region(rapid.Uint16().Draw(t, "region"))
	p.Home.Number, p.Region.Number, p.Endpoints.Number = number, number, number
	p.Region.Name = rapid.StringMatching("[a-z0-9-]{1,32}").Draw(t, "name")
	p.Region.Follower = rapid.Bool().Draw(t, "follower")
	if p.Region.Removed = rapid.Bool().Draw(t, "removed"); p.Region.Removed {
		p.Region.Successor = number + 1 + id.Region(rapid.Uint16Max(1<<16-2).Draw(t, "successor"))
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "members") {
		p.Endpoints.Members = append(p.Endpoints.Members, Endpoint{
			Replica: uint64(1 + i*rapid.IntRange(1, 1000).Draw(t, "replica")), Address: drawText(t, "address", 0, MaxEndpoint),
			URL: drawText(t, "url", 0, MaxEndpoint),
		})
		if i > 0 {
			p.Endpoints.Members[i].Replica += p.Endpoints.Members[i-1].Replica
		}
	}
	switch p.Kind {
	case KindRegion:
		p.Endpoints, p.Home = Endpoints{}, Home{}
	case KindEndpoints:
		p.Region, p.Home = RegionInfo{}, Home{}
	default:
		p.Region, p.Endpoints = RegionInfo{}, Endpoints{}
	}
}

// drawMetas makes the metas of n records: requests of several lanes, one behind the other, keyed records, bare ones.
func drawMetas(t *rapid.T, base hlc.Timestamp, n int) []Meta {
	var metas []Meta
	stamp := base
	add := func(m Meta) {
		stamp += hlc.Timestamp(rapid.OneOf(rapid.Uint64Range(1, 3), rapid.Uint64Range(1, 1<<40)).Draw(t, "step"))
		m.HLC, m.Time = stamp, drawTime(t)
		switch rapid.IntRange(0, 3).Draw(t, "flags") {
		case 0:
			m.TimeAssigned = true
		case 1:
			m.TimeClamped = true
		case 2:
			m.Stamp = stamp + hlc.Timestamp(rapid.Uint64Range(1, 1<<50).Draw(t, "stamp"))
			copy(m.Trace[:], drawText(t, "trace", 16, 16))
		}
		if m.Count > 0 {
			m.Content = rapid.Uint64().Draw(t, "content")
		}
		metas = append(metas, m)
	}
	for len(metas) < n {
		left := n - len(metas)
		key := ""
		if rapid.IntRange(0, 3).Draw(t, "keyed") == 0 {
			key = drawText(t, "key", 1, MaxKey)
		}
		if rapid.Bool().Draw(t, "laned") {
			m := Meta{Count: uint32(rapid.IntRange(1, left).Draw(t, "count")), Key: key, Lane: Lane{
				Producer: rapid.SampledFrom([]string{"a", "b", "phone-17"}).Draw(t, "producer"),
				Request:  rapid.Uint64Min(1).Draw(t, "request"),
			}}
			count := m.Count
			add(m)
			for m.Count, m.Key, m.Lane.Index = 0, "", 1; m.Lane.Index < count; m.Lane.Index++ {
				add(m)
			}
			continue
		}
		m := Meta{Key: key}
		if key != "" {
			m.Count = 1
		}
		add(m)
	}
	return metas
}
