package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tidaldb/tidal"
	"github.com/tidaldb/tidal/schema"
)

// maxEntityLine is the longest line of a file of entities: the largest record in JSON, where a byte of text may take
// six.
const maxEntityLine = 4 << 20

// entityLines yields the records of several files, one a line, and knows where each came from.
type entityLines struct {
	names []string
	stdin io.Reader
	parse func(line []byte) (tidal.Record, error)

	count int     // records yielded
	runs  []lines // by first record
}

// lines says that records from first on came from consecutive lines of a file.
type lines struct {
	first int
	file  string
	line  int
}

// records is for [tidal.DB.Load]. An error ends it.
func (e *entityLines) records(yield func(tidal.Record, error) bool) {
	for _, name := range e.names {
		if !e.file(name, yield) {
			return
		}
	}
}

func (e *entityLines) file(name string, yield func(tidal.Record, error) bool) bool {
	in, shown, done, err := openNamed(name, e.stdin)
	if err != nil {
		yield(nil, err)
		return false
	}
	defer func() { _ = done() }() // only read
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 0, 64<<10), maxEntityLine)
	gap := true
	for n := 1; scan.Scan(); n++ {
		line := bytes.TrimSpace(scan.Bytes())
		if len(line) == 0 {
			gap = true
			continue
		}
		if gap {
			e.runs = append(e.runs, lines{e.count, shown, n})
			gap = false
		}
		rec, err := e.parse(line)
		if err != nil {
			yield(nil, fmt.Errorf("%s:%d: %w", shown, n, err))
			return false
		}
		e.count++
		if !yield(rec, nil) {
			return false
		}
	}
	if err := scan.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			err = tidalInput("a line of %s passes %d bytes", shown, maxEntityLine)
		}
		yield(nil, fmt.Errorf("read the input: %w", err))
		return false
	}
	return true
}

// placed is err with the file and line of the record that it is about, if it names one.
func (e *entityLines) placed(err error) error {
	var in *tidal.InputError
	if !errors.As(err, &in) || in.Record < 0 || in.Record >= e.count {
		return err
	}
	var at lines
	for _, run := range e.runs {
		if run.first <= in.Record {
			at = run
		}
	}
	plain := *in
	plain.Record = -1
	return fmt.Errorf("%s:%d: %w", at.file, at.line+in.Record-at.first, &plain)
}

// line reads one line of a file of entities. What list prints with --all --json is one, too.
func (f *putFlags) line(s *schema.Schema, kind tidal.EntityKind, data []byte) (tidal.Record, error) {
	members, err := readMembers(data)
	if err != nil {
		return nil, tidalInput("%v", err)
	}
	var id, word string
	var fields []byte
	for _, m := range members {
		switch m.name {
		case "id":
			err = m.text(&id)
		case "kind":
			err = m.text(&word)
		case "fields":
			fields = m.value
		case "touched": // what list adds; it isn't the client's to set
		default:
			return nil, tidalInput("unknown key %q; keys are kind, id, fields", m.name)
		}
		if err != nil {
			return nil, err
		}
	}
	if word != "" {
		var ok bool
		if kind, ok = kindOf(word); !ok {
			return nil, &tidal.InputError{
				Record: -1, Field: "kind", Reason: fmt.Sprintf("%q is none of item, user, creator", word),
			}
		}
	}
	return f.record(s, kind, id, fields)
}

// readFields reads a JSON object as the fields and embeddings of a kind; nothing is no fields.
func readFields(t *schema.EntityType, kind tidal.EntityKind, data []byte) (tidal.Fields, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	members, err := readMembers(data)
	if err != nil {
		return nil, &tidal.InputError{Record: -1, Field: "fields", Reason: err.Error()}
	}
	fields := tidal.Fields{}
	for _, m := range members {
		var v schema.Value
		if field, ok := t.Field(m.name); ok {
			v, err = field.ReadJSON(m.value)
		} else if slot, ok := t.Embedding(m.name); ok {
			v, err = slot.ReadJSON(m.value)
		} else {
			err = &tidal.InputError{Record: -1, Field: "fields." + m.name, Reason: fmt.Sprintf("is no field of %vs", kind)}
		}
		if err != nil {
			return nil, err
		}
		fields[m.name] = v
	}
	return fields, nil
}

// member is one key of a JSON object and its value.
type member struct {
	name  string
	value json.RawMessage
}

func (m *member) text(into *string) error {
	if err := json.Unmarshal(m.value, into); err != nil {
		return &tidal.InputError{Record: -1, Field: m.name, Reason: "is no string"}
	}
	return nil
}

// readMembers takes a JSON object apart, key by key: encoding/json alone takes the last of two equal keys.
func readMembers(data []byte) ([]member, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8") // the decoder would put other letters into ids
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var out []member
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		m := member{}
		m.name, _ = t.(string) // the decoder has made sure that keys are strings
		if seen[m.name] {
			return nil, fmt.Errorf("key %q appears twice", m.name)
		}
		seen[m.name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, fmt.Errorf("%s: not JSON: %w", m.name, err)
		}
		out = append(out, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("the object isn't closed")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text behind the object")
	}
	return out, nil
}
