package tidal

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tidaldb/tidal/internal/id"
)

// exportTime is how times are written: RFC 3339 in UTC, always to the millisecond.
const exportTime = "2006-01-02T15:04:05.000Z07:00"

// MarshalJSON writes the event as one object without line breaks. Fields that are empty are left out, but for the kind,
// position and time, and a signal's type, item and weight. A text that isn't UTF-8 stands in base64 under its name with "_base64" behind it.
func (x Exported) MarshalJSON() ([]byte, error) { return x.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON returns.
func (x *Exported) AppendJSON(dst []byte) []byte {
	o := objectWriter{b: append(dst, '{')}
	o.text("kind", x.Kind)
	o.text("position", x.Position.String())
	o.time("time", x.Time)
	if x.Kind == kindSignal || x.Type != "" {
		o.text("type", x.Type)
	}
	o.optional("user", x.User)
	if x.Kind == kindSignal {
		o.text("item", x.Item)
		o.optional("creator", x.Creator)
		o.number("weight", x.Weight)
		o.list("cohorts", x.Cohorts)
	}
	o.optional("text", x.Text)
	o.list("results", x.Results)
	o.optional("key", x.Key)
	if x.Session != "" {
		o.optional("session", x.Session)
	} else {
		o.optional("lane", x.Lane)
	}
	if x.Lane != "" || x.Session != "" {
		o.name("seq")
		o.b = strconv.AppendUint(o.b, x.Number, 10)
	}
	if x.Trace != (TraceID{}) {
		o.text("trace", hex.EncodeToString(x.Trace[:]))
	}
	if r := x.Ref; r != nil {
		o.text("feed", fmt.Sprintf("%016x", r.Feed))
		o.name("place")
		o.b = strconv.AppendInt(o.b, int64(r.Place), 10)
		o.optional("slot", r.Slot)
		o.number("propensity", r.Propensity)
		o.text("profile", r.Profile)
		o.name("profile_version")
		o.b = strconv.AppendUint(o.b, uint64(r.Version), 10)
		o.time("list_time", r.Time)
	}
	if len(x.RawRef) > 0 {
		o.text("ref", base64.StdEncoding.EncodeToString(x.RawRef))
		o.yes("ref_unverified")
	}
	if x.Undone {
		o.yes("undone")
	}
	o.optional("cursor", x.Cursor)
	return append(o.b, '}')
}

// objectWriter writes the fields of one JSON object.
type objectWriter struct {
	b   []byte
	any bool
}

func (o *objectWriter) name(name string) {
	if o.any {
		o.b = append(o.b, ',')
	}
	o.any = true
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

func (o *objectWriter) optional(name, s string) {
	if s != "" {
		o.text(name, s)
	}
}

func (o *objectWriter) text(name, s string) {
	if !utf8.ValidString(s) {
		o.name(name + "_base64")
		s = base64.StdEncoding.EncodeToString([]byte(s))
	} else {
		o.name(name)
	}
	o.b = appendJSONText(o.b, s)
}

// list writes texts; if one isn't UTF-8, all are in base64.
func (o *objectWriter) list(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	valid := true
	for _, s := range texts {
		valid = valid && utf8.ValidString(s)
	}
	if !valid {
		name += "_base64"
	}
	o.name(name)
	o.b = append(o.b, '[')
	for i, s := range texts {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		if !valid {
			s = base64.StdEncoding.EncodeToString([]byte(s))
		}
		o.b = appendJSONText(o.b, s)
	}
	o.b = append(o.b, ']')
}

func (o *objectWriter) number(name string, f float64) {
	o.name(name)
	o.b = strconv.AppendFloat(o.b, f, 'g', -1, 64)
}

// time writes a time that RFC 3339 has a year for, and others as milliseconds under the name with "_ms" behind it.
func (o *objectWriter) time(name string, t time.Time) {
	t = t.UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		o.name(name + "_ms")
		o.b = strconv.AppendInt(o.b, t.UnixMilli(), 10)
		return
	}
	o.name(name)
	o.b = append(t.AppendFormat(append(o.b, '"'), exportTime), '"')
}

func (o *objectWriter) yes(name string) {
	o.name(name)
	o.b = append(o.b, "true"...)
}

// appendJSONText appends valid UTF-8 as a JSON string.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, `\u00`...)
			dst = hex.AppendEncode(dst, []byte{c})
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// exportedLine is an exported event as it stands in JSON.
type exportedLine struct {
	Kind     string     `json:"kind"`
	Position string     `json:"position"`
	Time     *time.Time `json:"time"`
	TimeMS   int64      `json:"time_ms"`
	Type     string     `json:"type"`
	User     string     `json:"user"`
	Item     string     `json:"item"`
	Creator  string     `json:"creator"`
	Weight   float64    `json:"weight"`
	Cohorts  []string   `json:"cohorts"`
	Text     string     `json:"text"`
	Results  []string   `json:"results"`
	Key      string     `json:"key"`
	Session  string     `json:"session"`
	Lane     string     `json:"lane"`
	Seq      uint64     `json:"seq"`
	Trace    string     `json:"trace"`
	Ref      []byte     `json:"ref"`
	Undone   bool       `json:"undone"`
	Cursor   string     `json:"cursor"`
	exportedList
	exportedBytes
}

// exportedList is what an event says of the list that it answers.
type exportedList struct {
	Feed       string     `json:"feed"`
	Place      int        `json:"place"`
	Slot       string     `json:"slot"`
	Propensity float64    `json:"propensity"`
	Profile    string     `json:"profile"`
	Version    uint32     `json:"profile_version"`
	ListTime   *time.Time `json:"list_time"`
	ListTimeMS int64      `json:"list_time_ms"`
}

// exportedBytes are texts that aren't UTF-8.
type exportedBytes struct {
	User    []byte   `json:"user_base64"`
	Item    []byte   `json:"item_base64"`
	Creator []byte   `json:"creator_base64"`
	Cohorts [][]byte `json:"cohorts_base64"`
	Type    []byte   `json:"type_base64"`
	Text    []byte   `json:"text_base64"`
	Results [][]byte `json:"results_base64"`
	Key     []byte   `json:"key_base64"`
	Session []byte   `json:"session_base64"`
	Lane    []byte   `json:"lane_base64"`
}

// either is a text that stands plainly or in base64.
func either(plain string, encoded []byte) string {
	if len(encoded) > 0 {
		return string(encoded)
	}
	return plain
}

// UnmarshalJSON reads what MarshalJSON wrote. Fields that it doesn't know are passed over.
func (x *Exported) UnmarshalJSON(data []byte) error {
	var l exportedLine
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("read an exported event: %w", err)
	}
	b := &l.exportedBytes
	out := Exported{
		Kind: l.Kind, Time: exportedAt(l.Time, l.TimeMS), Type: either(l.Type, b.Type), User: either(l.User, b.User),
		Item: either(l.Item, b.Item), Creator: either(l.Creator, b.Creator), Weight: l.Weight, Cohorts: l.Cohorts,
		Key: either(l.Key, b.Key), Lane: either(l.Lane, b.Lane), Session: either(l.Session, b.Session), Number: l.Seq,
		RawRef: l.Ref, Undone: l.Undone, Cursor: l.Cursor, Text: either(l.Text, b.Text), Results: l.Results,
	}
	for _, c := range b.Cohorts {
		out.Cohorts = append(out.Cohorts, string(c))
	}
	for _, r := range b.Results {
		out.Results = append(out.Results, string(r))
	}
	if out.Kind != kindSignal {
		out.Item, out.Creator, out.Weight, out.Cohorts = "", "", 0, nil
	}
	if err := l.names(&out); err != nil {
		return fmt.Errorf("read an exported event: %w", err)
	}
	*x = out
	return nil
}

// names reads what names the event, its trace and its list.
func (l *exportedLine) names(out *Exported) (err error) {
	if l.Position != "" {
		if out.Position, err = id.ParsePosition(l.Position); err != nil {
			return err
		}
	}
	if l.Trace != "" {
		trace, err := hex.DecodeString(l.Trace)
		if err != nil || len(trace) != len(out.Trace) {
			return fmt.Errorf("trace %q isn't 16 bytes in hex", l.Trace)
		}
		out.Trace = TraceID(trace)
	}
	if l.Feed == "" {
		return nil
	}
	feed, err := strconv.ParseUint(l.Feed, 16, 64)
	if err != nil {
		return fmt.Errorf("feed %q isn't a number in hex", l.Feed)
	}
	out.Ref = &FeedRef{
		Feed: feed, Place: l.Place, Item: out.Item[:min(len(out.Item), 64)], Slot: l.Slot, Propensity: l.Propensity,
		Profile: l.Profile, Version: l.Version, Time: exportedAt(l.ListTime, l.ListTimeMS),
	}
	return nil
}

func exportedAt(t *time.Time, ms int64) time.Time {
	if t != nil {
		return t.UTC()
	}
	return time.UnixMilli(ms).UTC()
}
